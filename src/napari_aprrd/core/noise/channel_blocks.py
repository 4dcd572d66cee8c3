"""Small flat blocks of one channel, chosen by how smooth they are, not by how little they vary."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.planes import Image
from .autocorrelation import Array
from .blocks import BINS, FEWEST_IN_BIN, cut

# Share of the blocks of a brightness that counts as flat, and of these that are measured, because
# dense texture is in most blocks. Measured: docs/experiments.md#kept, "Strength of each channel".
_FLAT, _CALM = 0.1, 0.5


class Blocks(NamedTuple):
    """Blocks (N, b, b) of one channel's windows."""

    seen: Array  # to judge flatness by
    noise: Array  # in which the noise is measured
    shares: Array  # (N, 2): of the pixels at the lowest and at the highest value
    place: NDArray[np.int_]  # (N,): the same number, the same place


class Flat(NamedTuple):
    """Numbers of the blocks of one brightness that are flat."""

    smooth: NDArray[np.int_]  # hardly any structure that a polynomial can follow
    calm: NDArray[np.int_]  # those among them that vary least


def blocks_of(
    windows: list[Image], pairs: list[tuple[Image, Image]], ends: tuple[float, float]
) -> Blocks:
    """Cut the windows of one channel into blocks.

    Of pairs, flatness is judged by the means and noise measured in the differences over the root of
    2, which contain no structure. Otherwise both are the blocks of the windows.

    Parameters
    ----------
    windows : list of ndarray, shape (h, w)
    pairs : list of (ndarray, ndarray)
        Each window and that of the next plane, if these show the same scene, or none.
    ends : (float, float)
        Values at which pixels count as cut off; NaN where none are.
    """
    images = [np.stack(pair) for pair in pairs] or [window[None] for window in windows]
    parts = [cut(image, ends) for image in images]
    blocks, shares = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    # A window has fewer blocks than pixels, so that no two have the same number.
    first = np.cumsum([0, *(image[0].size for image in images)])
    place = np.concatenate([start + part[2] for start, part in zip(first, parts, strict=False)])
    one, other = blocks[:, 0], blocks[:, -1]
    if not pairs:
        return Blocks(one, one, shares, place)
    return Blocks((one + other) / 2, (one - other) / np.sqrt(2), shares, place)


def smooth_blocks(
    means: Array, smooth: Array, rough: Array, *, structured: bool = True
) -> list[Flat]:
    """The flat blocks of each brightness, from dark to bright.

    Those are chosen by the variance of the polynomial that fits them best: chosen by their
    variance as a whole, they would be those whose noise happens to be weakest.

    Parameters
    ----------
    means, smooth, rough : ndarray, shape (N,)
        Brightness of each block; variance of its polynomial, and of the rest.
    structured : bool
        Whether the rest may contain structure. Otherwise all flat blocks are calm: the calmest
        would be those whose noise happens to be less correlated.
    """
    share = _CALM if structured else 1.0
    bins = np.array_split(np.argsort(means), min(BINS, max(1, len(means) // FEWEST_IN_BIN)))
    groups = []
    for members in bins:
        flat = members[np.argsort(smooth[members])[: max(2, round(_FLAT * len(members)))]]
        calm = flat[np.argsort(rough[flat])[: max(1, round(share * len(flat)))]]
        groups.append(Flat(flat, calm))
    return groups
