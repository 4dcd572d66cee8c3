"""Measurements on the residual, input minus output, which should be exactly the noise.

Everything is measured in bands of detail (differences of Gaussians) and in units of the noise at
the same brightness. The output's coarser detail distinguishes two kinds of areas: flat ones, where
the residual is noise and any correlation of it with the output is noise that was left in, and
structured ones, where the residual is stronger than noise if structure was removed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from ..config import Config
from ..noise.autocorrelation import LAGS, autocovariance, detrended
from .pairs import (
    SIDE,
    SIZES,
    Array,
    NoiseCurve,
    Pair,
    band,
    by_brightness,
    highest,
    in_sigmas,
    local,
    lowest,
    places,
    share,
    with_random_phases,
)


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


def scale(pairs: Sequence[Pair], curve: NoiseCurve, size: int) -> Scale:
    """Compare residual and output in detail of one size."""
    products = [_products(pair, curve, size) for pair in pairs]
    both, clean, residual, coarse = (
        np.concatenate(part) for part in zip(*products, strict=True)
    )  # one value for each block
    flat, structured = lowest(coarse), highest(coarse)
    noise = max(residual[flat].mean(), 1e-12)
    shared = both[flat].mean() / noise
    structure = clean[structured].mean() - clean[flat].mean()
    removed = (both[structured].mean() - both[flat].mean()) / max(structure, 1e-12)
    return Scale(
        size=size,
        excess=float(residual[structured].mean() / noise),
        contrast=float(np.sqrt(max(structure, 0.0) / noise)),
        lost=share(removed),
        left=share(shared),
        outliers=outliers(pairs, curve, size),
    )


def _products(pair: Pair, curve: NoiseCurve, size: int) -> tuple[Array, Array, Array, Array]:
    """Means over blocks: residual x output, output², residual², coarser output²."""
    sigma = curve.at(pair.clean)
    out, coarse = (band(pair.clean, s) / sigma for s in (size, 2 * size))
    rest = band(pair.residual, size) / sigma
    return places(rest * out), places(out**2), places(rest**2), places(coarse**2)


def outliers(pairs: Sequence[Pair], curve: NoiseCurve, size: int) -> float:
    """Ratio of the strongest local variance of the residual to that of noise of equal spectrum.

    Such noise has the residual's spectrum and random phases. The ratio shows structure that was
    removed in only a few places, where it hardly changes any mean.
    """
    rng = np.random.default_rng(0)
    found, expected = [], []
    for pair in pairs:
        detail = band(_in_sigmas(pair, curve), size)
        found.append(local(detail**2, size).ravel())
        expected.append(local(with_random_phases(detail, rng) ** 2, size).ravel())
    high, usual = (np.quantile(np.concatenate(values), 0.999) for values in (found, expected))
    return float(high / max(usual, 1e-12))


def _in_sigmas(pair: Pair, curve: NoiseCurve) -> Array:
    return in_sigmas(pair.residual, curve.at(pair.clean))


def bias(pairs: Sequence[Pair]) -> Bias:
    """Mean residual over the brightness of the output."""
    groups = by_brightness(pairs, [pair.residual for pair in pairs])
    return Bias(
        brightness=tuple(float(b) for b, _ in groups),
        bias=tuple(float(values.mean()) for _, values in groups),
        sigma=tuple(float(values.std()) for _, values in groups),
    )


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
