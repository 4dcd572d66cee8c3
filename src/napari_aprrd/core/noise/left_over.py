"""Strength of the noise at each pixel, by what two networks leave of the image.

A noise report measures flat blocks, of which textured photographs have none. Here a plain network,
which sees the pixel itself and so keeps texture, and a blind-spot network denoise the image.
Texture that the second one loses is hardly in the residual of the first, so the mean product of
both residuals is the variance of the noise, but for the share of it that the outputs hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..data.planes import Image

# Chosen, not measured one by one; docs/experiments.md#kept ("Shifts for correlated noise") has what
# they give together.
_GROUPS = 16  # of brightness, each with its variance
_FLAT = 0.5  # the flatter half of a group's pixels, in which residuals hold the least structure
_USUAL = 5  # groups of which the median is taken, since some brightnesses are found on edges alone
_NOTHING = 1e-12


def left_over(noisy: Image, plain: NDArray[Any], blind: NDArray[Any]) -> NDArray[np.float64]:
    """Variance of the noise that two outputs leave, at each pixel, by brightness.

    Parameters
    ----------
    noisy : ndarray, shape (C, H, W)
        What is not finite is ignored.
    plain, blind : ndarray, shape (C, H, W)
        Outputs of a plain and of a blind-spot network.

    Returns
    -------
    ndarray, shape (C, H, W)
        Zero in channels that are not known at all.
    """
    variances = np.zeros(noisy.shape)
    for variance, y, p, b in zip(variances, noisy, plain, blind, strict=True):
        groups = _flat_groups(p, np.isfinite(y))
        if groups:
            products, brightness = ((y - p) * (y - b)).ravel(), p.ravel()
            found = [max(float(products[group].mean()), _NOTHING) for group in groups]
            usual = np.exp(ndimage.median_filter(np.log(found), _USUAL, mode="nearest"))
            variance[:] = np.interp(p, [brightness[group].mean() for group in groups], usual)
    return variances


def flat_places(plain: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where an output (C, H, W) has hardly any structure, among the places of equal brightness."""
    flat = np.zeros(plain.shape, bool)
    for places, p, finite in zip(flat, plain, known, strict=True):
        for group in _flat_groups(p, finite):
            places.ravel()[group] = True
    return flat


def _flat_groups(plain: NDArray[Any], known: NDArray[np.bool_]) -> list[NDArray[np.int_]]:
    """Numbers of the flatter pixels of each brightness, from dark to bright."""
    steep = ndimage.gaussian_gradient_magnitude(np.where(known, plain, 0), 1).ravel()
    order = np.argsort(plain, axis=None)
    order = order[known.ravel()[order]]
    groups = [group for group in np.array_split(order, _GROUPS) if group.size]
    return [group[np.argsort(steep[group])][: 1 + int(_FLAT * len(group))] for group in groups]
