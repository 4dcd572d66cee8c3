"""Estimate of the error of outputs without the clean image: Monte-Carlo SURE.

Stein's unbiased risk estimate (Ramani et al., IEEE Transactions on Image Processing 2008), for
noise that may be correlated: |f(y) - y|^2 differs from |f(y) - x|^2 by a constant and by the share
of the noise that f lets through. That share is measured by adding a little noise of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..data.planes import Image
from .autocorrelation import noise_field
from .report import NoiseReport

Array = NDArray[np.float64]

# Standard deviations of the noise that is added: small, so that f is nearly linear in it, but
# large against rounding in float32. Chosen, not measured, as are the next two.
_MORE = 0.1
_BRIGHTNESSES = 16  # groups of brightness, each with its variance
_FLAT = 0.5  # the flatter half of a group's pixels, where hardly any structure is in the residual


def squared_errors(
    noisy: Image,
    outputs: Callable[[Image], Image],
    noise: NoiseReport,
    means: Sequence[Sequence[int]] | None = None,
    *,
    blind: Sequence[bool] | None = None,
    seed: int = 0,
) -> Array:
    """Mean squared error of means over several outputs, up to a constant that they share.

    Parameters
    ----------
    noisy : ndarray, shape (C, H, W)
        In any units. NaN and infinite pixels are ignored.
    outputs : callable
        Maps an image (C, H, W) to K outputs (K, C, H, W).
    noise : NoiseReport
        Its correlation along x and y is used.
    means : sequence of sequence of int, optional
        Numbers of the outputs that each mean is over; by default 0..k for k = 0..K - 1.
    blind : sequence of bool, optional
        Which outputs are, at each pixel, blind to its noise; by default all but the first.
    seed : int
        Seed of the noise that is added.

    Returns
    -------
    ndarray
        Error of each mean, in squared units of the image.
    """
    at_rest = outputs(noisy).astype(np.float64)
    means = means or [range(last + 1) for last in range(len(at_rest))]
    valid = np.isfinite(noisy)
    if not valid.any():
        return np.zeros(len(means))
    finite = np.where(valid, noisy, np.nan)
    is_blind = [False, *[True] * (len(at_rest) - 1)] if blind is None else blind
    blind_means = filter(None, ([n for n in numbers if is_blind[n]] for numbers in means))
    candidates = (at_rest[numbers].mean(0) for numbers in blind_means)
    best = min(candidates, key=lambda mean: np.nanmean((mean - finite) ** 2))
    deviation = np.sqrt(noise_variance(finite, best))
    rng = np.random.default_rng(seed)
    fields = [noise_field(image.shape, noise.correlation, rng) for image in noisy]
    more = deviation * np.stack(fields)
    answers = outputs((noisy + _MORE * more).astype(np.float32)) - at_rest
    passed = (more * answers / _MORE).mean(axis=(1, 2, 3), where=valid)
    return np.array(
        [
            np.nanmean((at_rest[list(numbers)].mean(0) - finite) ** 2)
            + 2 * passed[list(numbers)].mean()
            for numbers in means
        ]
    )


def noise_variance(noisy: Image, output: NDArray[Any]) -> NDArray[Any]:
    """Variance of the noise at each pixel, by brightness, measured where the output is flat.

    It is a mean of squares. The median deviation that `residual.NoiseCurve` takes is too small for
    skewed noise, for example of few photons; the difference would be mistaken for lost detail.
    Measured in docs/experiments.md#not-kept.

    Parameters
    ----------
    noisy : ndarray, shape (C, H, W)
        NaN is ignored.
    output : ndarray, shape (C, H, W)
        The denoised image.

    Returns
    -------
    ndarray, shape (C, H, W)
    """
    variances = np.zeros_like(output)
    for variance, image, smooth in zip(variances, noisy, output, strict=True):
        steep = ndimage.gaussian_gradient_magnitude(smooth, 1).ravel()
        squares, brightness = ((image - smooth) ** 2).ravel(), smooth.ravel()
        order = np.argsort(brightness)
        order = order[np.isfinite(squares[order])]
        groups = [group for group in np.array_split(order, _BRIGHTNESSES) if group.size]
        flat = [group[np.argsort(steep[group])][: 1 + int(_FLAT * len(group))] for group in groups]
        if flat:
            middles = [brightness[group].mean() for group in flat]
            variance[:] = np.interp(smooth, middles, [squares[group].mean() for group in flat])
    return variances
