"""Planes: the form in which the engine reads all images."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Place = tuple[int, slice, slice]  # plane, rows, columns


@runtime_checkable
class RawPlanes(Protocol):
    """Planes that can also be read in the type of their source."""

    @property
    def raw_type(self) -> np.dtype[Any]:
        """The type, in the byte order of this machine; float32 where `read_raw` is of no use."""

    def read_raw(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a window of a plane: (C, h, w), units of the source; perhaps a view of it.

        Raises
        ------
        UserError
            If the source fails.
        """


class Planes(Protocol):
    """Planes of one or several images with the same channels, read lazily."""

    @property
    def channels(self) -> int:
        """Number of channels C."""

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Height and width of each plane, in pixels."""

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""

    @property
    def in_memory(self) -> bool:
        """Whether reading takes negligible time."""

    @property
    def stack_axes(self) -> str:
        """Letters of the axes along which planes may be neighbours, such as "TZ"."""

    def beside(self, plane: int, offset: int, axis: str) -> int | None:
        """Number of the plane that is so many steps further along an axis, if there is one."""

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32, in the units of the source.

        Raises
        ------
        UserError
            If the source fails.
        """


@dataclass(frozen=True)
class MemoryPlanes:
    """Planes from arrays in memory, each (C, H, W); with a stack axis each follows the last."""

    images: Sequence[Image]
    colours: bool = False
    stack_axes: str = ""
    in_memory = True

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return int(self.images[0].shape[0])

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each plane, in pixels."""
        return [image.shape[1:] for image in self.images]

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32."""
        return np.asarray(self.images[plane][:, rows, columns], np.float32)

    def beside(self, plane: int, offset: int, axis: str) -> int | None:
        """Number of the plane that is so many steps further along an axis, if there is one."""
        number = plane + offset
        there = axis in self.stack_axes and 0 <= number < len(self.images)
        return number if there and self.sizes[number] == self.sizes[plane] else None


@dataclass(frozen=True)
class CutPlanes:
    """Planes in parts: each part is a plane of its own."""

    planes: Planes
    places: Sequence[Place]

    @classmethod
    def of(cls, planes: Planes, side: int) -> CutPlanes:
        """Cut planes into the fewest parts of about the same size, none longer than a side."""
        places = [
            (plane, rows, columns)
            for plane, (height, width) in enumerate(planes.sizes)
            for rows in _cut(height, side)
            for columns in _cut(width, side)
        ]
        return cls(planes, places)

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return self.planes.channels

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each part, in pixels."""
        return [(r.stop - r.start, c.stop - c.start) for _, r, c in self.places]

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""
        return self.planes.colours

    @property
    def in_memory(self) -> bool:
        """Whether reading takes negligible time."""
        return self.planes.in_memory

    @cached_property
    def stack_axes(self) -> str:
        """Letters of the axes along which any of the parts has a neighbour."""
        return "".join(
            axis
            for axis in self.planes.stack_axes
            if any(self.beside(part, 1, axis) is not None for part in range(len(self.places)))
        )

    def beside(self, plane: int, offset: int, axis: str) -> int | None:
        """Number of the same part of the plane that is so many steps further along an axis."""
        whole, rows, columns = self.places[plane]
        number = self.planes.beside(whole, offset, axis)
        return None if number is None else self._numbers.get(_corners(number, rows, columns))

    @cached_property
    def _numbers(self) -> dict[tuple[int, ...], int]:
        """The number of each part."""
        return {_corners(*place): number for number, place in enumerate(self.places)}

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a part: (C, h, w), float32."""
        whole, top, left = self.places[plane]
        return self.planes.read(whole, _within(top, rows), _within(left, columns))


def _corners(plane: int, rows: slice, columns: slice) -> tuple[int, ...]:
    """A place that can be looked up, which slices cannot in every Python."""
    return plane, rows.start, rows.stop, columns.start, columns.stop


def _cut(length: int, side: int) -> list[slice]:
    ends = np.linspace(0, length, -(-length // side) + 1).round().astype(int).tolist()
    return [slice(start, stop) for start, stop in pairwise(ends)]


def _within(part: slice, window: slice) -> slice:
    return slice(part.start + window.start, part.start + window.stop)


class Places:
    """Random windows of planes of given sizes; every pixel counts alike."""

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        self._sizes = sizes
        self._ends = np.cumsum([h * w for h, w in sizes])

    def draw(self, rng: np.random.Generator, side: int) -> Place:
        """Draw plane, rows and columns of a window; it is smaller than `side` if the plane is."""
        pixel = rng.integers(self._ends[-1])
        plane = int(np.searchsorted(self._ends, pixel, side="right"))
        h, w = self._sizes[plane]
        top = int(rng.integers(max(h - side, 0) + 1))
        left = int(rng.integers(max(w - side, 0) + 1))
        return plane, slice(top, min(top + side, h)), slice(left, min(left + side, w))


def some_windows(planes: Planes, side: int, count: int, *, seed: int = 0) -> list[Place]:
    """All tiles of the planes if they are at most `count`, else windows at random places.

    Returns
    -------
    list of (plane, rows, columns)
    """
    if sum(-(-h // side) * -(-w // side) for h, w in planes.sizes) > count:
        rng, places = np.random.default_rng(seed), Places(planes.sizes)
        return [places.draw(rng, side) for _ in range(count)]
    return [
        (plane, slice(top, min(top + side, h)), slice(left, min(left + side, w)))
        for plane, (h, w) in enumerate(planes.sizes)
        for top in range(0, h, side)
        for left in range(0, w, side)
    ]


def pixels_of(windows: list[Place]) -> int:
    """Number of pixels of windows, each channel counted once."""
    return sum((r.stop - r.start) * (c.stop - c.start) for _, r, c in windows)


def in_random_order(windows: list[Place]) -> list[Place]:
    """Shuffle windows so that the first ones represent all; the order is always the same."""
    return random.Random(0).sample(windows, len(windows))


def fill_invalid(image: Image) -> Image:
    """Replace NaN and infinite pixels of (C, h, w) by the mean of their finite neighbours."""
    valid = np.isfinite(image)
    if valid.all():
        return image
    # Imported here, since napari's widgets read planes and must open before PyTorch is there.
    import torch

    from .fill import fill

    filled = fill(torch.from_numpy(image)[None], torch.from_numpy(valid)[None])[0]
    return np.asarray(filled.numpy(), np.float32)
