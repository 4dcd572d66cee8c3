"""Small blocks of images in which there is hardly anything but noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.planes import Image, Place, Planes
from .artefacts import SIDE
from .autocorrelation import Array, detrended

# Bounds without another source are chosen, not measured; docs/benchmarks-diary.md#noise-report has
# what they give together.
# Share of the blocks of a brightness that counts as flat: few, because most blocks of an image
# with dense texture contain structure.
_FLAT = 0.05
BINS = 8  # groups of brightness: enough for the slope of photon noise, each with enough blocks
FEWEST_IN_BIN = 10  # blocks; images with fewer blocks per bin get fewer bins
_DARK_EXCESS = 2.0  # a bin with this many times the variance of a brighter one contains structure
_CLIPPED = 0.05  # share of a block's pixels at the ends of the range; more would bias its variance
_FEWEST_BLOCKS = 20  # blocks that must remain when clipped ones are left out
# Similarity of structure above which consecutive planes count as the same scene; 3 pixels of motion
# fall below it. What it gains: docs/experiments.md#kept, "Noise report of films".
_SAME = 0.75


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


def samples(
    windows: list[Image], pairs: list[tuple[Image, Image]], ends: tuple[float, float]
) -> tuple[Array, Array]:
    """Blocks (N, b, b) to judge flatness by, and blocks with the noise to measure.

    If all windows have pairs, and these show the same scene, the first are the pairs' means and the
    second their differences over the root of 2, which contain no structure. Otherwise both are
    the blocks of the windows.
    """
    if len(pairs) == len(windows):
        both = np.concatenate([_blocks(np.stack(pair), ends) for pair in pairs])
        first, second = both[:, 0], both[:, 1]
        if _in_common(first, second) > _SAME:
            return (first + second) / 2, (first - second) / np.sqrt(2)
    blocks = np.concatenate([_blocks(window[None], ends)[:, 0] for window in windows])
    return blocks, blocks


def _in_common(first: Array, second: Array) -> float:
    """Share of the coarse structure, brightness aside, that blocks (N, b, b) have in common."""
    coarse = [blocks - detrended(blocks) for blocks in (first, second)]
    a, b = (blocks - blocks.mean((1, 2), keepdims=True) for blocks in coarse)
    power = float((a**2).sum() + (b**2).sum())
    return 1 - float(((a - b) ** 2).sum()) / power if power > 0 else 0.0


def _blocks(images: Image, ends: tuple[float, float]) -> Array:
    """Overlapping blocks (N, K, b, b) of images (K, h, w).

    Blocks with invalid pixels, constant blocks and blocks with many clipped pixels are left out.
    """
    blocks, shares, _ = cut(images, ends)
    hardly = shares.sum(axis=1) < _CLIPPED
    return blocks[hardly] if hardly.sum() >= _FEWEST_BLOCKS else blocks


def cut(images: Image, ends: tuple[float, float]) -> tuple[Array, Array, NDArray[np.int_]]:
    """Overlapping blocks (N, K, b, b) of images (K, h, w), but for invalid and constant ones.

    Also the shares (N, 2) of their pixels that are at each end, and their numbers, counted with
    those that are left out.
    """
    if min(images.shape[1:]) < SIDE:
        return np.empty((0, len(images), SIDE, SIDE)), np.empty((0, 2)), np.empty(0, np.int_)
    # Blocks overlap by half, so that each consists of four tiles, which are judged once.
    tiles = _tiles(images)
    lowest, highest = (_of_four(f, f.reduce(tiles, axis=(2, 4))) for f in (np.minimum, np.maximum))
    usable = (np.isfinite(lowest) & np.isfinite(highest) & (lowest < highest)).all(0).ravel()
    counts = [_of_four(np.add, (tiles == end).sum((2, 4))).sum(0).ravel() for end in ends]
    shares = np.stack(counts, axis=1)[usable] / (len(images) * SIDE**2)
    view = np.lib.stride_tricks.sliding_window_view(images, (SIDE, SIDE), axis=(1, 2))
    blocks = view[:, :: SIDE // 2, :: SIDE // 2].reshape(len(images), -1, SIDE, SIDE)
    blocks = blocks.swapaxes(0, 1)[usable].astype(np.float64)
    return blocks, shares, np.flatnonzero(usable)


def _tiles(images: Image) -> Image:
    """Images (K, h, w) as (K, rows, half a block, columns, half a block)."""
    half = SIDE // 2
    rows, columns = (length // half for length in images.shape[1:])
    whole = images[:, : rows * half, : columns * half]
    return whole.reshape(len(images), rows, half, columns, half)


def _of_four(join: np.ufunc, tiles: NDArray[Any]) -> NDArray[Any]:
    """What is known of each tile (K, rows, columns), joined for each block."""
    along = join(tiles[:, 1:], tiles[:, :-1])
    return np.asarray(join(along[:, :, 1:], along[:, :, :-1]))


def flat_blocks(means: Array, variances: Array) -> list[NDArray[np.int_]]:
    """The blocks of least variance in each bin of brightness, from dark to bright.

    The variance is that before detrending. Selecting by the variance after detrending would
    prefer blocks whose noise happens to be less correlated.
    """
    groups, calmest = [], np.inf
    bins = np.array_split(np.argsort(means), min(BINS, max(1, len(means) // FEWEST_IN_BIN)))
    for members in reversed(bins):
        flat = members[np.argsort(variances[members])[: max(2, round(_FLAT * len(members)))]]
        calmest = min(calmest, float(variances[flat].mean()))
        if variances[flat].mean() <= _DARK_EXCESS * calmest:
            groups.append(flat)
    return groups[::-1]
