"""Estimate of the error of recharged targets in correlated noise, without the clean image.

Stein's unbiased risk estimate, as in `core.noise.sure`, needs the strength of the noise to within a
tenth; where a photograph is all texture, a noise report can be wrong by several times. Here the
strength is that which two networks leave of the image, `core.noise.left_over`, over the share that
they leave of a little noise, correlated as the report says, that is added. The same answers tell
how much of the noise each output lets through. Detail that recharging gives back is accounted for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.planes import Image
from ..noise.autocorrelation import noise_field
from ..noise.left_over import flat_places, left_over
from ..noise.report import NoiseReport
from .restore_detail import lost_detail

# Standard deviations of the noise that is added, as in `core.noise.sure`.
_MORE = 0.1
_LEAST_LEFT = 0.1  # share of the noise: networks that leave less tell nothing about its strength


class Seen(NamedTuple):
    """What networks make of an image (C, H, W)."""

    plain: NDArray[np.float64]  # (C, H, W): of one without a blind spot, which keeps detail
    outputs: NDArray[np.float64]  # (K, C, H, W): of a blind-spot network


class Errors(NamedTuple):
    """Estimated errors of some means over outputs."""

    of_means: NDArray[np.float64]  # squared errors, up to a constant that they share
    noise: NDArray[np.float64]  # (C,): mean variance of the noise in each channel


def recharged_errors(
    noisy: Image,
    networks: Callable[[Image], Seen],
    noise: NoiseReport,
    means: Sequence[Sequence[int]],
    partner: int,
    *,
    seed: int = 0,
) -> Errors:
    """Mean squared error of means over several outputs, recharged by measurement.

    Parameters
    ----------
    noisy : ndarray, shape (C, H, W)
        In any units. NaN and infinite pixels are ignored.
    networks : callable
        Maps an image (C, H, W) to what the networks make of it.
    noise : NoiseReport
        Its correlation along x and y is used.
    means : sequence of sequence of int
        Numbers of the outputs that each mean is over.
    partner : int
        Number of the output whose residual is compared with that of the plain one: of a blind spot
        that hides most of a pixel's noise, yet little detail.
    seed : int
        Seed of the noise that is added.
    """
    valid = np.isfinite(noisy)
    plain, outputs = networks(noisy)
    plain = np.where(valid, plain, 0)
    strength = left_over(noisy, plain, outputs[partner])
    rng = np.random.default_rng(seed)
    fields = [noise_field(channel.shape, noise.correlation, rng) for channel in noisy]
    more = np.where(valid, np.sqrt(strength) * np.stack(fields), 0)
    after = networks((noisy + _MORE * more).astype(np.float32))
    passed = np.where(valid, (after.outputs - outputs) / _MORE, 0)
    removed = np.where(valid, (after.plain - plain) / _MORE, 0)
    flat = flat_places(plain, valid)
    left = _sums((more - removed) * (more - passed[partner]), flat)
    share = np.maximum(left / np.maximum(_sums(more**2, flat), 1e-12), _LEAST_LEFT)
    variance = strength / share[:, None, None]
    through = more * passed / share[:, None, None]
    found = [
        _recharged(noisy, outputs[list(numbers)].mean(0), variance, through[list(numbers)].mean(0))
        for numbers in means
    ]
    count = np.maximum(valid.sum((1, 2)), 1)
    errors = np.array([_sums(error, valid).sum() for error in found]) / count.sum()
    return Errors(errors, _sums(variance, valid) / count)


def _recharged(
    noisy: Image,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    through: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Stein's estimate at each pixel of mean + excess * (noisy - mean)."""
    excess, residual = lost_detail(mean, noisy)
    lets_through = (1 - excess) * through + excess * variance
    return np.asarray(((1 - excess) * residual) ** 2 + 2 * lets_through)


def _sums(values: NDArray[np.float64], places: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sum over the places of each channel."""
    return np.asarray(np.where(places, values, 0).sum((1, 2)))
