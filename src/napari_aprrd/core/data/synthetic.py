"""Synthetic fluorescence micrographs of cells: known truth, realistic camera noise.

A scene is a cloud of point emitters, drawn as a microscope would: emitters drift, the objective
blurs, pixels integrate. Positions are complex (x + iy, px): rotation is one multiplication.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

NoiseKind = Literal["white", "blobby", "line-x", "line-y"]
Points = NDArray[np.complex128]
Real = NDArray[np.float64]
Image = NDArray[np.float32]
Emitters = tuple[Points, Real, Points, NDArray[np.int_]]  # (N,): px, light, px/frame, layer

# Scenes and cameras are invented: these numbers are chosen so that they look like microscopy.
OFFSET = np.float32(100)  # counts the camera adds, so that dark noise is not clipped at zero
_PEAK = 400.0  # counts of the brightest pixels (99.9th percentile) of a clean scene
_PITCH, _MARGIN = 104, 54  # length between cells; px drawn beyond the edges of the field of view
_FINE = 2  # drawing samples per pixel and axis, against aliasing of thin structures
_ZOOM = 2.4  # pixels per unit of length of a scene: thin fibres are about 4 px wide
_BLUR, _HAZE = np.array([1.7, 4.3]), 24.0  # sigma (px) of layers 0 (thin) and 1 (thick); of haze

# Demosaicing blurs both ways (lag-1 correlation 0.6), a slow detector along the scan only (0.5).
_ONE, _MIX, _LAG = np.ones(1), np.array([0.1, 0.345, 1, 0.345, 0.1]), 0.5 ** np.arange(10)
_TAPS_Y = {"white": _ONE, "blobby": _MIX, "line-x": _ONE, "line-y": _LAG}
_TAPS_X = {"white": _ONE, "blobby": _MIX, "line-x": _LAG, "line-y": _ONE}


class NoiseModel(NamedTuple):
    """Poisson-Gaussian noise of one camera; `add_noise` explains the parameters."""

    photons: float = 0.1
    read: float = 10.0
    kind: NoiseKind = "blobby"

    def sample(self, clean: Image, seed: int) -> Image:
        """Draw zero-mean noise (counts, float32) for `clean` (..., Y, X; counts)."""
        rng, mean = np.random.default_rng(seed), np.maximum(clean, 0)
        sd = np.sqrt(mean / self.photons + self.read**2)
        shot = rng.poisson(mean * self.photons) / self.photons - mean
        # Correlate at unit variance, so that bright pixels do not spill noise on dark ones.
        unit = (shot + rng.normal(0, self.read, clean.shape)) / sd
        kernel, size = np.outer(_TAPS_Y[self.kind], _TAPS_X[self.kind]), clean.shape[-2:]
        transfer = np.fft.rfft2(kernel / np.linalg.norm(kernel), size)
        return (np.fft.irfft2(np.fft.rfft2(unit) * transfer, size) * sd).astype(np.float32)


def _texture(rng: np.random.Generator, at: Points, wavelength: float) -> Real:
    """Evaluate a smooth positive random field (median 1; wavelength in px) at points."""
    log_field = np.zeros(at.shape)
    for pitch, turn, phase in rng.uniform((0.6, 0, 0), (1.6, 7, 7), (6, 3)):
        wave = 2 * np.pi / (wavelength * pitch) * np.exp(1j * turn)
        log_field += 0.2 * np.cos(wave.real * at.real + wave.imag * at.imag + phase)
    return np.exp(log_field)


def _blob(rng: np.random.Generator, radius: float, lobes: float) -> tuple[Points, Points]:
    """Return points (N,) on a smooth closed curve around 0, elongated along x, and within it."""
    index = np.arange(4000)
    angle = np.pi * (5**0.5 - 1) * index  # the golden angle, as in a sunflower, fills evenly
    reach = 1 + 0.2 * np.cos(2 * angle)
    for order in (3, 4, 5):
        reach += lobes / order * rng.normal() * np.cos(order * angle + rng.uniform(0, 7))
    edge = radius * reach * np.exp(1j * angle)
    return edge, np.sqrt(index / index.size) * edge


def _fibres(rng: np.random.Generator, radius: float, count: int = 16) -> tuple[Points, Real]:
    """Draw actin bundles along x: strands part in the middle and meet in tapered ends."""
    each, strand, s = (count, 1, 1), np.linspace(-1.5, 1.5, 5)[:, None], np.linspace(-1, 1, 200)
    across = np.linspace(-0.8, 0.8, count).reshape(each) + rng.uniform(-0.1, 0.1, each)
    length = 1.2 * radius * np.sqrt(1 - across**2) * rng.uniform(0.6, 1, each)
    width = rng.exponential(0.9, each) * (1 - s**2)  # px; most bundles are thin
    bend = across * radius * (1 - 0.3 * s**2) + rng.normal(0, 3, each) * s**3
    path = length * s * np.exp(1j * rng.normal(0, 0.15, each)) + 1j * (bend + strand * width)
    light = rng.lognormal(-5.3, 0.3, each) * length * (1 + width) * np.exp(-(strand**2) / 2)
    return path.ravel(), (light * (1 - s**2) ** 0.7).ravel()


def _cell(rng: np.random.Generator, centre: complex) -> Iterator[Emitters]:
    """Build actin, membrane, cytoplasm, nucleus and vesicles of a cell at `centre` (px)."""
    radius, turn = rng.uniform(44, 60), np.exp(1j * rng.uniform(0, 7))
    drift = rng.normal(0, 0.2, 2) @ [1, 1j]

    def place(at: Points, light: Real | float, mottle: float, layer: int = 0) -> Emitters:
        # Jitter by one drawing sample: rounding to samples averages out over many emitters.
        jitter = rng.uniform(-0.5, 0.5, 2 * at.size).view(complex) / _FINE
        path, light = centre + turn * at + jitter, light * _texture(rng, at, mottle)
        return path, light, np.full(at.shape, drift), np.full(at.shape, layer)

    yield place(*_fibres(rng, radius), mottle=18)
    edge, inside = _blob(rng, radius, lobes=0.15)
    yield place(edge, 0.18, mottle=50)
    yield place(inside, 0.37, mottle=14, layer=1)
    yield place(_blob(rng, 0.3 * radius, lobes=0.06)[1], 0.22, mottle=12, layer=1)
    spots = rng.uniform((0.3, 0, 0.4), (0.85, 7, 1), (40, 3))
    reach, angle, light = np.repeat(spots, 16, axis=0).T  # 16 emitters each, to average out
    yield place(radius * reach * np.exp(1j * angle), 0.8 * light**3, mottle=50)


def _expose(at: Points, light: Real, layer: NDArray[np.int_], size: tuple[int, ...]) -> Real:
    """Image emitters (N,) on a camera of `size` (Y, X); arbitrary units of light."""
    ny, nx = (_FINE * (n + 2 * _MARGIN) for n in size)
    row, column = (((v + _MARGIN) * _FINE).astype(int) for v in (at.imag, at.real))
    seen = (row >= 0) & (row < ny) & (column >= 0) & (column < nx)
    index = ((layer * ny + row) * nx + column)[seen]
    drawn = np.bincount(index, light[seen], 2 * ny * nx).reshape(2, ny, nx)
    square = np.add.outer(np.fft.fftfreq(ny, 1 / _FINE) ** 2, np.fft.rfftfreq(nx, 1 / _FINE) ** 2)
    focus, haze = (np.exp(-2 * np.multiply.outer((np.pi * s) ** 2, square)) for s in (_BLUR, _HAZE))
    fine = np.fft.irfft2((np.fft.rfft2(drawn) * (0.6 * focus + 0.4 * haze)).sum(0), (ny, nx))
    pixels = fine.reshape(ny // _FINE, _FINE, nx // _FINE, _FINE).sum((1, 3))
    return np.asarray(pixels[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])


def cells(shape: tuple[int, ...] = (4, 256, 256), *, seed: int = 0) -> Image:
    """Draw a clean fluorescence micrograph of slowly moving cells.

    Parameters
    ----------
    shape : (T, Y, X) or (Y, X), in frames and pixels.
    seed : equal seeds draw equal scenes.

    Returns
    -------
    Image of `shape`, float32, in counts above the camera offset.
    """
    rng, size, frames = np.random.default_rng(seed), shape[-2:], int(np.prod(shape[:-2]))
    y, x = (np.arange(0, n / _ZOOM + _PITCH, _PITCH) for n in size)
    grid = (x + 1j * y[:, None]).ravel()
    centres = grid + rng.normal(0, 12, (grid.size, 2)) @ [1, 1j]
    parts = (emitters for centre in centres for emitters in _cell(rng, centre))
    at, light, drift, layer = map(np.concatenate, zip(*parts, strict=True))
    moving = (_ZOOM * (at + t * drift) for t in range(frames))
    stack = np.stack([_expose(positions, light, layer, size) for positions in moving])
    rows, columns = np.indices(size)
    stack += 0.06 * np.percentile(stack, 99.9) * _texture(rng, columns + 1j * rows, wavelength=250)
    return (stack * (_PEAK / np.percentile(stack, 99.9))).reshape(shape).astype(np.float32)


def add_noise(
    clean: Image,
    *,
    kind: NoiseKind = "blobby",
    photons: float = 0.1,
    read: float = 10.0,
    seed: int = 0,
    dtype: DTypeLike = np.uint16,
) -> NDArray[Any]:
    """Expose a clean image on a noisy camera.

    Parameters
    ----------
    clean : (..., Y, X), counts above the camera offset; frames get independent noise.
    kind : spatial correlation; none, as after demosaicing, or of a line scanner along x or y.
    photons : detected photons per count of `clean`; fewer means more shot noise.
    read : standard deviation of the read noise, counts.
    seed, dtype : equal seeds, equal noise; integer types are rounded and clipped.

    Returns
    -------
    Counts of shape `clean.shape` and type `dtype`: clean + `OFFSET` + noise.
    """
    noisy = clean + OFFSET + NoiseModel(photons, read, kind).sample(clean, seed)
    if np.issubdtype(dtype, np.integer):
        noisy = np.clip(np.rint(noisy), np.iinfo(dtype).min, np.iinfo(dtype).max)
    return noisy.astype(dtype)


def noisy_cells(
    shape: tuple[int, ...] = (4, 256, 256), kind: NoiseKind = "blobby", seed: int = 0
) -> tuple[NDArray[np.uint16], Image]:
    """Draw cells with the noise of a camera, and their known truth.

    Parameters
    ----------
    shape : tuple of int
        (..., Y, X). What comes before the last two axes is time, in which the cells move.
    kind : {"white", "blobby", "line-x", "line-y"}
        Independent noise, noise correlated to all sides, or along one axis.
    seed : int
        Same seed, same image.

    Returns
    -------
    noisy : ndarray
        uint16 counts.
    truth : ndarray
        float32 counts that `noisy` scatters around, camera offset included.

    Examples
    --------
    >>> noisy, truth = aprrd.noisy_cells((256, 256), kind="white")
    """
    clean = cells(shape, seed=seed)
    return add_noise(clean, kind=kind, seed=seed + 1), clean + OFFSET
