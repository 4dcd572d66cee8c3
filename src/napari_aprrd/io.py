"""Image files in and out, with their axes and pixel size."""

from __future__ import annotations

import glob
import json
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from . import ome_zarr
from .axes import check_array, infer_axes
from .core.errors import UserError, cannot_read
from .core.files import cannot_write, write_atomically
from .ome_zarr import KEY

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
_SHORT = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}  # names of units in TIFFs


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
    def stamp(self) -> str:
        """Tells whether the file is still the same.

        Raises
        ------
        UserError
            If it is there no more.
        """
        return file_stamp(self.path, self.planes) if self.path is not None else ""


def file_stamp(path: Path, planes: str) -> str:
    """Tells whether a file, and the choice of its planes, are still the same."""
    try:
        status = path.stat()
    except OSError as error:
        raise cannot_read(path, "an image", error) from error
    size = status.st_size if path.is_file() else 0
    return f"{path.resolve()} {size} {status.st_mtime_ns} {planes}"


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


def _read_tiff(path: Path, in_memory: int) -> Picture:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        if series.nbytes > in_memory:
            import zarr

            store = tifffile.imread(path, aszarr=True, level=0)
            data = zarr.open_array(store, mode="r")
            weakref.finalize(data, store.close)
        else:
            data = series.asarray()
        # tifffile writes Q for "another axis".
        named = series.axes.replace("Q", "I")
        known = len(named) == data.ndim and len(set(named)) == data.ndim
        axes = infer_axes(data.shape, named if known and "Y" in named else None)
        record = _tiff_record(tiff)
        if tiff.is_imagej:
            return Picture(data, axes, *_imagej_scale(tiff), "imagej", record=record)
        if tiff.is_ome:
            return Picture(data, axes, *_ome_scale(tiff), "ome", record=record)
        return Picture(data, axes, *_tag_scale(tiff), record=record)


def _tiff_record(tiff: Any) -> dict[str, Any]:
    """How the image was made, from where each kind of TIFF keeps free text."""
    if tiff.is_imagej:
        text = (tiff.imagej_metadata or {}).get("Info")
    elif tiff.is_ome:
        text = _ome_image(tiff).get("Description")
    else:
        text = tiff.shaped_metadata[0].get("Description") if tiff.shaped_metadata else None
    try:
        record = json.loads(text or "null")[KEY]
    except (TypeError, ValueError, KeyError, RecursionError):  # somebody else's text
        return {}
    return record if isinstance(record, dict) else {}


def _imagej_scale(tiff: Any) -> tuple[dict[str, float], str]:
    metadata = tiff.imagej_metadata or {}
    scale = _resolution(tiff)
    if "spacing" in metadata:
        scale["Z"] = float(metadata["spacing"])
    if "finterval" in metadata:
        scale["T"] = float(metadata["finterval"])
    return scale, str(metadata.get("unit", "")).replace("\\u00B5", "µ")


def _ome_scale(tiff: Any) -> tuple[dict[str, float], str]:
    pixels = _ome_image(tiff)["Pixels"]
    names = {"X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement"}
    scale = {axis: float(pixels[name]) for axis, name in names.items() if name in pixels}
    return scale, str(pixels.get("PhysicalSizeXUnit", "µm")) if "X" in scale else ""


def _ome_image(tiff: Any) -> dict[str, Any]:
    import tifffile

    images = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
    first: dict[str, Any] = images[0] if isinstance(images, list) else images
    return first


def _tag_scale(tiff: Any) -> tuple[dict[str, float], str]:
    unit = tiff.pages.first.tags.get("ResolutionUnit")
    return _resolution(tiff), {2: "inch", 3: "cm"}.get(int(unit.value) if unit else 1, "")


def _resolution(tiff: Any) -> dict[str, float]:
    """Pixel size from the resolution tags; none where they say 1 pixel per nothing."""
    scale = {}
    for axis, name in (("X", "XResolution"), ("Y", "YResolution")):
        tag = tiff.pages.first.tags.get(name)
        if tag and 0 not in tag.value and tag.value[0] != tag.value[1]:
            scale[axis] = tag.value[1] / tag.value[0]
    return scale


def _write_tiff(path: Path, picture: Picture) -> None:
    import tifffile

    axes, scale, data = picture.axes, picture.scale, picture.data
    unit = _SHORT.get(picture.unit, picture.unit)
    metadata: dict[str, Any] = {"axes": axes}
    photometric = "rgb" if "S" in axes else "minisblack"
    options: dict[str, Any] = {"compression": "zlib", "photometric": photometric}
    if "X" in scale and "Y" in scale and picture.flavour != "ome":
        options["resolution"] = (1 / scale["X"], 1 / scale["Y"])
        options["resolutionunit"] = {"inch": 2, "cm": 3}.get(unit, 1)
    standard = set(axes) <= set("TZCYXS")
    for_imagej = ("u1",) if "S" in axes else ("u1", "u2", "f4")
    if picture.flavour == "imagej" and standard and data.dtype in for_imagej:
        options |= {"imagej": True, "compression": None}
        names = {"Z": "spacing", "T": "finterval"}
        metadata |= {names[a]: step for a, step in scale.items() if a in names}
        metadata |= {"unit": unit.replace("µ", "\\u00B5")} if unit else {}
    elif picture.flavour == "ome" and standard:
        options["ome"] = True
        for axis in "XYZ":
            if axis in scale:
                metadata[f"PhysicalSize{axis}"] = scale[axis]
                metadata[f"PhysicalSize{axis}Unit"] = unit or "µm"
        metadata |= {"TimeIncrement": scale["T"]} if "T" in scale else {}
    if picture.record:
        place = "Info" if options.get("imagej") else "Description"
        metadata[place] = json.dumps({KEY: picture.record})
        options["software"] = KEY
    if options.get("imagej"):
        ordered = "".join(a for a in "TZCYXS" if a in axes)  # the only order that ImageJ knows
        if ordered != axes:
            data = np.asarray(data).transpose([axes.index(a) for a in ordered])
            metadata["axes"] = ordered
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on names of axes that are unusual
        if not metadata["axes"].endswith(("YX", "YXS")):
            data = np.asarray(data)
        if isinstance(data, np.ndarray):
            tifffile.imwrite(path, data, metadata=metadata, **options)
            return
        plane = 3 if "S" in axes else 2  # dimensions of a page
        pages = (np.asarray(data[index]) for index in np.ndindex(*data.shape[:-plane]))
        shape = {"shape": data.shape, "dtype": data.dtype}
        tifffile.imwrite(path, pages, metadata=metadata, **shape, **options)


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
