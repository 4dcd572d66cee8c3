"""Image files in and out: the table of the formats, and which format a name stands for."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..axes import check_array
from ..core.atomic_files import check_name
from ..core.errors import UserError, cannot_read
from .description import ImageDescription, describe
from .file_format import FileFormat
from .find import find
from .microscopes.bioio_formats import BIOIO_FORMATS
from .microscopes.lsm import Lsm
from .npy import Npy
from .ome_zarr.ome_zarr import OmeZarr, ZippedZarr
from .photographs.pictures import Jpeg, Png
from .picture import Choice, Picture, chosen
from .tiff.tiff import Stk, Tiff

# A new file format is a subclass of `FileFormat` in a file of its own, and an entry here.
FORMATS: tuple[FileFormat, ...] = (
    *(Tiff(), Png(), Jpeg(), Npy(), OmeZarr(), ZippedZarr(), Lsm(), Stk()),
    *BIOIO_FORMATS,
)
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
    try:
        is_folder = path.is_dir()
    except OSError:  # what may not be looked at; reading or writing it says so
        return False
    return is_folder and not (file_format is not None and file_format.is_folder)


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
    check_name(path)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _not_there(path, error) from error
    file_format = format_of(path)
    if file_format is None:
        if path.suffix.lower() == ".npz":
            raise UserError(
                f"Cannot read {path}: it is an archive; save one of its arrays as .npy."
            )
        raise UserError(f"Cannot read {path}: use one of {', '.join(READABLE)}.")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading from a pipe may take for ever
        raise UserError(f"Cannot read {path}: it is a device or a pipe, not a file.")
    return file_format


def _not_there(path: Path, error: OSError) -> UserError:
    """Say what is missing: the file, or what a link points to."""
    if path.is_symlink() and isinstance(error, FileNotFoundError):
        return UserError(f"{path} is a link to {path.readlink()}, which is not there.")
    return cannot_read(path, "an image", error)


def _reading(file_format: FileFormat, path: Path, read: Callable[[], T]) -> T:
    """Read, with one sentence for whatever a reader raises on foreign bytes."""
    try:
        return read()
    except UserError as error:
        raise UserError(f"Cannot use {path}: {error}") from error
    except Exception as error:
        recognised = file_format.is_recognised(path)
        what = f"{file_format.name} image"
        raise cannot_read(path, what, error, recognised=recognised) from error


def check_format(
    path: str | PathLike[str], dtype: np.dtype[Any], axes: str, shape: Sequence[int] = ()
) -> FileFormat:
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
    check_name(Path(path))
    file_format = format_of(path)
    if file_format is None:
        raise UserError(
            f"Cannot write {path}: use a name that ends in one of {', '.join(WRITABLE)}."
        )
    objection = file_format.objection(dtype, axes, shape)
    if objection:
        raise UserError(f"Cannot write {path}: {objection}")
    return file_format


def output_name(path: Path, ending: str = "") -> str:
    """Name of the denoised image of a file, in a folder for many; its `ending` may be given."""
    file_format = format_of(path)
    name = path.name if file_format is None else file_format.output_name(path)
    if not ending:
        return name
    stem = Path(name).stem
    return f"{stem[:-4] if stem.lower().endswith('.ome') else stem}{ending}"


def write_picture(path: str | PathLike[str], picture: Picture) -> None:
    """Write an image file; it is complete or not there at all.

    Raises
    ------
    UserError
        If the format cannot hold the image, or the file cannot be written.
    """
    file_format = check_format(path, picture.data.dtype, picture.axes, picture.data.shape)
    file_format.save(Path(path), picture)


def find_files(inputs: Sequence[str], tell: Callable[[str], object] = lambda _: None) -> list[Path]:
    """Files that the inputs name: files themselves, the images in folders, globs.

    Parameters
    ----------
    inputs : sequence of str
        As the shell gives them, or as it leaves them: "~" and globs are understood.
    tell : callable
        Gets a sentence on images that are left out.

    Raises
    ------
    UserError
        If an input names nothing.
    """
    return find(inputs, format_of, tell)
