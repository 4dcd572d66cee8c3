"""What the noise looks like, measured on the noisy images alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .config import Config
from .errors import UserError
from .patches import Image, Planes, some_windows

LAGS = 4
SMALL, LARGE = 16, 24  # pixels: sides of the blocks
WINDOW, WINDOWS = 256, 16
_CORRELATED = 0.12  # below this, a lag's correlation may be chance
_FLAT = {SMALL: 0.03, LARGE: 0.07}  # share of the blocks of a brightness taken for flat
_STRONG = 0.35  # correlation of neighbours beyond which the tail is looked for in large blocks
_BINS = 8  # of brightness
_STRIPED = 5.0  # how many times more the means of lines vary than the noise explains
_PILE = 0.002  # share of the pixels at the very end of the range that is no chance

Array = NDArray[np.float64]


class NoiseReport(Config):
    """The noise of some images. Lengths in pixels, intensities in the units of the source."""

    sigma: float = Field(description="Standard deviation of the noise, median over the image.")
    read: float = Field(description="Standard deviation at the darkest places.")
    shot: float = Field(description="Rise of the variance per unit of intensity (photon noise).")
    x: tuple[float, ...] = Field(description="Correlation of the noise at lags 1 to 4 along x.")
    y: tuple[float, ...] = Field(description="Correlation of the noise at lags 1 to 4 along y.")
    reach_x: int = Field(description="Largest lag along x at which the noise is correlated.")
    reach_y: int = Field(description="Largest lag along y at which the noise is correlated.")
    relative: float = Field(description="sigma / range of the image (1st to 99th percentile).")
    clipped_low: float = Field(description="Share of the pixels that pile up at the lowest value.")
    clipped_high: float = Field(description="Share that pile up at the highest value.")
    stripes: str = Field(description="'horizontal', 'vertical' or none: long stripes.")
    sentences: tuple[str, ...] = Field((), description="The same in plain words.")


def inspect(planes: Planes, *, seed: int = 0) -> NoiseReport:
    """Measure the noise on a few windows of the planes.

    Structure is kept out by looking only at the flattest blocks of each brightness: small ones,
    and where neighbours share much of their noise large ones, which hold more of its tail.

    Parameters
    ----------
    planes : Planes
    seed : int
        Of the windows' places.

    Raises
    ------
    UserError
        If there is nothing to measure: constant images, or no finite pixels.
    """
    places = some_windows(planes, WINDOW, WINDOWS, seed=seed)
    windows = [channel for place in places for channel in planes.read(*place)]
    pixels = np.concatenate([window[np.isfinite(window)] for window in windows])
    if pixels.size == 0 or np.ptp(pixels) == 0:
        raise UserError("The image is constant or holds no finite pixel: there is no noise in it.")
    low, high = float(pixels.min()), float(pixels.max())
    x, y, means, curve = _measure(windows, SMALL, (low, high))
    if max(x[0], y[0]) > _STRONG and min(map(min, (w.shape for w in windows))) >= 2 * LARGE:
        x, y, means, curve = _measure(windows, LARGE, (low, high))
    read, shot = _variance_model(*curve)
    spread = np.subtract(*np.percentile(pixels, [99, 1]))
    sigma = float(np.sqrt(np.median(np.interp(means, *curve))))
    report = NoiseReport(
        sigma=sigma,
        read=read,
        shot=shot,
        x=x,
        y=y,
        reach_x=_reach(x),
        reach_y=_reach(y),
        relative=sigma / float(spread) if spread > 0 else 0.0,
        clipped_low=_pile(pixels, low),
        clipped_high=_pile(pixels, high),
        stripes=_stripes(windows),
    )
    return NoiseReport.of(report, sentences=_sentences(report))


def _measure(
    windows: list[Image], side: int, ends: tuple[float, float]
) -> tuple[tuple[float, ...], tuple[float, ...], Array, tuple[Array, Array]]:
    """Correlations along x and y; the blocks' brightness; variance by brightness."""
    blocks = np.concatenate([_blocks(window, side, ends) for window in windows])
    if len(blocks) == 0:
        raise UserError("The image is too small or too clipped to measure its noise.")
    means, noise = blocks.mean((1, 2)), _detrended(blocks)
    flat, curve = _flat_blocks(means, noise.var((1, 2)), _FLAT[side])
    return *_correlations(noise[flat]), means, curve


def _blocks(window: Image, side: int, ends: tuple[float, float]) -> Array:
    """Overlapping blocks (N, b, b) without invalid and with hardly a clipped pixel."""
    if min(window.shape) < side:
        return np.empty((0, side, side))
    view = np.lib.stride_tricks.sliding_window_view(window, (side, side))
    blocks = view[:: side // 2, :: side // 2].reshape(-1, side, side).astype(np.float64)
    blocks = blocks[np.isfinite(blocks).all((1, 2))]
    blocks = blocks[np.ptp(blocks, axis=(1, 2)) > 0]
    hardly = np.isin(blocks, ends).mean((1, 2)) < 0.05
    return np.asarray(blocks[hardly] if hardly.sum() >= 20 else blocks)


def _detrended(blocks: Array) -> Array:
    """Blocks less their least-squares plane."""
    axis = np.linspace(-1, 1, blocks.shape[-1])
    y, x = (a.ravel() for a in np.meshgrid(axis, axis, indexing="ij"))
    basis, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y], axis=1))
    flat = blocks.reshape(len(blocks), -1)
    return np.asarray((flat - flat @ basis @ basis.T).reshape(blocks.shape))


def _flat_blocks(
    means: Array, variances: Array, share: float
) -> tuple[NDArray[np.int_], tuple[Array, Array]]:
    """The blocks of least variance in each bin of brightness; their variance by brightness."""
    flat, brightness, variance = [], [], []
    for members in np.array_split(np.argsort(means), min(_BINS, max(1, len(means) // 10))):
        least = members[np.argsort(variances[members])[: max(2, round(share * len(members)))]]
        flat.append(least)
        brightness.append(means[least].mean())
        variance.append(variances[least].mean())
    # Where structure is everywhere the variance seems to fall or jump: bright is no less noisy.
    falling = np.minimum.accumulate(np.array(variance)[::-1])[::-1]
    calm = [i for i, (v, w) in enumerate(zip(variance, falling, strict=True)) if v <= 2 * w]
    return np.concatenate([flat[i] for i in calm]), (np.array(brightness), falling)


def _variance_model(brightness: Array, variance: Array) -> tuple[float, float]:
    """Read noise (standard deviation) and slope of the variance over the brightness."""
    if len(brightness) < 2 or np.ptp(brightness) == 0:
        return float(np.sqrt(variance[0])), 0.0
    slope = float(np.polyfit(brightness, variance, 1)[0])
    return float(np.sqrt(variance[0])), max(slope, 0.0)


def _correlations(noise: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Correlation at lags 1 to 4 along x and y; each block has the same say."""
    noise = noise / noise.std((1, 2), keepdims=True)
    along_x = [float((noise[:, :, k:] * noise[:, :, :-k]).mean()) for k in range(1, LAGS + 1)]
    along_y = [float((noise[:, k:] * noise[:, :-k]).mean()) for k in range(1, LAGS + 1)]
    return tuple(along_x), tuple(along_y)


def _reach(correlations: tuple[float, ...]) -> int:
    reach = 0
    while reach < LAGS and correlations[reach] > _CORRELATED:
        reach += 1
    return reach


def _pile(pixels: NDArray[np.float32], end: float) -> float:
    share = float((pixels == end).mean())
    return share if share > _PILE else 0.0


def _stripes(windows: list[Image]) -> str:
    """Whether lines, from edge to edge of a window, are lighter or darker than the next ones."""
    found: dict[str, list[float]] = {"horizontal": [], "vertical": []}
    for window in windows:
        if min(window.shape) < 3 * LARGE or not np.isfinite(window).all():
            continue
        for name, lines in (("horizontal", window), ("vertical", window.T)):
            second = lines[:-2] - 2 * lines[1:-1] + lines[2:]  # (lines, pixels)
            halves = np.array_split(second, 2, axis=1)
            means = [half.mean(axis=1) for half in halves]
            chance = float((second.var(axis=1) / second.shape[1]).mean())
            found[name].append(float((means[0] * means[1]).mean()) / max(chance, 1e-12))
    scores = {name: float(np.median(values)) for name, values in found.items() if values}
    name = max(scores, key=lambda n: scores[n], default="")
    return name if name and scores[name] > _STRIPED else ""


def _sentences(report: NoiseReport) -> tuple[str, ...]:
    reach = max(report.reach_x, report.reach_y)
    ways = {(True, True): "x and y", (True, False): "x", (False, True): "y"}
    if reach == 0:
        told = ["Noise is independent from pixel to pixel (white)."]
    else:
        way = ways[report.reach_x > 0, report.reach_y > 0]
        told = [
            f"Noise spreads over about {reach} pixel{'s' * (reach > 1)} in {way}. "
            "A plain Noise2Void would keep it."
        ]
    told.append(f"Its standard deviation is {report.sigma:.3g}.")
    if report.shot * report.sigma > 0.05 * report.read**2:
        told.append("Bright pixels are noisier (photon noise).")
    for share, end in ((report.clipped_low, "lowest"), (report.clipped_high, "highest")):
        if share:
            told.append(f"{100 * share:.2g} % of the pixels are clipped at the {end} value.")
    if report.stripes:
        told.append(f"There are long {report.stripes} stripes: no blind spot can remove them.")
    return tuple(told)
