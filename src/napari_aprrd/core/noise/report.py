"""The noise report: strength and correlation of the noise, measured on the noisy images alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..config import Config
from ..data.constant import without_constant
from ..data.planes import Image, Planes, some_windows
from ..errors import UserError
from .artefacts import (
    SIDE,
    between_planes,
    clipped_share,
    hot_share,
    is_jpeg,
    stripes,
    stripes_repeat,
)
from .autocorrelation import LAGS, Array, Lag, autocovariance, detrended, shared_by
from .blocks import flat_blocks, samples, with_next
from .by_brightness import ChannelNoise, measure_channels
from .stack import StackReport, measure_stack

# Bounds without another source are chosen, not measured; docs/benchmarks-diary.md#noise-report has
# what they give together.
# Pixels, and number of windows: at most a megapixel is read, however large the image is.
WINDOW, WINDOWS = 256, 16
# Correlation at a lag below which the noise counts as uncorrelated there. Images with white noise
# show up to 0.13 at lag 1, from structure that detrending leaves.
_CORRELATED = 0.12
# Correlation below which the noise is treated as white: docs/experiments.md#kept, "Weak
# correlation", 37.37 dB become 38.51.
_HARDLY = 0.2
# Lag-1 correlation in x and y above which the image must have been smoothed. A photograph as the
# camera writes it has 0.73 in x and 0.70 in y.
_SMOOTH = 0.72
_FRESH = 0.1  # correlation below which consecutive planes count as having independent noise
# Pixels to add to the reach of the noise for the training shift, by sigma / brightest detail.
# The stronger the noise, the more its faint tails cost and the less lost detail does; weak noise
# gets fewer pixels than it reaches. Measured: docs/experiments.md#kept ("Training shift 6",
# "Weak noise", "which sees a tenth more noise").
_TO_PEAK, _BEYOND = (0.01, 0.02, 0.074, 0.093), (-2, 0, 2, 4)
# Share of the differences between neighbouring pixels that is detail, not noise. Above it, the
# noise is so weak that a denoiser can lose more than it gains.
_DETAILED = 0.9
# Correlation of consecutive planes' noise above which we report a fixed pattern. It is the share of
# the noise's variance that repeats; fine structure of a still scene gives up to 0.06.
_PATTERN = 0.12
# Photon noise, at one sigma above the darkest areas, relative to the variance in the darkest areas,
# above which the advice mentions it.
_PHOTONS = 0.05
# Correlation of channels' noise from which on the advice mentions it, and factor between the
# strengths of channels from which on it names each.
_SHARED, _UNLIKE = 0.3, 1.25
_FEW = 4  # channels: of more, each would take too long
# Smallest automatic shift: docs/benchmarks-diary.md#chosen-settings-against-a-grid.
_WHITE_SHIFT = 2
_ITSELF = 1  # shift that hides a pixel alone, of which the targets of white noise are made


class NoiseReport(Config):
    """The noise of some images. Lengths in pixels, intensities in the units of the source."""

    sigma: float = Field(description="Standard deviation of the noise, median over the image.")
    read: float = Field(description="Standard deviation in the darkest areas.")
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
        0.0, description="Share of the variance of neighbours' differences that is not noise."
    )
    clipped_low: float = Field(description="Share of the pixels that pile up at the lowest value.")
    clipped_high: float = Field(description="Share that pile up at the highest value.")
    stripes: str = Field(description="'horizontal', 'vertical' or none: long stripes.")
    stripes_repeat: bool = Field(
        False, description="Whether neighbouring planes have the same stripes."
    )
    hot: float = Field(
        0.0, description="Share of the pixels that are far brighter than all their neighbours."
    )
    jpeg: bool = Field(False, description="Whether 8 x 8 blocks of JPEG compression show.")
    smoothed: bool = Field(
        False, description="Whether the noise is as smooth as after a filter or enlarging."
    )
    channels: tuple[ChannelNoise, ...] = Field(
        (),
        description="The noise of each channel before it was cut off, by brightness; of "
        "photographs in colour and clipped images of up to four channels.",
    )
    between_channels: tuple[tuple[float, ...], ...] = Field(
        (), description="Correlation of the noise of each of these channels with each."
    )
    stack: StackReport | None = Field(
        None, description="What planes of a stack have in common; none for single planes."
    )
    advice: tuple[str, ...] = Field((), description="The same in plain words.")

    def __repr__(self) -> str:
        spread = f"spreads over {self.reach} pixels" if self.reach else "independent between pixels"
        return f"<noise {self.sigma:.3g}, {spread}; in words: .advice>"

    __str__ = __repr__

    @property
    def reach(self) -> int:
        """Largest lag at which the noise is correlated, 0 for white noise."""
        return max(self.reach_x, self.reach_y)

    @property
    def shared_by(self) -> float:
        """Number of pixels that share the noise of one: the sum of its correlation, 1 if white."""
        return shared_by(self.correlation)

    @property
    def hardly_correlated(self) -> bool:
        """Whether the noise can be treated as white."""
        return all(c < _HARDLY for lags in self.correlation.values() for c in lags)

    @property
    def details(self) -> tuple[str, ...]:
        """What follows for the settings, in the terms of the method."""
        side, why = 2 * self.shift - 1, ""
        if min(self.reach_x, self.reach_y) > 0 and self.shift > self.reach + 1:
            why = ", more than the noise reaches: where it is this strong, its faint ends count too"
        elif self.shift < self.reach:
            why = (
                ", fewer than the noise reaches: where it is this weak, a rest of it costs less "
                "than the detail that would be lost"
            )
        spot = f"a blind spot of {side} x {side} pixels (shift {self.shift})"
        return (f"Unless you choose otherwise, training uses {spot}{why}.",)

    @property
    def cautions(self) -> tuple[str, ...]:
        """Those sentences of the advice that say what denoising will not mend, or may spoil."""
        return (*_on_weakness(self), *_on_artefacts(self))

    @property
    def shift(self) -> int:
        """Shift s of a blind spot that is larger than the reach of this noise."""
        # Not in `training/auto_settings.py`, where the other automatic settings are decided: the
        # public `advice` names it, also in trust reports, and neither this room nor `core.trust`
        # may import `core.training`.
        if min(self.reach_x, self.reach_y) == 0:  # white, or correlated along one axis only
            return max(self.reach, _WHITE_SHIFT)
        beyond = np.interp(self.to_peak, _TO_PEAK, _BEYOND)
        return max(self.reach + round(float(beyond)), _WHITE_SHIFT)


def inspect(planes: Planes, *, seed: int = 0) -> NoiseReport:
    """Measure the noise on a few windows of the planes.

    Structure is excluded by measuring only the flattest blocks of each brightness, minus a
    polynomial. If the next plane shows the same scene with independent noise, the difference of
    both planes is measured instead.

    Parameters
    ----------
    planes : Planes
    seed : int
        Seed for the positions of the windows.

    Raises
    ------
    UserError
        If there is nothing to measure: constant images, or no finite pixels.
    """
    places = some_windows(planes, WINDOW, WINDOWS, seed=seed)
    windows = [channel for place in places for channel in without_constant(planes.read(*place))]
    pixels = np.concatenate([window[np.isfinite(window)] for window in windows])
    if pixels.size == 0 or np.ptp(pixels) == 0:
        raise UserError("The image is constant or holds no finite pixel: there is no noise in it.")
    pairs = with_next(windows, planes, places)
    pattern = between_planes(pairs)
    fresh = pairs if abs(pattern or 0) < _FRESH else []
    seen, blocks = samples(windows, fresh, (float(pixels.min()), float(pixels.max())))
    if len(blocks) == 0:
        raise UserError(
            "The image is too small or too clipped to measure its noise, which takes areas of "
            f"{SIDE} x {SIDE} pixels."
        )
    report = _report(windows, pixels, _noise_of(seen, blocks), pairs, pattern)
    if planes.channels <= _FEW and (planes.colours or report.clipped_low or report.clipped_high):
        same = fresh if seen is not blocks else []
        channels, between = measure_channels(windows, same, planes.channels, planes.colours)
        report = NoiseReport.of(report, channels=channels, between_channels=between)
    hidden = _ITSELF if report.hardly_correlated else report.shift
    stack = measure_stack(planes, hidden, report.correlation, seed=seed)
    report = NoiseReport.of(report, stack=stack)
    return NoiseReport.of(report, advice=_advice(report))


class _Noise(NamedTuple):
    """The noise of N blocks, measured in the flat ones among them."""

    correlation: dict[str, tuple[float, ...]]
    brightness: Array  # (G,): of groups of flat blocks, from dark to bright
    variance: Array  # (G,): of the noise at this brightness
    everywhere: Array  # (N,): variance of the noise of all blocks, by their brightness


def _noise_of(seen: Array, blocks: Array) -> _Noise:
    """Measure the noise in those of the blocks (N, b, b) that are flat where they are seen."""
    means = seen.mean((1, 2))
    groups = flat_blocks(means, seen.var((1, 2)))
    noise = detrended(blocks[np.concatenate(groups)])
    covariance = autocovariance(noise)
    brightness = np.array([means[group].mean() for group in groups])
    taken = np.split(noise.var((1, 2)), np.cumsum([len(group) for group in groups])[:-1])
    # Noise cannot decrease with brightness; where it seems to, dark blocks contained structure.
    variance = np.minimum.accumulate([group.mean() for group in taken][::-1])[::-1]
    variance = covariance[0, 0] * variance
    everywhere = np.interp(means, brightness, variance)
    return _Noise(_correlation(covariance), brightness, variance, everywhere)


def _report(
    windows: list[Image],
    pixels: NDArray[Any],
    noise: _Noise,
    pairs: list[tuple[Image, Image]],
    pattern: float | None,
) -> NoiseReport:
    """Put everything together but the advice."""
    sigma = float(np.sqrt(np.median(noise.everywhere)))
    read, shot = _variance_model(noise.brightness, noise.variance)
    bottom, top, peak = map(float, np.percentile(pixels, [1, 99, 99.9]))
    correlation = noise.correlation
    lines = stripes(windows)
    return NoiseReport(
        sigma=sigma,
        read=read,
        shot=shot,
        correlation=correlation,
        reach_x=_reach(correlation["x"]),
        reach_y=_reach(correlation["y"]),
        between_planes=pattern,
        relative=sigma / (top - bottom) if top > bottom else 0.0,
        to_peak=sigma / (peak - bottom) if peak > bottom else 0.0,
        detail=_detail(windows, float(noise.everywhere.mean()), correlation),
        clipped_low=clipped_share(pixels, float(pixels.min())),
        clipped_high=clipped_share(pixels, float(pixels.max())),
        stripes=lines,
        stripes_repeat=bool(lines) and stripes_repeat(pairs, lines),
        hot=hot_share(windows, read, shot, float(noise.brightness[0])),
        jpeg=is_jpeg(windows),
        smoothed=min(correlation["x"][0], correlation["y"][0]) > _SMOOTH,
    )


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
    """Share of the mean squared difference between neighbours that noise does not explain."""
    valid = [np.where(np.isfinite(window), window, np.nan) for window in windows]
    along = [np.concatenate([np.diff(w, axis=a).ravel() for w in valid]) for a in (0, 1)]
    found = sum(float(np.nansum(steps**2)) / max(np.isfinite(steps).sum(), 1) for steps in along)
    noise = 2 * variance * (2 - correlation["x"][0] - correlation["y"][0])
    return float(np.clip(1 - noise / found, 0, 1)) if found > 0 else 0.0


def _advice(report: NoiseReport) -> tuple[str, ...]:
    """Say in plain sentences what the noise is like and what that means for the settings."""
    return (
        *_on_correlation(report),
        *_on_strength(report),
        *_on_stack(report),
        *_on_artefacts(report),
    )


def _on_correlation(report: NoiseReport) -> Iterator[str]:
    reach = report.reach
    if reach == 0:
        yield "Noise is independent from pixel to pixel (white)."
    else:
        ways = {(True, True): "x and y", (True, False): "x", (False, True): "y"}
        way = ways[report.reach_x > 0, report.reach_y > 0]
        spread = f"Noise spreads over about {reach} pixel{'s' if reach > 1 else ''} in {way}"
        if report.hardly_correlated:
            yield f"{spread}, but so weakly that it is treated as white."
        else:
            yield f"{spread}. A plain Noise2Void would keep it."


def _on_strength(report: NoiseReport) -> Iterator[str]:
    yield f"Its standard deviation is {_strength(report)}."
    if report.shot * report.sigma > _PHOTONS * report.read**2:
        yield "Bright pixels are noisier (photon noise)."
    for share, end in ((report.clipped_low, "lowest"), (report.clipped_high, "highest")):
        if share:
            yield f"{100 * share:.2g} % of the pixels are clipped at the {end} value."
    if any(channel.uncut for channel in report.channels):
        yield "The strength is that of the noise before it was cut off there."
    shared = max((c for i, row in enumerate(report.between_channels) for c in row[:i]), default=0.0)
    if shared > _SHARED:
        yield f"Channels share noise (correlation {shared:.2f}), as after demosaicing."
    yield from _on_weakness(report)


def _strength(report: NoiseReport) -> str:
    """That of the channels where there are several, or the noise was cut off."""
    sigmas = [channel.sigma for channel in report.channels]
    if len(sigmas) > 1 and max(sigmas) > _UNLIKE * min(sigmas):
        return f"{', '.join(f'{sigma:.3g}' for sigma in sigmas)} in the channels"
    if len(sigmas) > 1 or any(channel.uncut for channel in report.channels):
        return f"{float(np.sqrt(np.mean(np.square(sigmas)))):.3g}"
    return f"{report.sigma:.3g}"


def _on_weakness(report: NoiseReport) -> Iterator[str]:
    if report.detail > _DETAILED:
        yield (
            f"The noise is weak: {int(100 * report.detail)} % of what neighbouring pixels differ "
            "by is detail. Denoising may cost more than it gains: compare closely."
        )


def _on_stack(report: NoiseReport) -> Iterator[str]:
    stack = report.stack
    if stack is None:
        return
    if not stack.has_pattern:  # else among the artefacts
        yield stack.sentence
    if 0 < stack.copies < 1:
        yield "Some planes are exact copies of the next ones; no plane is compared with its copy."


def _on_artefacts(report: NoiseReport) -> Iterator[str]:
    if report.stripes:
        same = ", the same in every plane" if report.stripes_repeat else ""
        yield f"There are long {report.stripes} stripes{same}: denoising does not remove them."
    if report.hot:
        yield (
            f"About {100 * report.hot:.2g} % of the pixels are hot (far brighter than all their "
            "neighbours): a part of them stays, and spreads; replace them by their neighbours' "
            "median first."
        )
    if report.jpeg:
        yield (
            "It was compressed as JPEG, whose blocks stay: take the camera's own file, if there "
            "is one."
        )
    if report.smoothed:
        yield "It looks filtered or enlarged already: take the raw image, if there is one."
    if report.stack is not None:
        if report.stack.has_pattern:
            yield report.stack.sentence
    elif report.between_planes is not None and report.between_planes > _PATTERN:
        yield (
            f"Neighbouring planes share a pattern ({100 * report.between_planes:.0f} % of the "
            "noise): a fixed pattern, the same in every plane, stays, as it does in their mean; "
            "subtract a dark or flat field first."
        )
