"""TIFF, ImageJ TIFF and OME-TIFF: images with all that is said about them."""

from __future__ import annotations

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from ...core.errors import cause
from ..file_format import FileFormat, check_series
from ..microscopes.lsm import with_lsm
from ..picture import Picture
from ..read_only import ReadOnlyFormat
from .axes import name_axes
from .imagej import imagej_channels, imagej_record, imagej_scale, read_imagej, record_in
from .ome import OmeFacts, OmeMetadata, image_numbers, ome_facts, parse, rough_facts
from .ome_files import files_of_the_same_image
from .opening import OpenTiff, check_complete, open_tiff, recorded_part
from .tags import TiffTags, check_colours, coloured, read_tags, resolution, shaped_metadata
from .writing import TiffMetadata, write_tiff

_MOST_NAMED = 3  # images that are left out; of more only their number is told


class Tiff(FileFormat):
    """TIFF and BigTIFF, with what ImageJ and OME add to them."""

    suffixes: ClassVar[tuple[str, ...]] = (".tif", ".tiff", ".btf", ".tf2", ".tf8")
    name = "a TIFF"
    # Of TIFF 6.0 and of BigTIFF, in either byte order.
    first_bytes = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Read an image; window by window if it is large, and of a pyramid the largest level."""
        with open_tiff(path) as file:
            check_series(series, len(file.series))
            number = series or file.largest
            check_colours(file.series[number - 1].keyframe)
            picture = _picture(file, number, in_memory)
            left_out = "" if series else _left_out(file, number)
            return replace(picture, notes=tuple(filter(None, (left_out, *picture.notes))))

    def images(self, path: Path) -> list[Picture]:
        """All images of a file; no pixels are read."""
        with open_tiff(path) as file:
            return [_picture(file, number, 0) for number in range(1, len(file.series) + 1)]

    def companions(self, path: Path) -> set[Path]:
        """Files of one OME-TIFF, which may be spread over several."""
        return {path.with_name(name) for name in files_of_the_same_image(path)}

    def write(self, path: Path, picture: Picture) -> None:
        """Write an image in the flavour of its source, where that can hold it.

        A name that ends in ".ome.tif" asks for an OME-TIFF.
        """
        write_tiff(path, picture)


class Stk(ReadOnlyFormat, Tiff):
    """Stacks of MetaMorph, which are TIFFs in a way of their own."""

    suffixes = (".stk",)
    name = "an STK"


def _left_out(file: OpenTiff, number: int) -> str:
    """The sentence on the other images of a file."""
    others = [n for n in range(1, len(file.series) + 1) if n != number]
    if not others:
        return ""
    if len(others) > _MOST_NAMED:
        return f"{len(others)} other images of the file are left out (--series)."
    sizes = (" x ".join(map(str, file.series[n - 1].shape)) for n in others)
    named = " and ".join(f"{n} ({size})" for n, size in zip(others, sizes, strict=True))
    return f"Series {named} {'is' if len(others) == 1 else 'are'} left out (--series)."


def _picture(file: OpenTiff, number: int, in_memory: int) -> Picture:
    """One image of a file, numbered from 1."""
    recorded = recorded_part(file.tiff, file.series[number - 1])
    series, page = recorded.series, recorded.series.keyframe
    data = _pixels(series, in_memory)
    named = name_axes(series)
    tags = read_tags(page)
    scale, units = resolution(page)
    picture = Picture(
        data,
        named.axes,
        scale,
        units,
        record=record_in(shaped_metadata(page).get("Description")),
        named=named.known,
        native=TiffMetadata(tags),
        icc_profile=bytes(page.iccprofile or b""),
        series=number,
        series_count=len(file.series),
        name=str(series.name or ""),
        notes=(*file.notes, *recorded.notes, *named.notes),
    )
    if file.ome is not None:
        picture = _with_ome(picture, file, number, tags)
    elif series.kind == "imagej":
        picture = _with_imagej(picture, file.tiff.imagej_metadata or {}, recorded.whole, tags)
    elif series.kind == "lsm":
        picture = with_lsm(picture, file.tiff)
    elif series.kind == "stk":
        picture = _with_stk(picture, file.tiff.stk_metadata or {})
    return _with_palette(_with_part(picture, recorded.kept), page)


def _with_part(picture: Picture, kept: dict[str, tuple[int, ...]]) -> Picture:
    """Keep what is said of the places that were recorded."""
    for letter, places in kept.items():
        picture = replace(picture, native=picture.native.part(letter, places))
        if letter == "C" and picture.channels:
            channels = tuple(picture.channels[n] for n in places if n < len(picture.channels))
            picture = replace(picture, channels=channels)
    return picture


def _pixels(series: Any, in_memory: int) -> Any:
    """The pixels of an image; read when they are sliced, if there are many."""
    check_complete(series)
    if series.nbytes <= in_memory:
        data = series.asarray()
        if data.shape != tuple(series.shape):
            raise ValueError(f"{data.shape} pixels in place of {tuple(series.shape)}")
        return data
    import zarr

    store = series.aszarr(level=0)
    data = zarr.open_array(store, mode="r")
    weakref.finalize(data, store.close)
    return data


def _with_ome(picture: Picture, file: OpenTiff, number: int, tags: TiffTags) -> Picture:
    """Add what OME metadata says."""
    assert file.ome is not None
    metadata: OmeMetadata | None
    try:
        ome = parse(file.ome.xml, planes=False)
        own = [ome.images[n] for n in file.ome.images]
        numbers = image_numbers(own, file.series)
        metadata = OmeMetadata(file.ome.xml, file.ome.images[numbers[number - 1]], picture.axes)
        facts, notes = ome_facts(ome, metadata), picture.notes
    except Exception as error:  # ome-types raises what it likes
        facts, metadata, notes = _rough(picture, file, number, error)
    native = TiffMetadata(tags, ome=metadata)
    return replace(
        picture,
        scale=facts.scale,
        units=facts.units,
        flavour="ome",
        record=facts.record,
        channels=facts.channels,
        native=native,
        notes=notes,
    )


def _rough(
    picture: Picture, file: OpenTiff, number: int, error: Exception
) -> tuple[OmeFacts, None, tuple[str, ...]]:
    """What can be had from OME metadata that is not valid."""
    assert file.ome is not None
    try:
        facts = rough_facts(file.ome.xml, file.ome.images[number - 1])
        kept = "only sizes and names of channels are kept"
    except Exception:
        facts, kept = OmeFacts({}, {}, (), {}), "it is left out"
    note = f"Its OME metadata is not valid ({_short(error)}): {kept}."
    return facts, None, (*picture.notes, note)


def _short(error: Exception) -> str:
    return cause(error)[:80]


def _with_imagej(picture: Picture, values: dict[str, Any], whole: Any, tags: TiffTags) -> Picture:
    """Add what ImageJ says."""
    metadata = read_imagej(values, str(whole.axes), tuple(map(int, whole.shape)))
    steps, units = imagej_scale(metadata.values)
    return replace(
        picture,
        scale={**picture.scale, **steps},
        units={**picture.units, **units},
        flavour="imagej",
        record=imagej_record(values),
        channels=imagej_channels(metadata),
        native=TiffMetadata(tags, imagej=metadata),
    )


def _with_stk(picture: Picture, about: dict[str, Any]) -> Picture:
    """Add the pixel size that an STK has in a tag of its own."""
    if about.get("CalibrationUnits") not in ("um", "µm"):
        return picture
    sizes = {axis: float(about.get(f"{axis}Calibration") or 0) for axis in "XY"}
    scale = {axis: step for axis, step in sizes.items() if step > 0}
    return replace(picture, scale=scale, units=dict.fromkeys(scale, "µm"))


def _with_palette(picture: Picture, page: Any) -> Picture:
    """Say what is done with a palette: one that colours intensities is only kept."""
    tags = picture.native.tags
    if page.colormap is None or int(page.photometric) != 3 or "S" in picture.axes:
        return picture
    if tags.palette is not None:
        note = "Its values are read as intensities; the palette that colours them is kept."
        return replace(picture, notes=(*picture.notes, note))
    note = "The numbers of its colours are replaced by the colours of its palette."
    return replace(
        picture,
        data=coloured(picture.data, page.colormap),
        axes=f"{picture.axes}S",
        notes=(*picture.notes, note),
    )
