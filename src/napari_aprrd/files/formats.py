"""Image files in and out: which format a name stands for."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import check_array, infer_axes
from ..core.atomic_files import cannot_write, write_atomically
from ..core.errors import UserError, cannot_read
from . import ome_zarr
from .picture import Picture
from .tiff import _read_tiff, _write_tiff

TIFF = (".tif", ".tiff")
PICTURE = (".png", ".jpg", ".jpeg")
READABLE = (*TIFF, *PICTURE, ".npy", ".zarr")
_KINDS = {
    **dict.fromkeys(TIFF, "a TIFF"),
    **{".png": "a PNG", ".jpg": "a JPEG", ".jpeg": "a JPEG", ".npy": "an NPY", ".zarr": "a Zarr"},
}
_BEGINNINGS: dict[str, bytes | tuple[bytes, ...]] = {  # as their specifications say
    **dict.fromkeys(TIFF, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    **dict.fromkeys((".jpg", ".jpeg"), b"\xff\xd8\xff"),
    **{".png": b"\x89PNG\r\n\x1a\n", ".npy": b"\x93NUMPY"},
}
IN_MEMORY = 2**28  # bytes; larger TIFFs are read window by window


def read_picture(
    path: str | PathLike[str], axes: str | None = None, *, in_memory: int = IN_MEMORY
) -> Picture:
    """Read an image file.

    Parameters
    ----------
    path : path
        TIFF, OME-TIFF, PNG, JPEG, NPY, Zarr or OME-Zarr.
    axes : str, optional
        Overrides the axes that the file names.
    in_memory : int
        Bytes; TIFFs that need more are read window by window.

    Raises
    ------
    UserError
        If the file is missing or cannot be read as an image.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    readers: dict[str, Callable[[Path], Picture]] = {
        **dict.fromkeys(TIFF, lambda p: _read_tiff(p, in_memory)),
        **dict.fromkeys(PICTURE, _read_png_or_jpeg),
        ".npy": _read_npy,
        ".zarr": _read_zarr,
    }
    if suffix not in readers:
        if not path.exists():
            raise UserError(f"There is no file {path}.")
        raise UserError(f"Cannot read {path}: use one of {', '.join(READABLE)}.")
    try:
        path.stat()  # so that what is missing is told as such, whatever the reader raises
        picture = readers[suffix](path)
    except UserError as error:
        raise UserError(f"Cannot use {path}: {error}") from error
    except Exception as error:  # readers raise what they like on foreign bytes
        kind = f"{_KINDS[suffix]} image"
        raise cannot_read(path, kind, error, recognised=_is_recognised(path)) from error
    check_array(picture.data)
    axes = picture.axes if axes is None else infer_axes(picture.data.shape, axes)
    return replace(picture, axes=axes, path=path)


def _is_recognised(path: Path) -> bool:
    """Whether a file begins as files of its name do."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".zarr":
            return ome_zarr.is_zarr(path)
        with path.open("rb") as file:
            return file.read(8).startswith(_BEGINNINGS[suffix])
    except OSError:
        return False


def check_format(path: str | PathLike[str], dtype: np.dtype[Any], axes: str) -> None:
    """Make sure, before hours of work, that a file of this name can hold the image.

    Raises
    ------
    UserError
        If the name is of no known format, or the format cannot hold the image.
    """
    suffix = Path(path).suffix.lower()
    if suffix in PICTURE:
        sixteen = suffix == ".png" and axes == "YX" and dtype == np.uint16
        if not sixteen and (dtype != np.uint8 or axes not in ("YX", "YXS")):
            raise UserError(
                f"Cannot write {path}: this format holds single 8-bit pictures; use .tif instead."
            )
    elif suffix not in READABLE:
        raise UserError(
            f"Cannot write {path}: use a name that ends in one of {', '.join(READABLE)}."
        )


def write_picture(path: str | PathLike[str], picture: Picture) -> None:
    """Write an image file; it is complete or not there at all.

    Raises
    ------
    UserError
        If the format cannot hold the image, or the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    check_format(path, picture.data.dtype, picture.axes)
    if suffix in TIFF:
        write_atomically(path, lambda temporary: _write_tiff(temporary, picture))
    elif suffix == ".npy":
        write_atomically(path, lambda temporary: _write_npy(temporary, picture.data))
    elif suffix == ".zarr":
        try:
            about = (picture.scale, picture.unit, picture.record)
            ome_zarr.write(Path(path), picture.data, picture.axes, *about)
        except OSError as error:
            raise cannot_write(Path(path), error) from error
    else:
        import imageio.v3 as iio

        write_atomically(path, lambda temporary: iio.imwrite(temporary, np.asarray(picture.data)))


def _write_npy(path: Path, data: Any) -> None:
    out = np.lib.format.open_memmap(path, mode="w+", dtype=data.dtype, shape=data.shape)
    step = getattr(data, "chunks", out.shape)[0]
    for start in range(0, len(out), step):  # never the whole stack in memory
        out[start : start + step] = data[start : start + step]
    out.flush()


def _named(data: Any) -> Picture:
    check_array(data)
    return Picture(data, infer_axes(data.shape))


def _read_npy(path: Path) -> Picture:
    try:
        return _named(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError as error:
        if "Object arrays" in str(error):  # opening them would run code
            raise UserError("it holds Python objects, not numbers.") from error
        raise


def _read_png_or_jpeg(path: Path) -> Picture:
    import imageio.v3 as iio

    with path.open("rb") as file:
        return _named(iio.imread(file, plugin="pillow"))


def _read_zarr(path: Path) -> Picture:
    data, axes, scale, unit, record = ome_zarr.read(path)
    return Picture(data, axes, scale, unit, record=record)


def find_files(inputs: list[str]) -> list[Path]:
    """Files that the inputs name: files themselves, the images in folders, globs.

    Raises
    ------
    UserError
        If an input names nothing.
    """
    found: dict[Path, None] = {}  # a set that keeps the order
    for name in inputs:
        path = Path(name)
        if path.is_dir() and path.suffix != ".zarr":
            try:
                files = [p for p in sorted(path.iterdir()) if p.suffix.lower() in READABLE]
            except OSError as error:
                raise cannot_read(path, "a folder with images", error) from error
        elif path.exists() or not glob.has_magic(name):
            files = [path]
        else:
            files = [Path(p) for p in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
        if not files:
            raise UserError(f"There are no images in {name}.")
        found.update(dict.fromkeys(files))
    return list(found)
