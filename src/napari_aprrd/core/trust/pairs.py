"""Windows of a noisy image and its denoised version, and how their detail is compared.

Detail is taken in bands (differences of Gaussians), in units of the noise at the same brightness,
and as means over blocks, of which some are flat and some show structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from ..data.planes import Image, fill_invalid

Array = NDArray[np.float64]
# These values are chosen, not measured. The bounds of the verdicts were chosen for them, see
# docs/trust.md.
SIZES = (2, 4, 8)  # pixels: detail whose dark and bright parts are as wide as this
SIDE = 16  # pixels: side of the blocks that are classified as flat or structured
_FLAT, _STRUCTURED = 0.3, 0.1  # shares of the blocks; the others are neither
_BINS = 12  # groups of brightness
_CLIP = 4.0  # standard deviations: hot pixels, which are rightly removed, are limited to these
_SMOOTH = 2.0  # pixels: blur of the output, so that noise in it does not sort pixels by brightness
_HALF_PERIOD = 0.6  # sigma of the wider Gaussian of a band / half period of the detail it selects


class Pair(NamedTuple):
    """A window (h, w) of one channel, noisy and denoised, without invalid pixels."""

    noisy: Array
    clean: Array

    @classmethod
    def of(cls, noisy: Image, clean: Image) -> Pair:
        """Pair a window (h, w) of both images; the residual is 0 where either is invalid."""
        valid = np.isfinite(noisy) & np.isfinite(clean)
        after = fill_invalid(np.where(valid, clean, np.nan)[None])[0].astype(np.float64)
        return cls(np.where(valid, noisy, after), after)

    @property
    def residual(self) -> Array:
        """Input minus output."""
        return self.noisy - self.clean

    def in_units_of(self, curve: NoiseCurve) -> Pair:
        """The pair in units of its channel's noise, so that channels can be pooled."""
        unit = float(np.median(curve.sigma))
        return Pair(self.noisy / unit, self.clean / unit)


class NoiseCurve(NamedTuple):
    """Standard deviation of the residual as a function of brightness."""

    brightness: Array
    sigma: Array

    def at(self, image: Array) -> Array:
        """The standard deviation at each pixel's brightness."""
        smooth = gaussian_filter(image, _SMOOTH)
        return np.asarray(np.interp(smooth, self.brightness, self.sigma))

    @classmethod
    def measure(cls, pairs: Sequence[Pair]) -> NoiseCurve:
        """Measure the median deviation in bins of brightness, which ignores sparse structure."""
        fine = [p.residual - gaussian_filter(p.residual, SIZES[1]) for p in pairs]
        groups = by_brightness(pairs, fine)
        sigma = [1.4826 * np.median(np.abs(values - np.median(values))) for _, values in groups]
        floor = max(1e-3 * max(sigma), 1e-9)  # avoids a division by zero where nothing was removed
        return cls(np.array([b for b, _ in groups]), np.maximum(sigma, floor))


def band(image: Array, size: float) -> Array:
    """Detail of a size: a difference of Gaussians whose half period is the size."""
    sigma = _HALF_PERIOD * size
    return np.asarray(gaussian_filter(image, sigma / 2) - gaussian_filter(image, sigma))


def lowest(values: Array) -> NDArray[np.intp]:
    """Numbers of the blocks that count as flat: those of the lowest values."""
    return np.argsort(values)[: max(1, round(_FLAT * len(values)))]


def highest(values: Array) -> NDArray[np.intp]:
    """Numbers of the blocks that count as structured: those of the highest values."""
    return np.argsort(values)[-max(1, round(_STRUCTURED * len(values))) :]


def share(ratio: float) -> float:
    """Convert a ratio a / b to the fraction a / (a + b)."""
    ratio = max(float(ratio), 0.0)
    return ratio / (1 + ratio)


def places(image: Array) -> Array:
    """Means of blocks, in one row; a window that is smaller than a block is one block."""
    h, w = (n // SIDE * SIDE for n in image.shape)
    if not h or not w:
        return np.array([image.mean()])
    blocks = image[:h, :w].reshape(h // SIDE, SIDE, w // SIDE, SIDE)
    return np.asarray(blocks.mean((1, 3)).ravel())


def with_random_phases(image: Array, rng: np.random.Generator) -> Array:
    """Noise (h, w) of the spectrum of an image."""
    random = np.fft.rfft2(rng.normal(size=image.shape))
    same = np.abs(np.fft.rfft2(image)) * random / np.maximum(np.abs(random), 1e-12)
    return np.asarray(np.fft.irfft2(same, image.shape))


def in_sigmas(residual: Array, sigma: Array) -> Array:
    """The residual in standard deviations of the noise, limited to a few of them."""
    return np.asarray((residual / sigma).clip(-_CLIP, _CLIP))


def local(image: Array, size: int) -> Array:
    """Means of the squares around each pixel whose detail of a size is judged."""
    return np.asarray(uniform_filter(image, 2 * size + 1))


def by_brightness(pairs: Sequence[Pair], values: Sequence[Array]) -> list[tuple[float, Array]]:
    """Sort values into bins of equal counts: (brightness of the output, values) of each bin."""
    smooth = np.concatenate([gaussian_filter(pair.clean, _SMOOTH).ravel() for pair in pairs])
    every = np.concatenate([value.ravel() for value in values])
    bins = np.array_split(np.argsort(smooth), min(_BINS, len(smooth)))
    return [(float(smooth[members].mean()), every[members]) for members in bins]
