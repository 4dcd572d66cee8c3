"""Apply a network to planes of any size, tile by tile, without seams."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from .patches import Image, fill_invalid
from .tiles import Span, round_up, spans

BORDER = 16  # pixels of reflection around the image, as in the published inference

Read = Callable[[slice, slice], Image]


def predict_tiles(
    forward: Callable[[Tensor], Tensor],
    read: Read,
    size: tuple[int, int],
    *,
    tile: int,
    halo: int,
    multiple: int,
) -> Iterator[tuple[slice, slice, Image]]:
    """Predict one plane and yield it tile by tile.

    Parameters
    ----------
    forward : callable
        (1, C, h, w) -> (1, K, h, w) for sides that are multiples of `multiple`.
    read : callable
        Reads (rows, columns) of the plane: (C, h, w), float32. NaN and infinite pixels are
        replaced by their neighbours' mean.
    size : tuple of int
        Height and width of the plane in pixels.
    tile, halo, multiple : int
        See `tiles.spans`.

    Yields
    ------
    rows, columns : slice
        Place in the plane.
    output : ndarray, shape (K, h, w), float32
    """
    height, width = (round_up(n + 2 * BORDER, multiple) for n in size)
    for rows in spans(height, tile, halo, multiple):
        for columns in spans(width, tile, halo, multiple):
            place = (_unpadded(rows, size[0]), _unpadded(columns, size[1]))
            if any(p.start >= p.stop for p in place):
                continue  # nothing but padding
            output = _run(forward, _read_padded(read, size, rows, columns))
            top, left = (
                slice(p.start + BORDER - s.start, p.stop + BORDER - s.start)
                for p, s in zip(place, (rows, columns), strict=True)
            )
            yield *place, output[:, top, left]


def _unpadded(span: Span, length: int) -> slice:
    """What a tile keeps, in pixels of the image."""
    return slice(max(span.keep_start - BORDER, 0), min(span.keep_stop - BORDER, length))


def _run(forward: Callable[[Tensor], Tensor], window: Image) -> Image:
    """The only place where the network runs without gradient; never left suspended."""
    with torch.inference_mode():
        return np.asarray(forward(torch.from_numpy(window)[None])[0].float().cpu().numpy())


def _read_padded(read: Read, size: tuple[int, int], rows: Span, columns: Span) -> Image:
    """Read a window given in padded coordinates; what is off the image is reflected."""
    inside, pads = [], [(0, 0)]
    for span, length in zip((rows, columns), size, strict=True):
        start, stop = span.start - BORDER, span.stop - BORDER
        inside.append(slice(max(start, 0), min(stop, length)))
        pads.append((max(-start, 0), max(stop - length, 0)))
    window = fill_invalid(read(inside[0], inside[1]))
    mode = "reflect" if min(window.shape[1:]) > 1 else "edge"
    return np.pad(window, pads, mode=mode)  # type: ignore[call-overload,no-any-return]
