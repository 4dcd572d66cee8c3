"""Measurements on the residual, input minus output, which should be exactly the noise.

Everything is measured in bands of detail (differences of Gaussians) and in units of the noise at
the same brightness. The output's coarser detail distinguishes two kinds of areas: flat ones, where
the residual is noise and any correlation of it with the output is noise that was left in, and
structured ones, where the residual is stronger than noise if structure was removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter, uniform_filter

from ..config import Config
from ..noise.autocorrelation import LAGS, autocovariance, detrended

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

    @property
    def residual(self) -> Array:
        """Input minus output."""
        return self.noisy - self.clean


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
        groups = _by_brightness(pairs, fine)
        sigma = [1.4826 * np.median(np.abs(values - np.median(values))) for _, values in groups]
        floor = max(1e-3 * max(sigma), 1e-9)  # avoids a division by zero where nothing was removed
        return cls(np.array([b for b, _ in groups]), np.maximum(sigma, floor))


class Scale(Config):
    """Detail of one size."""

    size: int = Field(description="Width of its dark and bright parts, in pixels.")
    excess: float = Field(
        description="Variance of the residual at structure / in flat areas: 1 if only noise was "
        "removed."
    )
    contrast: float = Field(
        description="Contrast of structure in the output, in units of the noise."
    )
    lost: float = Field(description="Share of the contrast of visible structure that was removed.")
    left: float = Field(description="Share of the noise in flat areas that remains in the output.")
    outliers: float = Field(
        description="Strongest local variance of the residual / that of equal noise."
    )


class Bias(Config):
    """Mean residual as a function of the brightness of the output, for one channel."""

    brightness: tuple[float, ...] = Field(description="Units of the source.")
    bias: tuple[float, ...] = Field(description="Mean of input minus output, in the same units.")
    sigma: tuple[float, ...] = Field(description="Standard deviation of the residual there.")


def band(image: Array, size: float) -> Array:
    """Detail of a size: a difference of Gaussians whose half period is the size."""
    sigma = _HALF_PERIOD * size
    return np.asarray(gaussian_filter(image, sigma / 2) - gaussian_filter(image, sigma))


def scale(pairs: Sequence[Pair], curve: NoiseCurve, size: int) -> Scale:
    """Compare residual and output in detail of one size."""
    products = [_products(pair, curve, size) for pair in pairs]
    both, clean, residual, coarse = (
        np.concatenate(part) for part in zip(*products, strict=True)
    )  # one value for each block
    order = np.argsort(coarse)
    flat = order[: max(1, round(_FLAT * len(order)))]
    structured = order[-max(1, round(_STRUCTURED * len(order))) :]
    noise = max(residual[flat].mean(), 1e-12)
    shared = both[flat].mean() / noise
    structure = clean[structured].mean() - clean[flat].mean()
    removed = (both[structured].mean() - both[flat].mean()) / max(structure, 1e-12)
    return Scale(
        size=size,
        excess=float(residual[structured].mean() / noise),
        contrast=float(np.sqrt(max(structure, 0.0) / noise)),
        lost=_share(removed),
        left=_share(shared),
        outliers=outliers(pairs, curve, size),
    )


def _share(ratio: float) -> float:
    """Convert a ratio a / b to the fraction a / (a + b)."""
    ratio = max(float(ratio), 0.0)
    return ratio / (1 + ratio)


def _products(pair: Pair, curve: NoiseCurve, size: int) -> tuple[Array, Array, Array, Array]:
    """Means over blocks: residual x output, output², residual², coarser output²."""
    sigma = curve.at(pair.clean)
    out, coarse = (band(pair.clean, s) / sigma for s in (size, 2 * size))
    rest = band(pair.residual, size) / sigma
    return _places(rest * out), _places(out**2), _places(rest**2), _places(coarse**2)


def _places(image: Array) -> Array:
    """Means of blocks, in one row; a window that is smaller than a block is one block."""
    h, w = (n // SIDE * SIDE for n in image.shape)
    if not h or not w:
        return np.array([image.mean()])
    blocks = image[:h, :w].reshape(h // SIDE, SIDE, w // SIDE, SIDE)
    return np.asarray(blocks.mean((1, 3)).ravel())


def outliers(pairs: Sequence[Pair], curve: NoiseCurve, size: int) -> float:
    """Ratio of the strongest local variance of the residual to that of noise of equal spectrum.

    Such noise has the residual's spectrum and random phases. The ratio shows structure that was
    removed in only a few places, where it hardly changes any mean.
    """
    rng = np.random.default_rng(0)
    found, expected = [], []
    for pair in pairs:
        detail = band(_in_sigmas(pair, curve), size)
        random = np.fft.rfft2(rng.normal(size=detail.shape))
        same = np.abs(np.fft.rfft2(detail)) * random / np.maximum(np.abs(random), 1e-12)
        found.append(_local(detail**2, size).ravel())
        expected.append(_local(np.fft.irfft2(same, detail.shape) ** 2, size).ravel())
    high, usual = (np.quantile(np.concatenate(values), 0.999) for values in (found, expected))
    return float(high / max(usual, 1e-12))


def _in_sigmas(pair: Pair, curve: NoiseCurve) -> Array:
    return np.asarray((pair.residual / curve.at(pair.clean)).clip(-_CLIP, _CLIP))


def _local(image: Array, size: int) -> Array:
    return np.asarray(uniform_filter(image, 2 * size + 1))


def bias(pairs: Sequence[Pair]) -> Bias:
    """Mean residual over the brightness of the output."""
    groups = _by_brightness(pairs, [pair.residual for pair in pairs])
    return Bias(
        brightness=tuple(float(b) for b, _ in groups),
        bias=tuple(float(values.mean()) for _, values in groups),
        sigma=tuple(float(values.std()) for _, values in groups),
    )


def _by_brightness(pairs: Sequence[Pair], values: Sequence[Array]) -> list[tuple[float, Array]]:
    """Sort values into bins of equal counts: (brightness of the output, values) of each bin."""
    smooth = np.concatenate([gaussian_filter(pair.clean, _SMOOTH).ravel() for pair in pairs])
    every = np.concatenate([value.ravel() for value in values])
    bins = np.array_split(np.argsort(smooth), min(_BINS, len(smooth)))
    return [(float(smooth[members].mean()), every[members]) for members in bins]


def correlation(pairs: Sequence[Pair], curve: NoiseCurve) -> dict[str, tuple[float, ...]]:
    """Correlation of the residual at lags 1 to 4 along "x" and "y", as in the noise report."""
    blocks = [
        np.lib.stride_tricks.sliding_window_view(_in_sigmas(pair, curve), (SIDE, SIDE))
        for pair in pairs
        if min(pair.clean.shape) >= SIDE
    ]
    some = [view[:: SIDE // 2, :: SIDE // 2].reshape(-1, SIDE, SIDE) for view in blocks]
    every = np.concatenate([np.empty((0, SIDE, SIDE)), *some])
    every = every[np.ptp(every, axis=(1, 2)) > 0]
    if len(every) == 0:
        return {"x": (0.0,) * LAGS, "y": (0.0,) * LAGS}
    noise = detrended(every)
    covariance, lags = autocovariance(noise), range(1, LAGS + 1)
    variance = covariance[0, 0]
    return {
        "x": tuple(covariance[0, k] / variance for k in lags),
        "y": tuple(covariance[k, 0] / variance for k in lags),
    }


def removed_map(pair: Pair, curve: NoiseCurve) -> NDArray[np.float32]:
    """Strength of the residual's detail near each pixel: about 1 where it is noise, (h, w)."""
    size = SIZES[1]
    local = gaussian_filter(band(_in_sigmas(pair, curve), size) ** 2, size)
    return np.asarray(np.sqrt(local / max(np.median(local), 1e-12)), np.float32)


def left_map(pair: Pair, curve: NoiseCurve) -> NDArray[np.float32]:
    """Share of the noise near each pixel that is in the output, 0 to 1, (h, w)."""
    rest, out = (band(image, SIZES[0]) for image in (pair.residual, pair.clean))
    near = SIDE / 2
    power = gaussian_filter(rest**2, near)
    ratio = (gaussian_filter(rest * out, near) / np.maximum(power, 1e-12)).clip(0, None)
    # Near 1 where hardly any noise was removed.
    missing = 1 - np.sqrt(power / max(np.median(power), 1e-12))
    return np.asarray(np.maximum(ratio / (1 + ratio), missing), np.float32)
