"""Arrays of any axes as planes, and back: which axis is which, and lazy windows of each plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .core.data.planes import Image, Planes
from .core.errors import UserError, cause

LETTERS = "ITZCYXS"  # independent images, time, slices, channels, rows, columns, RGB samples
_BY_DIMENSIONS = {2: "YX", 3: "TYX", 4: "TZYX", 5: "TZCYX", 6: "ITZCYX"}
_NUMBERS = "uif"


def check_array(data: Any) -> None:
    """Refuse arrays that are not images.

    Raises
    ------
    UserError
        For masks, complex and object arrays, empty arrays and fewer than two dimensions.
    """
    dtype, shape = getattr(data, "dtype", None), getattr(data, "shape", None)
    if dtype is None or shape is None:
        raise UserError(f"An image must be an array, got {type(data).__name__}.")
    if dtype.kind not in _NUMBERS:
        raise UserError(f"Images of type {dtype} cannot be denoised; convert to real numbers.")
    if len(shape) < 2:
        raise UserError(f"An image has at least two dimensions, got {len(shape)}.")
    if 0 in shape:
        raise UserError(f"The image is empty (shape {tuple(shape)}).")


def infer_axes(shape: Sequence[int], axes: str | None = None) -> str:
    """Name the axes of an array.

    Without a name, a last axis of 3 or 4 after larger ones is RGB(A); what comes before the
    last two axes is a stack of planes.

    Parameters
    ----------
    shape : sequence of int
    axes : str, optional
        Letters of "ITZCYXS", one for each dimension, for example "TZCYX".

    Returns
    -------
    str
        Upper-case letters.

    Raises
    ------
    UserError
        If the letters do not fit the shape.
    """
    if axes is not None:
        return _check_axes(axes.upper(), shape)
    dimensions = len(shape)
    if dimensions >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) > 4:
        return infer_axes(shape[:-1]) + "S"
    if dimensions not in _BY_DIMENSIONS:
        raise UserError(f"Cannot guess the axes of shape {tuple(shape)}; name them (setting axes).")
    return _BY_DIMENSIONS[dimensions]


def _check_axes(axes: str, shape: Sequence[int]) -> str:
    if len(axes) != len(shape):
        raise UserError(
            f"Axes {axes} name {len(axes)} dimensions, the image has {len(shape)}: {tuple(shape)}."
        )
    unknown = set(axes) - set(LETTERS)
    if unknown or len(set(axes)) < len(axes):
        raise UserError(f"Axes {axes} are not understood; use each of the letters {LETTERS} once.")
    if not {"Y", "X"} <= set(axes):
        raise UserError(f"Axes {axes} lack Y or X.")
    return axes


_NAMES = {
    "I": ("image", "images"),
    "T": ("time point", "time points"),
    "Z": ("slice", "slices"),
    "C": ("channel", "channels"),
    "S": ("colour", "colours"),
}


def count_axes(shape: Sequence[int], axes: str, named: bool = True) -> str:
    """What an array counts: "TYX, 5 time points of 128 x 128".

    Parameters
    ----------
    shape : sequence of int
    axes : str
        One letter for each dimension.
    named : bool
        False: the axes were guessed; what is stacked is then called planes, whatever it is.
    """
    lengths = dict(zip(axes, map(int, shape), strict=True))
    size = f"{lengths['Y']} x {lengths['X']}"
    others = {letter: length for letter, length in lengths.items() if letter not in "YX"}
    if not named:
        stacked = [str(length) for letter, length in others.items() if letter not in "CS"]
        planes = [f"{' x '.join(stacked)} planes"] if stacked else []
        others = {letter: length for letter, length in others.items() if letter in "CS"}
        return f"{' x '.join([*planes, *_counted(others)]) or 'one plane'} of {size}"
    return f"{axes}, {' x '.join(_counted(others)) or 'one plane'} of {size}"


def _counted(lengths: dict[str, int]) -> list[str]:
    names = (
        (n, _NAMES.get(a, (f"image along {a}", f"images along {a}"))) for a, n in lengths.items()
    )
    return [f"{length} {name[length != 1]}" for length, name in names]


def describe_axes(shape: Sequence[int], axes: str, named: bool = True) -> str:
    """One sentence on how an array is read; its parameters are those of `count_axes`."""
    return f"Read as {count_axes(shape, axes, named)} pixels."


@dataclass(frozen=True)
class ArrayPlanes:
    """The planes of one array of any axes.

    Channels are RGB samples (S; alpha stays out) or else C; every other axis but Y and X counts
    planes.

    Parameters
    ----------
    data : array
        NumPy, dask, zarr or memory-mapped: anything with shape, dtype and slicing.
    axes : str
        One letter for each dimension, see `infer_axes`.
    """

    data: Any
    axes: str

    @property
    def channel_axis(self) -> str:
        """The letter of the axis that holds the channels; empty if there is none."""
        return next((letter for letter in "SC" if letter in self.axes), "")

    @property
    def channels(self) -> int:
        """Number of channels C."""
        samples = self._length(self.channel_axis)
        return 3 if self.channel_axis == "S" and samples == 4 else samples

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""
        return self.channel_axis == "S"

    @property
    def plane_axes(self) -> str:
        """The letters of the axes that count planes, in order."""
        return "".join(a for a in self.axes if a not in ("Y", "X", self.channel_axis))

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Length of each of the `plane_axes`."""
        return tuple(self._length(letter) for letter in self.plane_axes)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the planes, in pixels."""
        return self._length("Y"), self._length("X")

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each plane, in pixels."""
        return [self.size] * int(np.prod(self.plane_shape, dtype=np.int64))

    def cropped(self, rows: slice, columns: slice) -> ArrayPlanes:
        """A window of every plane."""
        at = {"Y": rows, "X": columns}
        return ArrayPlanes(self.data[tuple(at.get(a, slice(None)) for a in self.axes)], self.axes)

    @property
    def in_memory(self) -> bool:
        """Whether reading takes negligible time."""
        return isinstance(self.data, np.ndarray)

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32.

        Raises
        ------
        UserError
            If the source fails.
        """
        try:
            window = np.asarray(self.data[self._index(plane, rows, columns)])
        except Exception as error:  # readers raise what they like
            raise UserError(
                f"Plane {plane}, rows {rows.start} to {rows.stop}, columns {columns.start} to "
                f"{columns.stop} cannot be read ({cause(error)})."
            ) from error
        return self._channels_first(window).astype(np.float32)

    def place(self, plane: int, rows: slice, columns: slice) -> tuple[slice, ...]:
        """Index of a window of a plane in the data, with all dimensions and channels."""
        at = {"Y": rows, "X": columns}
        counts = np.unravel_index(plane, self.plane_shape)
        at |= {a: slice(int(i), int(i) + 1) for a, i in zip(self.plane_axes, counts, strict=True)}
        return tuple(at.get(letter, slice(None)) for letter in self.axes)

    def chunks(self, side: int) -> tuple[int, ...]:
        """Chunks for a file: windows of single planes with all their channels."""
        sides = {"Y": side, "X": side, self.channel_axis: self._length(self.channel_axis)}
        lengths = zip(self.axes, self.data.shape, strict=True)
        return tuple(min(sides.get(letter, 1), int(length)) for letter, length in lengths)

    def new_output(
        self, dtype: np.dtype[Any], place: tuple[slice, ...] | None = None
    ) -> NDArray[Any]:
        """An array like the data, or a `place` of it, for `write` to fill.

        Alpha is copied, since it is not denoised; nothing else is read.
        """
        place = place or (slice(None),) * len(self.axes)
        parts = zip(place, self.data.shape, strict=True)
        out = np.empty([len(range(*part.indices(length))) for part, length in parts], dtype)
        if self._length(self.channel_axis) > self.channels:
            channel, alpha = self.axes.index(self.channel_axis), slice(self.channels, None)
            source = (*place[:channel], alpha, *place[channel + 1 :])
            within = (*(slice(None),) * channel, alpha)
            out[within] = convert(np.asarray(self.data[source]), dtype)
        return out

    def write(self, out: NDArray[Any], plane: int, place: tuple[slice, slice], tile: Image) -> None:
        """Write (C, h, w) into a window of an array shaped like the data.

        Integers are rounded and clipped, never wrapped.
        """
        window = out[self._index(plane, *place)]
        self._channels_first(window)[...] = convert(tile, out.dtype)

    def _length(self, letter: str) -> int:
        return int(self.data.shape[self.axes.index(letter)]) if letter else 1

    def _index(self, plane: int, rows: slice, columns: slice) -> tuple[Any, ...]:
        at: dict[str, Any] = {"Y": rows, "X": columns, self.channel_axis: slice(self.channels)}
        at.update(zip(self.plane_axes, np.unravel_index(plane, self.plane_shape), strict=True))
        return tuple(int(i) if isinstance(i, np.integer) else i for i in map(at.get, self.axes))

    def _channels_first(self, window: NDArray[Any]) -> NDArray[Any]:
        """View a window as (C, h, w), whatever the order of its axes."""
        left = [a for a in self.axes if a in ("Y", "X", self.channel_axis)]
        if not self.channel_axis:
            window, left = window[None], ["", *left]
        return window.transpose([left.index(a) for a in (self.channel_axis, "Y", "X")])


def convert(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert to a type; integers are rounded and clipped to their range."""
    if dtype.kind == "f":
        limits = np.finfo(dtype)  # float16 ends at 65504
        kept = np.isfinite(values)
        return np.where(kept, values.clip(limits.min, limits.max), values).astype(dtype)
    info = np.iinfo(dtype)
    # In float64: the largest uint32 has no float32.
    rounded = np.rint(np.nan_to_num(values.astype(np.float64)))
    return rounded.clip(info.min, info.max).astype(dtype)


@dataclass(frozen=True)
class JoinedPlanes:
    """The planes of several images, which may differ in size but not in channels."""

    parts: Sequence[Planes]

    def __post_init__(self) -> None:
        if not self.parts:
            raise UserError("There is no image to work on.")
        counts = sorted({part.channels for part in self.parts})
        if len(counts) > 1:
            listed = " and ".join(map(str, counts))
            raise UserError(f"Images with {listed} channels cannot be trained on together.")

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return self.parts[0].channels

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each plane, in pixels."""
        return [size for part in self.parts for size in part.sizes]

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""
        return all(part.colours for part in self.parts)

    @property
    def in_memory(self) -> bool:
        """Whether reading takes negligible time."""
        return all(part.in_memory for part in self.parts)

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32."""
        for part in self.parts:
            if plane < len(part.sizes):
                return part.read(plane, rows, columns)
            plane -= len(part.sizes)
        raise IndexError(plane)
