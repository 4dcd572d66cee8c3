"""What every image file format can do; each format is a subclass in a file of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..core.atomic_files import check_writable, write_atomically
from ..core.errors import UserError
from .picture import Picture

_LONGEST_BEGINNING = 16  # bytes; longer than the first bytes that any format is known by


class FileFormat(ABC):
    """One image file format: how it is named, recognised, read and written.

    The methods with a body suit formats that are single files. A format that is a folder, as
    OME-Zarr is, overrides those in which that matters.
    """

    suffixes: ClassVar[tuple[str, ...]]
    """Endings of the names, lower case with the dot."""
    name: ClassVar[str]
    """With its article, for sentences: "a TIFF"."""
    first_bytes: ClassVar[tuple[bytes, ...]] = ()
    """Every file of the format begins with one of them."""
    is_folder: ClassVar[bool] = False
    can_write: ClassVar[bool] = True

    def claims(self, path: Path) -> bool:
        """Whether a path whose ending says nothing is of this format; looks at a file or two."""
        return False

    @abstractmethod
    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Read an image; may raise anything where the bytes are not of this format.

        Parameters
        ----------
        path : Path
        series : int or None
            Number of the image, from 1; None is the one with the most pixels. What a file has
            besides is named in the notes of the picture.
        in_memory : int
            Bytes; larger images should be read window by window, where the format can do so.

        Raises
        ------
        UserError
            If there is no such image, see `check_series`.
        """

    def images(self, path: Path) -> list[Picture]:
        """All images of a file, to be described; pixels are read as late as possible."""
        first = self.read(path, 1, 0)
        others = (self.read(path, number, 0) for number in range(2, first.series_count + 1))
        return [first, *others]

    @abstractmethod
    def write(self, path: Path, picture: Picture) -> None:
        """Write an image to a new file, see `save`."""

    def save(self, path: Path, picture: Picture) -> None:
        """Write an image; it is complete or not there at all.

        Raises
        ------
        UserError
            If the file cannot be written.
        """
        write_atomically(path, lambda temporary: self.write(temporary, picture))

    def save_grown(self, grown: Path, picture: Picture, path: Path) -> None:
        """Write an image that was denoised tile by tile.

        Parameters
        ----------
        grown : Path
            Zarr folder in which the tiles are, in its array "0"; may be moved.
        picture : Picture
            The image; its data is that array.
        path : Path
        """
        self.save(path, picture)

    def objection(self, dtype: np.dtype[Any], axes: str, shape: Sequence[int] = ()) -> str:
        """Why this format cannot hold such an image; empty where it can.

        Without a shape, the answer is for axes of any length.
        """
        return ""

    def output_name(self, path: Path) -> str:
        """Name of the denoised image of a file, in a folder for many."""
        return path.name

    def missing(self) -> str:
        """What to install before this format can be read; empty where it can be."""
        return ""

    def companions(self, path: Path) -> set[Path]:
        """All files that hold one image together with this one, itself included; often none.

        Of the files that a command is given, only the first of such a set is read.
        """
        return set()

    def is_recognised(self, path: Path) -> bool:
        """Whether a file begins as files of this format do."""
        try:
            with path.open("rb") as file:
                return file.read(_LONGEST_BEGINNING).startswith(self.first_bytes)
        except OSError:
            return False

    def check_target(self, path: Path) -> None:
        """Make sure that an output of this name can be written.

        Raises
        ------
        UserError
        """
        check_writable(path)


def check_series(series: int | None, count: int) -> None:
    """Make sure that a file of `count` images has the one that was asked for.

    Raises
    ------
    UserError
    """
    if series is not None and not 1 <= series <= count:
        many = f"images 1 to {count}" if count > 1 else "one image"
        raise UserError(f"There is no image {series}; the file has {many} (--series).")
