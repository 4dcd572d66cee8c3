"""What the noise looks like, measured on the noisy images alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..config import Config
from ..data.planes import Image, Place, Planes, some_windows
from ..errors import UserError
from .artefacts import SIDE, between_planes, is_jpeg, pile, stripes
from .autocorrelation import LAGS, Array, Lag, autocovariance, detrended

WINDOW, WINDOWS = 256, 16
_FLAT = 0.05  # share of the blocks of a brightness that is taken for flat
_BINS = 8  # of brightness
_CORRELATED = 0.12  # below this, a lag's correlation may be chance
_HARDLY = 0.2  # below this, a blind spot of one pixel hides nearly all of a pixel's noise
_SMOOTH = 0.72  # correlation at lag 1, both ways, that no camera leaves
_DETAILED = 0.9  # share of the differences of neighbours from which on detail is at risk
_PATTERN = 0.3  # correlation of the noise of neighbouring planes that is no chance
_FRESH = 0.1  # below this, each plane has noise of its own
_SAME = 0.75  # share of the structure from which on two planes show the same: not if it moves 3 px
# Pixels from the reach of the noise to the training shift: the stronger the noise is against the
# brightest detail, the more its faint tails cost, and the less lost detail does; weak noise gets
# fewer pixels than it reaches. Measured.
_TO_PEAK, _BEYOND = (0.01, 0.02, 0.074, 0.093), (-2, 0, 2, 4)
_WHITE_SHIFT = 2


class NoiseReport(Config):
    """The noise of some images. Lengths in pixels, intensities in the units of the source."""

    sigma: float = Field(description="Standard deviation of the noise, median over the image.")
    read: float = Field(description="Standard deviation at the darkest places.")
    shot: float = Field(description="Rise of the variance per unit of intensity (photon noise).")
    correlation: dict[str, tuple[float, ...]] = Field(
        description="Correlation of the noise at lags 1 to 4 along 'x', 'y' and 'diagonal'."
    )
    reach_x: int = Field(description="Largest lag along x at which the noise is correlated.")
    reach_y: int = Field(description="Largest lag along y at which the noise is correlated.")
    between_planes: float | None = Field(
        None, description="Correlation of the noise of neighbouring planes; none for one plane."
    )
    relative: float = Field(description="sigma / range of the image (1st to 99th percentile).")
    to_peak: float = Field(
        description="sigma / range of the image with its brightest spots (to the 99.9th)."
    )
    detail: float = Field(
        0.0, description="Share of the variance of neighbours' differences that is no noise."
    )
    clipped_low: float = Field(description="Share of the pixels that pile up at the lowest value.")
    clipped_high: float = Field(description="Share that pile up at the highest value.")
    stripes: str = Field(description="'horizontal', 'vertical' or none: long stripes.")
    jpeg: bool = Field(False, description="Whether 8 x 8 blocks of JPEG compression show.")
    smoothed: bool = Field(
        False, description="Whether the noise is as smooth as after a filter or enlarging."
    )
    advice: tuple[str, ...] = Field((), description="The same in plain words.")

    @property
    def reach(self) -> int:
        """Largest lag at which the noise is correlated, 0 for white noise."""
        return max(self.reach_x, self.reach_y)

    @property
    def hardly_correlated(self) -> bool:
        """Whether the noise can be treated as white."""
        return all(c < _HARDLY for lags in self.correlation.values() for c in lags)

    @property
    def shift(self) -> int:
        """Shift s of a blind spot that this noise does not cross."""
        if min(self.reach_x, self.reach_y) == 0:  # white, or along one axis: hide no more
            return max(self.reach, _WHITE_SHIFT)
        beyond = np.interp(self.to_peak, _TO_PEAK, _BEYOND)
        return max(self.reach + round(float(beyond)), _WHITE_SHIFT)


def inspect(planes: Planes, *, seed: int = 0) -> NoiseReport:
    """Measure the noise on a few windows of the planes.

    Structure is kept out by looking only at the flattest blocks of each brightness, less a
    polynomial; where the next plane shows the same with noise of its own, at the difference.

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
    pairs = _with_next(windows, planes, places)
    pattern = between_planes(pairs)
    seen, blocks = _samples(windows, pairs if abs(pattern or 0) < _FRESH else [], (low, high))
    if len(blocks) == 0:
        raise UserError("The image is too small or too clipped to measure its noise.")
    means = seen.mean((1, 2))
    groups = _flat_blocks(means, seen.var((1, 2)))
    noise = detrended(blocks[np.concatenate(groups)])
    covariance = autocovariance(noise)
    brightness = np.array([means[group].mean() for group in groups])
    taken = np.split(noise.var((1, 2)), np.cumsum([len(group) for group in groups])[:-1])
    # Bright is no less noisy: where it seems to be, structure was taken for noise.
    variance = np.minimum.accumulate([group.mean() for group in taken][::-1])[::-1]
    variance = covariance[0, 0] * variance
    correlation = _correlation(covariance)
    read, shot = _variance_model(brightness, variance)
    bottom, top, peak = map(float, np.percentile(pixels, [1, 99, 99.9]))
    everywhere = np.interp(means, brightness, variance)
    sigma = float(np.sqrt(np.median(everywhere)))
    report = NoiseReport(
        sigma=sigma,
        read=read,
        shot=shot,
        correlation=correlation,
        reach_x=_reach(correlation["x"]),
        reach_y=_reach(correlation["y"]),
        between_planes=pattern,
        relative=sigma / (top - bottom) if top > bottom else 0.0,
        to_peak=sigma / (peak - bottom) if peak > bottom else 0.0,
        detail=_detail(windows, float(everywhere.mean()), correlation),
        clipped_low=pile(pixels, low),
        clipped_high=pile(pixels, high),
        stripes=stripes(windows),
        jpeg=is_jpeg(windows),
        smoothed=min(correlation["x"][0], correlation["y"][0]) > _SMOOTH,
    )
    return NoiseReport.of(report, advice=_advice(report))


def _with_next(
    windows: list[Image], planes: Planes, places: list[Place]
) -> list[tuple[Image, Image]]:
    """Windows, each with that of the next plane (of the last plane: the one before)."""
    pairs: list[tuple[Image, Image]] = []
    sizes = planes.sizes
    for i, (plane, rows, columns) in enumerate(places):
        other = plane + 1 if plane + 1 < len(sizes) else plane - 1
        if other >= 0 and sizes[other] == sizes[plane]:
            here = windows[i * planes.channels : (i + 1) * planes.channels]
            pairs += zip(here, planes.read(other, rows, columns), strict=True)
    return pairs


def _samples(
    windows: list[Image], pairs: list[tuple[Image, Image]], ends: tuple[float, float]
) -> tuple[Array, Array]:
    """Blocks (N, b, b) to judge flatness by, and the same with the noise to measure.

    Of pairs, if all windows are in pairs that show the same: their mean, and their difference
    over the root of 2. The noise of one says nothing about that of the other.
    """
    if len(pairs) == len(windows):
        both = np.concatenate([_blocks(np.stack(pair), ends) for pair in pairs])
        first, second = both[:, 0], both[:, 1]
        if _in_common(first, second) > _SAME:
            return (first + second) / 2, (first - second) / np.sqrt(2)
    blocks = np.concatenate([_blocks(window[None], ends)[:, 0] for window in windows])
    return blocks, blocks


def _in_common(first: Array, second: Array) -> float:
    """Share of the structure (coarse, without brightness) that blocks (N, b, b) have in common."""
    coarse = [blocks - detrended(blocks) for blocks in (first, second)]
    a, b = (blocks - blocks.mean((1, 2), keepdims=True) for blocks in coarse)
    power = float((a**2).sum() + (b**2).sum())
    return 1 - float(((a - b) ** 2).sum()) / power if power > 0 else 0.0


def _blocks(images: Image, ends: tuple[float, float]) -> Array:
    """Overlapping blocks (N, K, b, b) of images (K, h, w).

    Without invalid pixels, none of them constant, and with hardly a clipped pixel.
    """
    if min(images.shape[1:]) < SIDE:
        return np.empty((0, len(images), SIDE, SIDE))
    view = np.lib.stride_tricks.sliding_window_view(images, (SIDE, SIDE), axis=(1, 2))
    blocks = view[:, :: SIDE // 2, :: SIDE // 2].reshape(len(images), -1, SIDE, SIDE)
    blocks = blocks.swapaxes(0, 1).astype(np.float64)
    blocks = blocks[np.isfinite(blocks).all((1, 2, 3))]
    blocks = blocks[(np.ptp(blocks, axis=(2, 3)) > 0).all(1)]
    hardly = np.isin(blocks, ends).mean((1, 2, 3)) < 0.05
    return np.asarray(blocks[hardly] if hardly.sum() >= 20 else blocks)


def _flat_blocks(means: Array, variances: Array) -> list[NDArray[np.int_]]:
    """The blocks of least variance in each bin of brightness, from dark to bright.

    The variance is that before detrending: among detrended blocks those would be least varied
    whose noise is, by chance, least correlated.
    """
    groups, calmest = [], np.inf
    bins = np.array_split(np.argsort(means), min(_BINS, max(1, len(means) // 10)))
    for members in reversed(bins):
        flat = members[np.argsort(variances[members])[: max(2, round(_FLAT * len(members)))]]
        calmest = min(calmest, float(variances[flat].mean()))
        if variances[flat].mean() <= 2 * calmest:  # darker and far noisier: that is structure
            groups.append(flat)
    return groups[::-1]


def _correlation(covariance: dict[Lag, float]) -> dict[str, tuple[float, ...]]:
    variance, lags = covariance[0, 0], range(1, LAGS + 1)
    return {
        "x": tuple(covariance[0, k] / variance for k in lags),
        "y": tuple(covariance[k, 0] / variance for k in lags),
        "diagonal": tuple((covariance[k, k] + covariance[k, -k]) / 2 / variance for k in lags),
    }


def _variance_model(brightness: Array, variance: Array) -> tuple[float, float]:
    """Read noise (standard deviation) and slope of the variance over the brightness."""
    if len(brightness) < 2 or np.ptp(brightness) == 0:
        return float(np.sqrt(variance[0])), 0.0
    slope = float(np.polyfit(brightness, variance, 1)[0])
    return float(np.sqrt(variance[0])), max(slope, 0.0)


def _reach(correlations: tuple[float, ...]) -> int:
    reach = 0
    while reach < LAGS and correlations[reach] > _CORRELATED:
        reach += 1
    return reach


def _detail(
    windows: list[Image], variance: float, correlation: dict[str, tuple[float, ...]]
) -> float:
    """Share of the mean squared difference of neighbours that noise does not explain."""
    valid = [np.where(np.isfinite(window), window, np.nan) for window in windows]
    along = [np.concatenate([np.diff(w, axis=a).ravel() for w in valid]) for a in (0, 1)]
    found = sum(float(np.nansum(steps**2)) / max(np.isfinite(steps).sum(), 1) for steps in along)
    noise = 2 * variance * (2 - correlation["x"][0] - correlation["y"][0])
    return float(np.clip(1 - noise / found, 0, 1)) if found > 0 else 0.0


def _advice(report: NoiseReport) -> tuple[str, ...]:
    reach, blind = report.reach, 2 * report.shift - 1
    ways = {(True, True): "x and y", (True, False): "x", (False, True): "y"}
    if reach == 0:
        told = ["Noise is independent from pixel to pixel (white)."]
    else:
        way = ways[report.reach_x > 0, report.reach_y > 0]
        told = [
            f"Noise spreads over about {reach} pixel{'s' * (reach > 1)} in {way}. "
            "A plain Noise2Void would keep it."
        ]
    told.append(f"A {blind} x {blind} blind spot suits it (shift {report.shift}).")
    told.append(f"Its standard deviation is {report.sigma:.3g}.")
    if report.shot * report.sigma > 0.05 * report.read**2:
        told.append("Bright pixels are noisier (photon noise).")
    for share, end in ((report.clipped_low, "lowest"), (report.clipped_high, "highest")):
        if share:
            told.append(f"{100 * share:.2g} % of the pixels are clipped at the {end} value.")
    if report.detail > _DETAILED:
        told.append(
            f"The noise is weak: {int(100 * report.detail)} % of what neighbouring pixels differ "
            "by is detail. Denoising may cost more than it gains: compare closely."
        )
    if report.stripes:
        told.append(f"There are long {report.stripes} stripes: no blind spot can remove them.")
    if report.jpeg:
        told.append(
            "It was compressed as JPEG, whose blocks stay: take the camera's own file, if there "
            "is one."
        )
    if report.smoothed:
        told.append("It looks filtered or enlarged already: take the raw image, if there is one.")
    if report.between_planes is not None and report.between_planes > _PATTERN:
        told.append(
            "Neighbouring planes share a pattern: what is the same in all of them stays; "
            "subtract a dark or flat field first."
        )
    return tuple(told)
