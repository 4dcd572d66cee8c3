"""Arrays of any axes as planes, and back: lazy windows of each plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Here as well, where most of the package looks for them.
from .arrays.naming import LETTERS as LETTERS
from .arrays.naming import check_array as check_array
from .arrays.naming import count_axes as count_axes
from .arrays.naming import guess_axes as guess_axes
from .arrays.naming import infer_axes as infer_axes
from .arrays.naming import stack_axes as stack_axes
from .core.data.planes import Image, Planes
from .core.errors import UserError, cause

# An S axis may have grey (1), grey and alpha (2), colours (3), colours and alpha (4).
_COLOURS_OF_SAMPLES = {1: 1, 2: 1, 4: 3}
_STACKED = "TZ"  # planes along other axes, such as I, are independent images


@dataclass(frozen=True)
class ArrayPlanes:
    """The planes of one array of any axes.

    Channels are RGB or grey samples (S; alpha stays out) or else C; every other axis but Y and X
    counts planes. The masked pixels of a masked array are read as NaN.

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
        """Number of channels C; alpha does not count."""
        length = self._length(self.channel_axis)
        return _COLOURS_OF_SAMPLES.get(length, length) if self.channel_axis == "S" else length

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""
        return self.channel_axis == "S" and self.channels == 3

    @property
    def plane_axes(self) -> str:
        """The letters of the axes that count planes, in order."""
        return "".join(a for a in self.axes if a not in ("Y", "X", self.channel_axis))

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Length of each of the `plane_axes`."""
        return tuple(self._length(letter) for letter in self.plane_axes)

    @property
    def stack_axes(self) -> str:
        """The letters of the axes along which planes may be neighbours."""
        return "".join(a for a in self.plane_axes if a in _STACKED and self._length(a) > 1)

    def beside(self, plane: int, offset: int, axis: str) -> int | None:
        """Number of the plane that is so many steps further along an axis, if there is one."""
        if axis not in self.stack_axes:
            return None
        place = list(np.unravel_index(plane, self.plane_shape))
        along = self.plane_axes.index(axis)
        place[along] += offset
        if not 0 <= place[along] < self.plane_shape[along]:
            return None
        return int(np.ravel_multi_index(place, self.plane_shape))

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
        with np.errstate(over="ignore"):  # beyond float32 it is infinite: not a pixel to learn from
            return self.read_raw(plane, rows, columns).astype(np.float32)

    @property
    def raw_type(self) -> np.dtype[Any]:
        """The data's type in the byte order of this machine; float32 where there are masks."""
        is_masked = isinstance(getattr(self.data, "_meta", self.data), np.ma.MaskedArray)
        return np.dtype(np.float32 if is_masked else self.data.dtype).newbyteorder("=")

    def read_raw(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Read a window of a plane: (C, h, w), units of the source; perhaps a view of it.

        Raises
        ------
        UserError
            If the source fails.
        """
        try:
            window = self.data[self._index(plane, rows, columns)]
            window = _with_nan(window.compute() if hasattr(window, "compute") else window)
        except Exception as error:  # readers raise what they like
            raise UserError(
                f"Plane {plane}, rows {rows.start} to {rows.stop}, columns {columns.start} to "
                f"{columns.stop} cannot be read ({cause(error)})."
            ) from error
        return self._channels_first(window)

    def place(self, plane: int, rows: slice, columns: slice) -> tuple[slice, ...]:
        """Index of a window of a plane in the data, with all dimensions and channels."""
        at = {"Y": rows, "X": columns}
        counts = np.unravel_index(plane, self.plane_shape)
        at |= {a: slice(int(i), int(i) + 1) for a, i in zip(self.plane_axes, counts, strict=True)}
        return tuple(at.get(letter, slice(None)) for letter in self.axes)

    def rows_and_columns_last(self) -> NDArray[Any]:
        """All pixels as (..., Y, X), or (..., Y, X, S) for colours; without alpha."""
        last = "YXS" if self.colours else "YX"
        order = [a for a in self.axes if a not in last] + list(last)
        data = np.asarray(self.data).transpose([self.axes.index(a) for a in order])
        if "S" not in self.axes:
            return data
        kept = data.take(range(self.channels), axis=order.index("S"))
        return kept if self.channels > 1 else kept.squeeze(order.index("S"))

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


def _with_nan(window: Any) -> NDArray[Any]:
    """A window in memory; what is masked in it becomes NaN, which nothing is learnt from."""
    if isinstance(window, np.ma.MaskedArray):
        return np.ma.filled(window.astype(np.float32), np.nan)
    return np.asarray(window)


def convert(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert to a type; integers are rounded and clipped to their range."""
    if values.dtype == dtype:
        return values
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

    @property
    def stack_axes(self) -> str:
        """Letters of the axes along which planes of any part may be neighbours."""
        return "".join(dict.fromkeys(axis for part in self.parts for axis in part.stack_axes))

    def beside(self, plane: int, offset: int, axis: str) -> int | None:
        """Number of the plane that is so many steps further along an axis of the same image."""
        part, first = self._part(plane)
        if axis not in part.stack_axes:
            return None
        number = part.beside(plane - first, offset, axis)
        return None if number is None else first + number

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32."""
        part, first = self._part(plane)
        return part.read(plane - first, rows, columns)

    def _part(self, plane: int) -> tuple[Planes, int]:
        """The image that a plane is of, and the number of its first plane."""
        first = 0
        for part in self.parts:
            if plane < first + len(part.sizes):
                return part, first
            first += len(part.sizes)
        raise IndexError(plane)
