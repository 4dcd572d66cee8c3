"""Small blocks of images in which there is hardly anything but noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.planes import Image, Place, Planes
from .artefacts import SIDE
from .autocorrelation import Array, detrended

# Bounds without another source are chosen, not measured; docs/benchmarks-diary.md#noise-report has
# what they give together.
# Share of the blocks of a brightness that counts as flat: few, because most blocks of an image
# with dense texture contain structure. The correlation is measured in the calmer half of them.
_FLAT, _CALM = 0.1, 0.5
_BINS = 8  # groups of brightness: enough for the slope of photon noise, each with enough blocks
_FEWEST_IN_BIN = 10  # blocks; images with fewer blocks per bin get fewer bins
# Similarity of structure above which consecutive planes count as the same scene; 3 pixels of motion
# fall below it. What it gains: docs/experiments.md#kept, "Noise report of films".
_SAME = 0.75


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


def with_next(
    windows: list[Image], planes: Planes, places: list[Place]
) -> list[tuple[Image, Image]]:
    """Pair each window with that of the next plane (for the last plane: of the one before)."""
    pairs: list[tuple[Image, Image]] = []
    sizes = planes.sizes
    for i, (plane, rows, columns) in enumerate(places):
        other = plane + 1 if plane + 1 < len(sizes) else plane - 1
        if other >= 0 and sizes[other] == sizes[plane]:
            here = windows[i * planes.channels : (i + 1) * planes.channels]
            pairs += zip(here, planes.read(other, rows, columns), strict=True)
    return pairs


def blocks_of(
    windows: list[Image], pairs: list[tuple[Image, Image]], ends: tuple[float, float]
) -> Blocks:
    """Cut the windows of one channel into blocks.

    If all windows have pairs, and these show the same scene, flatness is judged by the pairs' means
    and noise measured in their differences over the root of 2, which contain no structure.
    Otherwise both are the blocks of the windows.

    Parameters
    ----------
    windows : list of ndarray, shape (h, w)
    pairs : list of (ndarray, ndarray)
        Windows and those of the next plane at the same place.
    ends : (float, float)
        Values at which pixels count as cut off; NaN where none are.
    """
    if len(pairs) == len(windows):
        both, shares, place = _cut([np.stack(pair) for pair in pairs], ends)
        first, second = both[:, 0], both[:, 1]
        if _in_common(first, second) > _SAME:
            return Blocks((first + second) / 2, (first - second) / np.sqrt(2), shares, place)
    alone, shares, place = _cut([window[None] for window in windows], ends)
    blocks = alone[:, 0]
    return Blocks(blocks, blocks, shares, place)


def _in_common(first: Array, second: Array) -> float:
    """Share of the coarse structure, brightness aside, that blocks (N, b, b) have in common."""
    coarse = [blocks - detrended(blocks) for blocks in (first, second)]
    a, b = (blocks - blocks.mean((1, 2), keepdims=True) for blocks in coarse)
    power = float((a**2).sum() + (b**2).sum())
    return 1 - float(((a - b) ** 2).sum()) / power if power > 0 else 0.0


def _cut(windows: list[Image], ends: tuple[float, float]) -> tuple[Array, Array, NDArray[np.int_]]:
    """Overlapping blocks (N, K, b, b) of windows (K, h, w), shares at the ends, and places.

    Blocks with invalid pixels and constant blocks are left out.
    """
    blocks, places = [np.empty((0, len(windows[0]), SIDE, SIDE))], [np.empty(0, np.int_)]
    first = 0
    for window in windows:
        if min(window.shape[1:]) < SIDE:
            continue
        view = np.lib.stride_tricks.sliding_window_view(window, (SIDE, SIDE), axis=(1, 2))
        found = view[:, :: SIDE // 2, :: SIDE // 2].reshape(len(window), -1, SIDE, SIDE)
        found = found.swapaxes(0, 1).astype(np.float64)
        usable = np.isfinite(found).all((1, 2, 3)) & (np.ptp(found, axis=(2, 3)) > 0).all(1)
        blocks.append(found[usable])
        places.append(first + np.flatnonzero(usable))
        first += len(found)
    joined = np.concatenate(blocks)
    shares = [np.zeros(len(joined)) if np.isnan(e) else (joined == e).mean((1, 2, 3)) for e in ends]
    return joined, np.stack(shares, axis=1), np.concatenate(places)


def flat_blocks(
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
    bins = np.array_split(np.argsort(means), min(_BINS, max(1, len(means) // _FEWEST_IN_BIN)))
    groups = []
    for members in bins:
        flat = members[np.argsort(smooth[members])[: max(2, round(_FLAT * len(members)))]]
        calm = flat[np.argsort(rough[flat])[: max(1, round(share * len(flat)))]]
        groups.append(Flat(flat, calm))
    return groups
