"""TIFF, ImageJ TIFF and OME-TIFF: pixels, axes, pixel sizes, record."""

from __future__ import annotations

import json
import warnings
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import infer_axes
from ..layers import KEY
from .file_format import FileFormat
from .picture import Picture
from .units import symbol


class Tiff(FileFormat):
    """TIFF and BigTIFF, with what ImageJ and OME add to them."""

    suffixes = (".tif", ".tiff")
    name = "a TIFF"
    # Of TIFF 6.0 and of BigTIFF, in either byte order.
    first_bytes = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Read the first series; window by window if it is large."""
        return _read_tiff(path, in_memory)

    def write(self, path: Path, picture: Picture) -> None:
        """Write an image, compressed, in the flavour of the picture where that can hold it."""
        _write_tiff(path, picture)


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
        known = known and "Y" in named
        axes = infer_axes(data.shape, named if known else None)
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


def _imagej_scale(tiff: Any) -> tuple[dict[str, float], dict[str, str]]:
    metadata = tiff.imagej_metadata or {}
    scale = _resolution(tiff)
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ")
    units = dict.fromkeys("XYZ", unit) if unit else {}
    if "spacing" in metadata:
        scale["Z"] = float(metadata["spacing"])
    if "finterval" in metadata:
        scale["T"] = float(metadata["finterval"])
        units["T"] = "s"
    return scale, units


def _ome_scale(tiff: Any) -> tuple[dict[str, float], dict[str, str]]:
    pixels = _ome_image(tiff)["Pixels"]
    names = {"X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement"}
    scale = {axis: float(pixels[name]) for axis, name in names.items() if name in pixels}
    default = {"T": "s"}  # of the schema; lengths are in µm
    units = {a: str(pixels.get(f"{names[a]}Unit", default.get(a, "µm"))) for a in scale}
    return scale, units


def _ome_image(tiff: Any) -> dict[str, Any]:
    import tifffile

    images = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
    first: dict[str, Any] = images[0] if isinstance(images, list) else images
    return first


def _tag_scale(tiff: Any) -> tuple[dict[str, float], dict[str, str]]:
    unit = tiff.pages.first.tags.get("ResolutionUnit")
    name = {2: "inch", 3: "cm"}.get(int(unit.value) if unit else 1, "")
    return _resolution(tiff), dict.fromkeys("XY", name) if name else {}


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
    unit = symbol(picture.units.get("X", ""))
    metadata: dict[str, Any] = {"axes": axes}
    photometric = "rgb" if "S" in axes else "minisblack"
    options: dict[str, Any] = {"compression": "zlib", "photometric": photometric}
    if "X" in scale and "Y" in scale and picture.flavour != "ome":
        options["resolution"] = (1 / scale["X"], 1 / scale["Y"])
        options["resolutionunit"] = {"in": 2, "cm": 3}.get(unit, 1)
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
                metadata[f"PhysicalSize{axis}Unit"] = symbol(picture.units.get(axis, "µm"))
        if "T" in scale:
            metadata["TimeIncrement"] = scale["T"]
            metadata["TimeIncrementUnit"] = symbol(picture.units.get("T", "s"))
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
