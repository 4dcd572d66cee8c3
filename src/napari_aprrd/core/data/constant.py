"""Constant areas: empty planes and channels, and the borders that rotating or stitching leaves.

They hold no noise and no structure. Nothing is measured on them, and they come out as they went in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .planes import Image

Mask = NDArray[np.bool_]

# Pixels. No noise gives as many equal values in a row and column, unless nearly all pixels have
# that value; whether they have is looked at as well.
SIDE, LARGE = 8, 32
STRIP = 3  # pixels: narrowest border along the edge of a window
# Share of the other pixels that have the value, up to which a border is followed into its corners.
_RARE = 0.1
# A pixel of another value with fewer others around it (of 24) is a speck: noise on a dark ground.
LONELY = 3
# Share of pixels of other values from which on a large square without any (10 are expected) is no
# chance.
_OTHERS = 10 / LARGE**2
_RIM = 2  # pixels around an area that tell whether it ends in a step
_STEP = 0.5  # nearly all of them are then further from its value than half of the typical distance


def constant_channels(image: Image) -> Mask:
    """Which channels of (C, h, w) are the same everywhere: (C,). Invalid pixels are ignored."""
    low, high = (of.reduce(image, axis=(1, 2)) for of in (np.fmin, np.fmax))
    return np.asarray(~(low < high))


def constant_areas(image: Image) -> Mask:
    """Pixels of (C, h, w) that belong to a constant area: (C, h, w).

    That is a whole channel, or an area of the lowest value or of zero in which there is no noise:
    the dark ground of an image of few photons does not count, however many of its pixels are 0.
    """
    found = np.zeros(image.shape, np.bool_)
    for mask, channel, constant in zip(found, image, constant_channels(image), strict=True):
        if constant:
            mask[:] = np.isfinite(channel)
            continue
        for value in {float(np.fmin.reduce(channel, axis=None)), 0.0}:
            mask |= _area(channel == value)
    return found


def without_constant(image: Image) -> Image:
    """The image (C, h, w) with NaN in its constant areas."""
    areas = constant_areas(image)
    return np.where(areas, np.float32(np.nan), image) if areas.any() else image


def without_borders(image: Image, areas: Mask | None = None) -> Image:
    """The image (C, h, w) with NaN in constant areas that end in a step, as a black border does.

    A network is not to see that step. Dark ground, towards which an image fades, stays.

    Parameters
    ----------
    image : ndarray, shape (C, h, w)
    areas : ndarray, shape (C, h, w), optional
        Its `constant_areas`, where they are known.
    """
    areas = constant_areas(image) if areas is None else areas
    if not areas.any():
        return image
    bare = image.copy()
    for channel, area in zip(bare, areas, strict=True):
        rim = channel[ndimage.binary_dilation(area, iterations=_RIM) & ~area]
        rim = rim[np.isfinite(rim)]
        if rim.size and area.any():
            low, middle = np.percentile(rim, [5, 50]) - channel[area][0]
            if low > _STEP * middle:
                channel[area] = np.nan
    return bare


def _area(equal: Mask) -> Mask:
    """The part of the pixels of one value that is an area without noise."""
    nothing = np.zeros_like(equal)
    if np.count_nonzero(equal) < SIDE**2:
        return nothing
    around = ndimage.uniform_filter((~equal).astype(np.float32), 5, mode="constant")
    specks = int(np.count_nonzero(~equal & (around * 25 < LONELY + 1.5)))
    if specks == 0:
        # Beyond the window the border may go on: one along its edge may be as narrow as a strip.
        wide = np.pad(equal, SIDE - STRIP, constant_values=True)
        inner = (slice(SIDE - STRIP, -(SIDE - STRIP)),) * 2
        grown = ndimage.binary_propagation(_opened(wide, SIDE), mask=_opened(wide, 3))[inner]
        grown &= equal
        others = ~grown
        if not others.any() or equal[others].mean() <= _RARE:
            return np.asarray(grown)
    if (~equal).mean() < _OTHERS:
        return nothing
    return _opened(equal, min(LARGE, *equal.shape))


def _opened(mask: Mask, side: int) -> Mask:
    """Pixels of the mask that lie in a square of this side within it."""
    start = -(side % 2 == 0)  # so that the second filter undoes the shift of an even first one
    eroded = ndimage.minimum_filter(mask, side, mode="constant", cval=False)
    opened = ndimage.maximum_filter(eroded, side, mode="constant", cval=False, origin=start)
    return np.asarray(opened)
