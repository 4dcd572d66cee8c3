"""Artefacts that a blind spot cannot remove.

Clipping, stripes, JPEG blocks, fixed patterns and hot pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..data.planes import Image
from .autocorrelation import Array

SIDE = 16  # pixels, side of the blocks: several times the largest lag that is measured
# These bounds are chosen, not measured; tests/core/noise/test_report.py says what they must
# distinguish.
_CLIPPED = 0.002  # fraction of pixels at the minimum or maximum above which we report clipping
_STRIPED = 5.0  # ratio of the variance of line means to what the noise explains
_BLOCKY = 4.0  # standard errors by which steps at the edges of JPEG blocks are larger than inside
_REPEATS = 0.3  # correlation of the lines' brightness in two planes above which they are the same
_HOT = 8.0  # standard deviations of the noise at its own brightness by which a hot pixel stands out
_ALONE = 0.3  # largest excess of its neighbours, relative to its own: a focused spot has more
_FEWEST_HOT = 3  # a single one may be anything
_JPEG_BLOCK = 8  # pixels, fixed by the JPEG standard


def clipped_share(pixels: NDArray[np.floating], end: float) -> float:
    """Share of the pixels at this end of their range; 0 if it is too small to be clipping."""
    share = float((pixels == end).mean())
    return share if share > _CLIPPED else 0.0


def between_planes(pairs: list[tuple[Image, Image]]) -> float | None:
    """Correlation of the fine grain of windows with that of the next plane at the same place.

    It is the median over blocks. Blocks with structure, which is the same in both planes as well,
    are a minority, so that the median ignores them.
    """
    finite = [pair for pair in pairs if all(np.isfinite(window).all() for window in pair)]
    together = np.concatenate([np.empty(0), *(grain_correlations(a, b) for a, b in finite)])
    return float(np.median(together)) if together.size else None


def grain_correlations(first: Image, second: Image, order: int = 2) -> Array:
    """Correlation of the fine grain of two images (h, w), in each of their blocks.

    The grain are differences of this order along both axes, which remove nearly all structure.
    Blocks with NaN, and those without any grain, are left out.
    """
    a, b = (tiles(_grain(image, order), SIDE - order) for image in (first, second))
    a, b = (blocks - blocks.mean((1, 2), keepdims=True) for blocks in (a, b))
    scale = a.std((1, 2)) * b.std((1, 2))
    there = scale > 0  # not so where it is NaN
    return np.asarray((a * b).mean((1, 2))[there] / scale[there])


def _grain(image: Image, order: int) -> Array:
    return np.diff(np.diff(image.astype(np.float64), order, axis=0), order, axis=1)


def tiles(image: Array, side: int) -> Array:
    """Blocks (N, side, side) of an image (h, w), side by side; what is left over is cut off."""
    h, w = (n // side for n in image.shape)
    rows = image[: h * side, : w * side].reshape(h, side, w, side)
    return rows.swapaxes(1, 2).reshape(-1, side, side)


def stripes(windows: list[Image]) -> str:
    """Direction of lines that are lighter or darker over the whole width of a window, or ""."""
    found: dict[str, list[float]] = {"horizontal": [], "vertical": []}
    for window in windows:
        if min(window.shape) < 4 * SIDE or not np.isfinite(window).all():
            continue
        for name, lines in (("horizontal", window), ("vertical", window.T)):
            second = lines[:-2] - 2 * lines[1:-1] + lines[2:]  # (lines, pixels)
            halves = np.array_split(second, 2, axis=1)
            means = [half.mean(axis=1) for half in halves]
            expected = float((second.var(axis=1) / second.shape[1]).mean())
            found[name].append(float((means[0] * means[1]).mean()) / max(expected, 1e-12))
    scores = {name: float(np.median(values)) for name, values in found.items() if values}
    name = max(scores, key=lambda n: scores[n], default="")
    return name if name and scores[name] > _STRIPED else ""


def stripes_repeat(pairs: list[tuple[Image, Image]], direction: str) -> bool:
    """Whether the stripes of windows are those of the next plane as well."""
    found = []
    for pair in pairs:
        if min(pair[0].shape) < 4 * SIDE or not all(np.isfinite(window).all() for window in pair):
            continue
        across = 0 if direction == "horizontal" else 1
        a, b = (np.diff(window.mean(axis=1 - across), 2) for window in pair)
        found.append(float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 < b.std() else 0.0)
    return bool(found) and float(np.median(found)) > _REPEATS


def hot_share(windows: list[Image], read: float, shot: float, darkest: float) -> float:
    """Share of the pixels that are far brighter than all of their neighbours.

    Parameters
    ----------
    windows : list of ndarray, (h, w)
    read, shot, darkest : float
        The noise at a brightness has the variance read² + shot * (brightness - darkest).
    """
    hot = pixels = 0
    around = np.ones((3, 3), np.bool_)
    around[1, 1] = False
    for window in windows:
        known = np.isfinite(window)
        values = np.where(known, window, np.inf)  # so that nothing beside an invalid pixel counts
        brightest = ndimage.maximum_filter(values, footprint=around, mode="reflect")
        own = np.where(known, window, darkest)
        deviation = np.sqrt(read**2 + shot * np.maximum(own - darkest, 0))
        candidates = known & (own - brightest > (1 - _ALONE) * _HOT * deviation)
        pixels += int(known.sum())
        for y, x in np.argwhere(candidates):
            ground = np.median(values[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3])
            excess, beside = values[y, x] - ground, brightest[y, x] - ground
            hot += int(excess > _HOT * deviation[y, x] and beside < _ALONE * excess)
    return hot / pixels if hot >= _FEWEST_HOT else 0.0


def is_jpeg(windows: list[Image]) -> bool:
    """Whether neighbouring pixels differ more at every eighth row and column than elsewhere."""
    scores = []
    for window in windows:
        if min(window.shape) < 4 * _JPEG_BLOCK or not np.isfinite(window).all():
            continue
        scores.append(min(_blockiness(window), _blockiness(window.T)))
    return bool(scores) and float(np.median(scores)) > _BLOCKY


def _blockiness(image: Image) -> float:
    """Number of standard errors by which the steps at one of eight column phases stand out."""
    steps = np.abs(np.diff(image.astype(np.float64), axis=1))
    excess = steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2
    whole = excess.shape[1] // _JPEG_BLOCK * _JPEG_BLOCK
    phases = excess[:, :whole].reshape(len(image), -1, _JPEG_BLOCK)
    error = excess.std() / np.sqrt(phases.shape[0] * phases.shape[1])
    means = np.roll(phases.mean((0, 1)), -int(phases.mean((0, 1)).argmax()))
    return float((means[0] - means[2:-1].mean()) / max(error, 1e-12))
