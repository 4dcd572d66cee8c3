"""Tiled prediction with a halo: without seams, and in memory that does not grow with the image."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from ..data.planes import Image, fill_invalid


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels of the image.

    `start:stop` is the input of the network and may extend beyond the image;
    `keep_start:keep_stop` is the part of the output that is kept.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    @property
    def kept(self) -> slice:
        """Place of the tile in the image."""
        return slice(self.keep_start, self.keep_stop)


def spans(length: int, tile: int, halo: int, multiple: int, border: int) -> Iterator[Span]:
    """Cut a length into tiles whose inputs start and end on multiples of the network's stride.

    If the halo is at least the receptive field and all tiles lie on the same grid of pools, the
    tiled output equals that of the whole image.

    Parameters
    ----------
    length : int
        In pixels.
    tile, halo : int
        Side of a tile without its halo, and smallest halo, in pixels.
    multiple : int
        2 ** depth of the network.
    border : int
        Pixels that are added before the image; after it, as many and the rest up to a multiple.
    """
    starts = list(range(0, length, tile))
    if len(starts) > 1 and length - starts[-1] <= halo + multiple:
        starts.pop()  # a narrow rest is cheaper as part of its neighbour
    for keep_start, keep_stop in pairwise([*starts, length]):
        yield span(keep_start, keep_stop, length, halo, multiple, border)


def span(
    keep_start: int, keep_stop: int, length: int, halo: int, multiple: int, border: int
) -> Span:
    """One tile; see `spans`."""
    end = round_up(length + 2 * border, multiple) - border
    start = (keep_start + border - halo) // multiple * multiple - border
    stop = round_up(keep_stop + border + halo, multiple) - border
    return Span(max(start, -border), min(stop, end), keep_start, keep_stop)


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple that is not below the value."""
    return -(-value // multiple) * multiple


CUDA_TILE = 2048  # pixels, side of the largest tile on CUDA GPUs, unless another is asked for
BORDER = 16  # pixels of reflection around the image, as in the published inference

Read = Callable[[slice, slice], Image]
Tile = tuple[Span, Span]  # rows, columns


class PlaneTile(NamedTuple):
    """One tile of one plane: what is computed, written and marked as done at once."""

    plane: int
    rows: Span
    columns: Span


def tiles_of(size: Sequence[int], *, tile: int, halo: int, multiple: int) -> list[Tile]:
    """Tiles of a plane of the given height and width, row by row; see `spans`."""
    rows, columns = (list(spans(n, tile, halo, multiple, BORDER)) for n in size)
    return [(row, column) for row in rows for column in columns]


def quarters(tile: Tile, size: Sequence[int], *, halo: int, multiple: int) -> list[Tile]:
    """Divide a tile into four."""
    halves = []
    for whole, length in zip(tile, size, strict=True):
        middle = (whole.keep_start + whole.keep_stop) // 2
        cuts = ((whole.keep_start, middle), (middle, whole.keep_stop))
        halves.append([span(*cut, length, halo, multiple, BORDER) for cut in cuts])
    return [(row, column) for row in halves[0] for column in halves[1]]


def in_all_orientations(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Average a network over the eight flips and rotations of its input."""

    def mean(x: Tensor) -> Tensor:
        total: Tensor | float = 0.0
        for turns, flip in itertools.product(range(4), (False, True)):
            turned = torch.rot90(x.flip(3) if flip else x, turns, (2, 3))
            output = forward(turned.contiguous(memory_format=torch.channels_last))
            output = torch.rot90(output, -turns, (2, 3))
            total = total + (output.flip(3) if flip else output)
        return cast(Tensor, total) / 8

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
        The part of the output that the tile keeps.
    """
    output = _run(forward, _read_padded(read, size, tile))
    top, left = (slice(s.keep_start - s.start, s.keep_stop - s.start) for s in tile)
    return output[:, top, left]


def _run(forward: Callable[[Tensor], Tensor], window: Image) -> Image:
    """Run the network without gradients.

    Inference happens only here, so that no generator is ever suspended inside `inference_mode`.
    """
    with torch.inference_mode():
        return np.asarray(forward(torch.from_numpy(window)[None])[0].float().cpu().numpy())


def input_of(size: Sequence[int], tile: Tile) -> tuple[slice, slice]:
    """Rows and columns of the image from which a tile is predicted."""
    rows, columns = (
        slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(tile, size, strict=True)
    )
    return rows, columns


def padding_of(size: Sequence[int], tile: Tile) -> list[tuple[int, int]]:
    """Pixels of reflection above and below, left and right of what is read of the image."""
    return [(max(-s.start, 0), max(s.stop - n, 0)) for s, n in zip(tile, size, strict=True)]


def _read_padded(read: Read, size: Sequence[int], tile: Tile) -> Image:
    """Read the input of the network; beyond the image, pixels are reflected."""
    rows, columns = input_of(size, tile)
    pads = padding_of(size, tile)
    window = fill_invalid(read(rows, columns))
    mode = "reflect" if min(window.shape[1:]) > 1 else "edge"
    return np.pad(window, [(0, 0), *pads], mode=mode)  # type: ignore[call-overload,no-any-return]
