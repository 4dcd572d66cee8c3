"""An image with what its file says about it, and which part of a file was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import ArrayPlanes, check_array, guess_axes, infer_axes
from ..core.errors import UserError, cannot_read


@dataclass(frozen=True)
class Choice:
    """Which part of a file to read, and how; None everywhere is all of its main image.

    Parameters
    ----------
    axes : str, optional
        One letter for each dimension, in place of what the file says.
    series : int, optional
        Number of the image in a file of several, from 1; else the one with the most pixels.
    planes : str, optional
        A plane ("3") or a range of planes ("0:10") of the first axis.
    channels : str, optional
        Numbers from 0 or names of channels, separated by commas ("0,2" or "GFP").
    """

    axes: str | None = None
    series: int | None = None
    planes: str | None = None
    channels: str | None = None


EVERYTHING = Choice()


@dataclass(frozen=True)
class Channel:
    """What a file says about a channel; empty or None where it says nothing.

    Parameters
    ----------
    name : str
    colour : str
        Six hexadecimal digits, red, green, blue: "00FF00".
    window : tuple of float, optional
        Intensities that are displayed as black and as full colour.
    """

    name: str = ""
    colour: str = ""
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """An image with what its file says about it.

    Parameters
    ----------
    data : array
        Any shape; may be lazy.
    axes : str
        One letter for each dimension. Letters beyond "ITZCYXS", which some TIFFs have, count
        independent images.
    scale : dict of str to float
        Size of a step along an axis; no entry where it is not known.
    units : dict of str to str
        Of the steps along the axes, as the file writes them; no entry where it is not known.
    flavour : {"", "imagej", "ome"}
        Kind of TIFF, kept on writing.
    path : Path, optional
        Of the file.
    choice : Choice
        What was asked for.
    record : dict
        How it was made; empty where nobody says. TIFF and OME-Zarr keep it.
    named : bool
        Whether the file, or the user, says what the axes are. Else they were guessed.
    channels : tuple of Channel
        One for each channel, or empty.
    native : object, optional
        All that the format says about the image, as its reader found it; the writer of the same
        format writes it back.
    icc_profile, exif : bytes
        Of photographs; empty where there is none. PNG and JPEG keep both, TIFF the profile.
    series, series_count : int
        Number of the image in its file, from 1, and how many there are.
    name : str
        Of the image in its file; may be empty.
    notes : tuple of str
        Sentences on what was guessed or left out.
    origin : dict of str to float
        Where the first pixel is along an axis, in the unit of its steps; no entry where it is not
        known. Of OME-Zarr.
    """

    data: Any
    axes: str
    scale: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    flavour: str = ""
    path: Path | None = None
    choice: Choice = EVERYTHING
    record: dict[str, Any] = field(default_factory=dict)
    named: bool = True
    channels: tuple[Channel, ...] = ()
    native: Any = None
    icc_profile: bytes = b""
    exif: bytes = b""
    series: int = 1
    series_count: int = 1
    name: str = ""
    notes: tuple[str, ...] = ()
    origin: dict[str, float] = field(default_factory=dict)

    @property
    def as_planes(self) -> ArrayPlanes:
        """The image's planes, read when they are asked for."""
        return ArrayPlanes(self.data, self.axes)

    @property
    def stamp(self) -> str:
        """Tells whether the file is still the same.

        Raises
        ------
        UserError
            If it is not there any more.
        """
        return file_stamp(self.path, self.choice) if self.path is not None else ""


def with_axes_in_order(picture: Picture, axes: str) -> Picture:
    """The image with its axes in another order; one that has other axes is left as it is."""
    if picture.axes == axes or sorted(picture.axes) != sorted(axes):
        return picture
    data = _lazy(picture.data).transpose([picture.axes.index(a) for a in axes])
    return replace(picture, data=data, axes=axes)


def without_names(data: Any) -> Picture:
    """An image from a file that says nothing about its axes; a note says what is guessed.

    Raises
    ------
    UserError
        If it is not an image.
    """
    check_array(data)
    guess = guess_axes(data.shape)
    return Picture(data, guess.axes, named=False, notes=tuple(filter(None, [guess.note()])))


def file_stamp(path: Path, choice: Choice) -> str:
    """Tells whether a file, and what was chosen of it, are still the same."""
    try:
        status = path.stat()
    except OSError as error:
        raise cannot_read(path, "an image", error) from error
    size = status.st_size if path.is_file() else 0
    return f"{path.resolve()} {size} {status.st_mtime_ns} {choice}"


def chosen(picture: Picture, choice: Choice) -> Picture:
    """Apply a choice of axes, planes and channels to an image.

    Raises
    ------
    UserError
        If the image has no such axes, planes or channels.
    """
    if choice.axes is not None:
        axes = infer_axes(picture.data.shape, choice.axes)
        notes = picture.notes if picture.named else _without_guess(picture)
        picture = replace(picture, axes=axes, named=True, notes=notes)
    picture = replace(picture, choice=choice)
    if choice.channels is not None:
        picture = _select_channels(picture, choice.channels)
    if choice.planes is not None:
        picture = _select_planes(picture, choice.planes)
    return picture


def _without_guess(picture: Picture) -> tuple[str, ...]:
    """The notes but for that on guessed axes, which are named now."""
    guessed = guess_axes(picture.data.shape).note()
    return tuple(note for note in picture.notes if note != guessed)


def _select_planes(picture: Picture, choice: str) -> Picture:
    """Keep a plane ("3") or a range of planes ("0:10") of the first axis."""
    if picture.axes[0] in "YXCS":
        raise UserError("The image has no planes to choose from.")
    count = int(picture.data.shape[0])
    try:
        parts = choice.split(":")
        numbers = [int(part) if part or len(parts) == 1 else None for part in parts]
        index = numbers[0] if len(numbers) == 1 else slice(*numbers)
        data = _lazy(picture.data)[index]
    except (ValueError, TypeError, IndexError) as error:
        raise UserError(
            f"There are no planes {choice!r}; the image has 0 to {count - 1}."
        ) from error
    check_array(data)
    kept = len(data) if isinstance(index, slice) else 1
    axes = picture.axes if isinstance(index, slice) else picture.axes[1:]
    notes = (*picture.notes, f"Only planes {choice} of {count}: {kept} (--planes).")
    places = np.arange(count)[index].ravel().tolist()
    native = _part_of_native(picture, picture.axes[0], places, picture.native)
    origin = _moved(picture, picture.axes[0], places[0])
    return replace(picture, data=data, axes=axes, native=native, notes=notes, origin=origin)


def _moved(picture: Picture, letter: str, first: int) -> dict[str, float]:
    """Where the first pixel is when those before the `first` along an axis are left out."""
    if not picture.origin or letter not in picture.scale:
        return picture.origin
    at = picture.origin.get(letter, 0.0) + first * picture.scale[letter]
    return {**picture.origin, letter: at}


def _select_channels(picture: Picture, choice: str) -> Picture:
    """Keep channels, by their numbers or names; the axis stays, also for a single one."""
    if "C" not in picture.axes:
        raise UserError("The image has no axis C to choose channels from; name the axes (--axes).")
    axis = picture.axes.index("C")
    count = int(picture.data.shape[axis])
    names = [channel.name for channel in picture.channels]
    numbers = []
    for part in (part.strip() for part in choice.split(",")):
        number = names.index(part) if part in names else int(part) if part.isdecimal() else -1
        if not 0 <= number < count or number in numbers:
            known = f" or {', '.join(filter(None, names))}" if any(names) else ""
            raise UserError(
                f"Channels {choice!r} are not understood: use 0 to {count - 1}{known}, each once."
            )
        numbers.append(number)
    data = _take(picture.data, numbers, axis)
    left_out = [_label(n, names) for n in range(count) if n not in numbers]
    note = f"Channels {', '.join(left_out)} are left out (--channels)."
    return replace(
        picture,
        data=data,
        channels=tuple(picture.channels[n] for n in numbers) if picture.channels else (),
        native=_part_of_native(picture, "C", numbers, None),
        notes=(*picture.notes, note) if left_out else picture.notes,
    )


def _part_of_native(picture: Picture, letter: str, places: Sequence[int], default: Any) -> Any:
    """What the format says of some places along an axis, where it can tell: a method `part`."""
    part = getattr(picture.native, "part", None)
    return part(letter, tuple(places)) if part is not None else default


def _take(data: Any, numbers: list[int], axis: int) -> Any:
    """Some places along an axis; lazy where the data is."""
    import dask.array as da

    data = _lazy(data)
    in_memory = isinstance(data, np.ndarray)
    return np.take(data, numbers, axis) if in_memory else da.take(data, numbers, axis)


def _lazy(data: Any) -> Any:
    """The data, or a dask array of a file's, of which slices are not read before they are used."""
    import dask.array as da

    return data if isinstance(data, np.ndarray) else da.asanyarray(data)


def _label(number: int, names: list[str]) -> str:
    name = names[number] if number < len(names) else ""
    return f"{number} ({name})" if name else str(number)
