"""Apply a network to planes of any size, tile by tile, without seams."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from .patches import Image, fill_invalid
from .tiles import Span, span, spans

BORDER = 16  # pixels of reflection around the image, as in the published inference

Read = Callable[[slice, slice], Image]
Tile = tuple[Span, Span]  # rows, columns


def tiles_of(size: Sequence[int], *, tile: int, halo: int, multiple: int) -> list[Tile]:
    """The tiles of a plane of some height and width, row by row; see `tiles.spans`."""
    rows, columns = (list(spans(n, tile, halo, multiple, BORDER)) for n in size)
    return [(row, column) for row in rows for column in columns]


def quarters(tile: Tile, size: Sequence[int], *, halo: int, multiple: int) -> list[Tile]:
    """A tile in four."""
    halves = []
    for whole, length in zip(tile, size, strict=True):
        middle = (whole.keep_start + whole.keep_stop) // 2
        cuts = ((whole.keep_start, middle), (middle, whole.keep_stop))
        halves.append([span(*cut, length, halo, multiple, BORDER) for cut in cuts])
    return [(row, column) for row in halves[0] for column in halves[1]]


def in_all_orientations(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Make a network the mean of itself over the eight flips and turns of its input."""

    def mean(x: Tensor) -> Tensor:
        total = 0.0 * x
        for turns, flip in itertools.product(range(4), (False, True)):
            turned = torch.rot90(x.flip(3) if flip else x, turns, (2, 3))
            output = forward(turned.contiguous(memory_format=torch.channels_last))
            output = torch.rot90(output, -turns, (2, 3))
            total += output.flip(3) if flip else output
        return total / 8

    return mean


def predict_tile(
    forward: Callable[[Tensor], Tensor], read: Read, size: Sequence[int], tile: Tile
) -> Image:
    """Predict one tile of a plane.

    Parameters
    ----------
    forward : callable
        (1, C, h, w) -> (1, K, h, w) for sides that are multiples of the network's stride.
    read : callable
        Reads (rows, columns) of the plane: (C, h, w), float32. NaN and infinite pixels are
        replaced by their neighbours' mean.
    size : sequence of int
        Height and width of the plane in pixels.
    tile : tuple of Span
        One of `tiles_of`.

    Returns
    -------
    ndarray, shape (K, h, w), float32
        What the tile keeps.
    """
    output = _run(forward, _read_padded(read, size, tile))
    top, left = (slice(s.keep_start - s.start, s.keep_stop - s.start) for s in tile)
    return output[:, top, left]


def _run(forward: Callable[[Tensor], Tensor], window: Image) -> Image:
    """The only place where the network runs without gradient; never left suspended."""
    with torch.inference_mode():
        return np.asarray(forward(torch.from_numpy(window)[None])[0].float().cpu().numpy())


def _read_padded(read: Read, size: Sequence[int], tile: Tile) -> Image:
    """Read what goes into the network; what is off the image is reflected."""
    rows, columns = (
        slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(tile, size, strict=True)
    )
    pads = [(max(-s.start, 0), max(s.stop - n, 0)) for s, n in zip(tile, size, strict=True)]
    window = fill_invalid(read(rows, columns))
    mode = "reflect" if min(window.shape[1:]) > 1 else "edge"
    return np.pad(window, [(0, 0), *pads], mode=mode)  # type: ignore[call-overload,no-any-return]
