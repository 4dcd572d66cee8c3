"""Zeiss LSM: a TIFF with the microscope's own metadata, read by tifffile."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ...axes import infer_axes
from ..file_format import check_series
from ..library_logs import quiet
from ..picture import Channel, Picture
from ..read_only import ReadOnlyFormat

_SMALLEST = 1e-12  # metres; the files have 1e-19 for "no step"


class Lsm(ReadOnlyFormat):
    """Confocal microscopes of Zeiss, before CZI."""

    suffixes: ClassVar[tuple[str, ...]] = (".lsm",)
    name = "an LSM"
    first_bytes = (b"II*\0", b"II+\0")

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Read the image, not its thumbnails; plane by plane if it is large."""
        import tifffile

        check_series(series, 1)
        with quiet("tifffile"), tifffile.TiffFile(path) as tiff:
            image = next(part for part in tiff.series if not part.keyframe.is_reduced)
            if image.nbytes > in_memory:
                import zarr

                index = tiff.series.index(image)
                store = tifffile.imread(path, aszarr=True, series=index, level=0)
                data = zarr.open_array(store, mode="r")
                weakref.finalize(data, store.close)
            else:
                data = image.asarray()
            named = len(set(image.axes)) == data.ndim
            axes = image.axes if named else infer_axes(data.shape)
            return with_lsm(Picture(data, axes, flavour="ome", named=named), tiff)


def with_lsm(picture: Picture, tiff: Any) -> Picture:
    """Add the sizes and channels that an open LSM has in a tag of its own."""
    facts = tiff.lsm_metadata or {}
    scale, units = _steps(facts, picture.axes)
    return replace(picture, scale=scale, units=units, channels=_channels(facts))


def _steps(facts: dict[str, Any], axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Steps in micrometres and seconds; the files have metres."""
    metres = {axis: float(facts.get(f"VoxelSize{axis}", 0)) for axis in "XYZ"}
    scale = {a: step * 1e6 for a, step in metres.items() if a in axes and step > _SMALLEST}
    seconds = float(facts.get("TimeIntervall", 0))  # tifffile's spelling
    if "T" in axes and seconds > 0:
        scale["T"] = seconds
    return scale, {a: "s" if a == "T" else "µm" for a in scale}


def _channels(facts: dict[str, Any]) -> tuple[Channel, ...]:
    told = facts.get("ChannelColors", {})
    names, colours = told.get("ColorNames", []), told.get("Colors", [])
    if len(names) != int(facts.get("DimensionChannels", 0)) or len(colours) != len(names):
        return ()
    digits = ("".join(f"{part:02X}" for part in colour[:3]) for colour in colours)
    return tuple(Channel(name, colour) for name, colour in zip(names, digits, strict=True))
