"""Tiled prediction with a halo: seamless, and memory does not grow with the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels of the padded image.

    `start:stop` goes into the network; `keep_start:keep_stop` of the image comes out of it.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def spans(length: int, tile: int, halo: int, multiple: int) -> Iterator[Span]:
    """Cut a padded length into tiles whose ends lie on multiples of the network's stride.

    With the halo at least the receptive field, and all tiles on the same grid of pools, the
    tiled output equals the whole one.

    Parameters
    ----------
    length : int
        In pixels, a multiple of `multiple`.
    tile, halo : int
        Wanted tile and halo in pixels; both are rounded up to multiples.
    multiple : int
        2 ** depth of the network.
    """
    tile, halo = round_up(tile, multiple), round_up(halo, multiple)
    starts = list(range(0, length, tile))
    if len(starts) > 1 and length - starts[-1] <= halo:
        starts.pop()  # so narrow a rest costs less as part of its neighbour
    for keep_start, keep_stop in pairwise([*starts, length]):
        yield Span(max(keep_start - halo, 0), min(keep_stop + halo, length), keep_start, keep_stop)


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple that is not below the value."""
    return -(-value // multiple) * multiple
