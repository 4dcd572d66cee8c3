"""Neighbouring planes of a stack: frames before and after, slices above and below."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .planes import CutPlanes, Image, Planes


def offsets(reach: int) -> tuple[int, ...]:
    """Places of the neighbours in a stack, the nearest first: -1, 1, -2, 2, ... -k, k."""
    return tuple(sign * step for step in range(1, reach + 1) for sign in (-1, 1))


class Amid(NamedTuple):
    """A plane among those beside it, which a model learns from and sees with it.

    Parameters
    ----------
    planes : Planes
    plane : int
        Its number among them.
    """

    planes: Planes
    plane: int

    @classmethod
    def of(cls, planes: Planes, plane: int, rows: slice, columns: slice, reach: int) -> Amid:
        """A window of a plane, and the same window of those beside it, see `with_those_beside`."""
        near = with_those_beside(planes, plane, reach)
        return cls(CutPlanes(planes, [(p, rows, columns) for p in near]), near.index(plane))


def with_those_beside(planes: Planes, plane: int, reach: int) -> list[int]:
    """Numbers of a plane and of those up to a reach from it along each axis of the stack.

    Parameters
    ----------
    planes : Planes
    plane : int
    reach : int
        Planes on either side, along each axis.

    Returns
    -------
    list of int
        In the order of the planes, since the next one is often compared with each.
    """
    found = [plane]
    for axis in planes.stack_axes:
        there = [planes.beside(near, o, axis) for o in offsets(reach) for near in found]
        found += [number for number in there if number is not None]
    return sorted(found)


@dataclass(frozen=True)
class StackedPlanes:
    """Planes with their neighbours as further channels, in the order of `offsets`.

    A neighbour that is not there has the one opposite in its place, or else a nearer one; where
    there is none at all, all of them are NaN. Repeated frames and blank ones count as not there:
    they would show the noise that a blind spot must hide, or nothing.

    Parameters
    ----------
    planes : Planes
    axis : str
        Letter of the axis along which planes are neighbours.
    reach : int
        Neighbours k on either side.
    """

    planes: Planes
    axis: str
    reach: int

    @property
    def channels(self) -> int:
        """Number of channels with those of the neighbours: (2 k + 1) C."""
        return (2 * self.reach + 1) * self.planes.channels

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Height and width of each plane, in pixels."""
        return self.planes.sizes

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""
        return self.planes.colours

    @property
    def in_memory(self) -> bool:
        """Whether reading takes negligible time."""
        return self.planes.in_memory

    @property
    def stack_axes(self) -> str:
        """Letters of the axes along which planes may be neighbours."""
        return self.planes.stack_axes

    def beside(self, plane: int, offset: int, axis: str) -> int | None:
        """Number of the plane that is so many steps further along an axis, if there is one."""
        return self.planes.beside(plane, offset, axis)

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane and of its neighbours: ((2 k + 1) C, h, w), float32."""
        found: dict[int, Image] = {}
        for offset in offsets(self.reach):
            number = self.planes.beside(plane, offset, self.axis)
            if number is not None:
                found[offset] = self.planes.read(number, rows, columns)
        return with_neighbours(self.planes.read(plane, rows, columns), found, self.reach)


def with_neighbours(centre: Image, found: dict[int, Image], reach: int) -> Image:
    """Join a window (C, h, w) and those of its neighbours by their offsets: ((2 k + 1) C, h, w)."""
    there = {offset: image for offset, image in found.items() if is_fresh(image, centre)}
    nothing = np.full_like(centre, np.nan)
    seen = stand_ins(there, reach)
    return np.concatenate([centre, *(nothing if o is None else there[o] for o in seen)])


def stand_ins(there: Collection[int], reach: int) -> list[int | None]:
    """Offsets of what is seen at each of the `offsets`: that neighbour, or what stands for it.

    That is the one opposite, or else a nearer one; None where there is none of these.

    Parameters
    ----------
    there : collection of int
        Offsets of the neighbours that are there.
    reach : int
        Neighbours k on either side.
    """
    return [next(filter(there.__contains__, _candidates(o)), None) for o in offsets(reach)]


def _candidates(offset: int) -> list[int]:
    nearer = [sign * step for step in range(abs(offset), 0, -1) for sign in (1, -1)]
    return [offset, *nearer]


def is_fresh(neighbour: Image, centre: Image) -> bool:
    """Whether a neighbour shows something, and something else than the plane itself."""
    # Each channel: a repeated one among others would be the answer to what is hidden.
    low, high = neighbour.min(axis=(1, 2)), neighbour.max(axis=(1, 2))
    differs = [
        not np.array_equal(n, c, equal_nan=True) for n, c in zip(neighbour, centre, strict=True)
    ]
    varies = bool(np.isfinite(neighbour).any() and not (low == high).all())
    return varies and all(d or low[i] == high[i] for i, d in enumerate(differs))
