"""Image files in and out: the table of the formats, and which format a name stands for."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..axes import check_array
from ..core.errors import UserError, cannot_read
from .description import ImageDescription, describe
from .file_format import FileFormat
from .npy import Npy
from .ome_zarr import OmeZarr, ZippedZarr
from .picture import Choice, Picture, chosen
from .pictures import Jpeg, Png
from .tiff import Tiff

# A new file format is a subclass of `FileFormat` in a file of its own, and an entry here.
FORMATS: tuple[FileFormat, ...] = (Tiff(), Png(), Jpeg(), Npy(), OmeZarr(), ZippedZarr())
BY_SUFFIX = {suffix: file_format for file_format in FORMATS for suffix in file_format.suffixes}
READABLE = tuple(BY_SUFFIX)
WRITABLE = tuple(suffix for suffix, file_format in BY_SUFFIX.items() if file_format.can_write)
# Bytes; larger TIFFs are read window by window. A sixteenth of the memory of a machine of 4 GB.
IN_MEMORY = 2**28
T = TypeVar("T")


def format_of(path: str | PathLike[str]) -> FileFormat | None:
    """The format that a name stands for, if there is one.

    Where the ending says nothing, folders and ZIP files are known by what they hold.
    """
    path = Path(path)
    known = BY_SUFFIX.get(path.suffix.lower())
    return known or next((one for one in FORMATS if one.claims(path)), None)


def is_folder_of_images(path: Path) -> bool:
    """Whether a path is a folder of image files, and not an image that is a folder itself."""
    file_format = format_of(path)
    return path.is_dir() and not (file_format is not None and file_format.is_folder)


def read_picture(
    path: str | PathLike[str],
    axes: str | None = None,
    *,
    series: int | None = None,
    planes: str | None = None,
    channels: str | None = None,
    in_memory: int = IN_MEMORY,
) -> Picture:
    """Read an image file.

    Parameters
    ----------
    path : path
        TIFF, OME-TIFF, PNG, JPEG, NPY, Zarr or OME-Zarr.
    axes : str, optional
        One letter for each dimension, in place of what the file says.
    series : int, optional
        Number of the image in a file of several, from 1; else the one with the most pixels.
    planes : str, optional
        A plane ("3") or a range of planes ("0:10") of the first axis.
    channels : str, optional
        Numbers from 0 or names of channels, separated by commas.
    in_memory : int
        Bytes; TIFFs that need more are read window by window.

    Raises
    ------
    UserError
        If the file is missing or cannot be read as an image, or has no such part.
    """
    return read_chosen(Path(path), Choice(axes, series, planes, channels), in_memory)


def read_chosen(path: Path, choice: Choice, in_memory: int = IN_MEMORY) -> Picture:
    """Read what was chosen of an image file, see `read_picture`."""
    file_format = _known_format(path)
    picture = _reading(file_format, path, lambda: file_format.read(path, choice.series, in_memory))
    check_array(picture.data)
    return replace(chosen(picture, choice), path=path)


def images_in(path: str | PathLike[str]) -> list[ImageDescription]:
    """Describe all images of a file; no pixels are read where the format can do without.

    Raises
    ------
    UserError
        If the file is missing or cannot be read.
    """
    path = Path(path)
    file_format = _known_format(path)
    pictures = _reading(file_format, path, lambda: file_format.images(path))
    return [describe(replace(picture, path=path)) for picture in pictures]


def _known_format(path: Path) -> FileFormat:
    file_format = format_of(path)
    if file_format is None:
        if not path.exists():
            raise UserError(f"There is no file {path}.")
        raise UserError(f"Cannot read {path}: use one of {', '.join(READABLE)}.")
    return file_format


def _reading(file_format: FileFormat, path: Path, read: Callable[[], T]) -> T:
    """Read, with one sentence for whatever a reader raises on foreign bytes."""
    try:
        path.stat()  # so that what is missing is told as such, whatever the reader raises
        return read()
    except UserError as error:
        raise UserError(f"Cannot use {path}: {error}") from error
    except Exception as error:
        recognised = file_format.is_recognised(path)
        what = f"{file_format.name} image"
        raise cannot_read(path, what, error, recognised=recognised) from error


def check_format(path: str | PathLike[str], dtype: np.dtype[Any], axes: str) -> FileFormat:
    """Make sure, before hours of work, that a file of this name can hold the image.

    Returns
    -------
    FileFormat
        The one that the name stands for.

    Raises
    ------
    UserError
        If the name is of no known format, or the format cannot hold the image.
    """
    file_format = format_of(path)
    if file_format is None or not file_format.can_write:
        raise UserError(
            f"Cannot write {path}: use a name that ends in one of {', '.join(WRITABLE)}."
        )
    objection = file_format.objection(dtype, axes)
    if objection:
        raise UserError(f"Cannot write {path}: {objection}")
    return file_format


def output_name(path: Path) -> str:
    """Name of the denoised image of a file, in a folder for many."""
    file_format = format_of(path)
    return path.name if file_format is None else file_format.output_name(path)


def write_picture(path: str | PathLike[str], picture: Picture) -> None:
    """Write an image file; it is complete or not there at all.

    Raises
    ------
    UserError
        If the format cannot hold the image, or the file cannot be written.
    """
    check_format(path, picture.data.dtype, picture.axes).save(Path(path), picture)


def find_files(inputs: list[str]) -> list[Path]:
    """Files that the inputs name: files themselves, the images in folders, globs.

    Raises
    ------
    UserError
        If an input names nothing.
    """
    found: list[Path] = []
    for name in inputs:
        path = Path(name)
        if is_folder_of_images(path):
            try:
                files = [p for p in sorted(path.iterdir()) if format_of(p) is not None]
            except OSError as error:
                raise cannot_read(path, "a folder with images", error) from error
        elif path.exists() or not glob.has_magic(name):
            files = [path]
        else:
            files = [Path(p) for p in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
        if not files:
            raise UserError(f"There are no images in {name}.")
        found += files
    return list(dict.fromkeys(found))  # each file once, in the order in which it was named
