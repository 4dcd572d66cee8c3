"""Tiled prediction with a halo: seamless, and memory does not grow with the image."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..data.planes import Image, fill_invalid


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels of the image.

    `start:stop` goes into the network and may reach off the image; `keep_start:keep_stop` comes
    out of it.
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
    """Cut a length into tiles; what goes into the network ends on multiples of its stride.

    With the halo at least the receptive field, and all tiles on the same grid of pools, the
    tiled output equals the whole one.

    Parameters
    ----------
    length : int
        In pixels.
    tile, halo : int
        Of the tile without its halo, and the least halo, in pixels.
    multiple : int
        2 ** depth of the network.
    border : int
        Pixels that are added before the image; after it, as many and the rest to a multiple.
    """
    starts = list(range(0, length, tile))
    if len(starts) > 1 and length - starts[-1] <= halo + multiple:
        starts.pop()  # so narrow a rest costs less as part of its neighbour
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
