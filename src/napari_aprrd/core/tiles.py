"""Tiled prediction with a halo: seamless, and memory does not grow with the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


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
