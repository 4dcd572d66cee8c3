"""An image with what its file says about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..axes import ArrayPlanes, check_array, infer_axes
from ..core.errors import UserError, cannot_read


@dataclass(frozen=True)
class Picture:
    """An image with what its file says about it.

    Parameters
    ----------
    data : array
        Any shape; may be lazy.
    axes : str
        One letter for each dimension.
    scale : dict of str to float
        Size of a step along an axis; no entry where it is not known.
    unit : str
        Of the scale along X, Y and Z; empty where it is not known.
    flavour : {"", "imagej", "ome"}
        Kind of TIFF, kept on writing.
    path : Path, optional
        Of the file.
    planes : str
        Choice of planes, see `select_planes`; empty for all.
    record : dict
        How it was made; empty where nobody says. TIFF and OME-Zarr keep it.
    """

    data: Any
    axes: str
    scale: dict[str, float] = field(default_factory=dict)
    unit: str = ""
    flavour: str = ""
    path: Path | None = None
    planes: str = ""
    record: dict[str, Any] = field(default_factory=dict)

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
        return file_stamp(self.path, self.planes) if self.path is not None else ""


def without_names(data: Any) -> Picture:
    """An image from a file that says nothing about its axes.

    Raises
    ------
    UserError
        If it is not an image.
    """
    check_array(data)
    return Picture(data, infer_axes(data.shape))


def file_stamp(path: Path, planes: str) -> str:
    """Tells whether a file, and the choice of its planes, are still the same."""
    try:
        status = path.stat()
    except OSError as error:
        raise cannot_read(path, "an image", error) from error
    size = status.st_size if path.is_file() else 0
    return f"{path.resolve()} {size} {status.st_mtime_ns} {planes}"


def select_planes(picture: Picture, choice: str) -> Picture:
    """Keep a plane ("3") or a range of planes ("0:10") of the first axis."""
    if picture.axes[0] in "YXCS":
        raise UserError("The image has no planes to choose from.")
    try:
        parts = choice.split(":")
        numbers = [int(part) if part or len(parts) == 1 else None for part in parts]
        index = numbers[0] if len(numbers) == 1 else slice(*numbers)
        data = picture.data[index]
    except (ValueError, TypeError, IndexError) as error:
        count = picture.data.shape[0]
        raise UserError(
            f"There are no planes {choice!r}; the image has 0 to {count - 1}."
        ) from error
    check_array(data)
    axes = picture.axes if isinstance(index, slice) else picture.axes[1:]
    return replace(picture, data=data, axes=axes, planes=choice)
