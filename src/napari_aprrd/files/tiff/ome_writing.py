"""OME metadata of TIFFs, written through ome-types: what the source said, fitted to the image."""

from __future__ import annotations

import json
import warnings
from typing import Any
from uuid import uuid4

import numpy as np

from ...layers import KEY
from ..picture import Picture
from ..units import symbol
from .imagej import record_in
from .ome import STEPS, OmeMetadata, is_positive, kept_channels, parse, read_channel

_ALONG = "TZC"  # axes of the planes of an image in OME's model
_TYPES = {
    "int8": "int8", "int16": "int16", "int32": "int32", "uint8": "uint8", "uint16": "uint16",
    "uint32": "uint32", "float32": "float", "float64": "double",
}  # fmt: skip
# Axes that OME has by dividing one of T, Z and C, with their names there.
_MODULO = {"A": "angle", "P": "phase", "R": "tile", "H": "lifetime", "E": "lambda"}
_MODULO_SPACE = "openmicroscopy.org/omero/dimension/modulo"


def ome_can_hold(axes: str, dtype: np.dtype[Any]) -> bool:
    """Whether OME's model has such images."""
    return dtype.name in _TYPES and _parents(axes) is not None


def ome_order(axes: str) -> str:
    """The axes as they are written: planes first, then Y and X, then samples."""
    samples = "S" if "S" in axes else "C" if axes.endswith("YXC") else ""
    if axes.endswith(("SYX", "YXS", "YXC")):
        return axes
    return "".join(a for a in axes if a not in f"YX{samples}") + f"YX{samples}"


def _parents(axes: str) -> dict[str, str] | None:
    """Which of T, Z and C each further axis divides; None where there is none left.

    An axis divides the one before it, or takes the place of one that the image lacks.
    """
    leading = [letter for letter in ome_order(axes) if letter not in "YXS"]
    if axes.endswith("YXC"):
        leading.remove("C")
    free = [letter for letter in _ALONG if letter not in axes]
    parents: dict[str, str] = {}
    for place, letter in enumerate(leading):
        if letter in _ALONG:
            continue
        before = leading[place - 1] if place else ""
        if before in _ALONG and before and before not in parents.values():
            parents[letter] = before
        elif free:
            parents[letter] = free.pop(0)
        else:
            return None
    return parents


def ome_xml(
    picture: Picture, axes: str, shape: tuple[int, ...], metadata: OmeMetadata | None
) -> bytes:
    """OME-XML for a picture: all that its source said, fitted to what was chosen.

    Parameters
    ----------
    picture : Picture
    axes : str
        As they are written, see `ome_order`.
    shape : tuple of int
        Of the data as it is written.
    metadata : OmeMetadata, optional
        Of the source, if it was an OME-TIFF.
    """
    ome, image, same = _fitted(picture, _layout(picture, axes, shape), metadata)
    _keep_one(ome, image)
    _set_planes(image.pixels, axes, shape)
    _set_steps(image.pixels, picture)
    _set_channels(image.pixels, picture, axes, shape, metadata)
    if not same or further_axes(axes) != further_axes(metadata.axes if metadata else ""):
        _set_modulo(ome, image, axes, shape)
    _set_record(ome, image, picture.record)
    ome.uuid, ome.binary_only = f"urn:uuid:{uuid4()}", None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{ome.to_xml()}'.encode()


def _layout(picture: Picture, axes: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Order, lengths and type of the pixels, in OME's words."""
    sizes = _sizes(axes, shape)
    order = "XY" + "".join(reversed([letter for letter in sizes if letter in _ALONG]))
    order += "".join(letter for letter in "ZCT" if letter not in order)
    return {
        "dimension_order": order,
        "type": _TYPES[picture.data.dtype.name],
        **{f"size_{letter.lower()}": sizes.get(letter, 1) for letter in "XYZCT"},
    }


def _fitted(
    picture: Picture, layout: dict[str, Any], metadata: OmeMetadata | None
) -> tuple[Any, Any, bool]:
    """Metadata of the source or new ones, their image, and whether its axes are the source's."""
    from ome_types.model import OME, Image, Pixels

    ome = _source(metadata)
    if ome is None or metadata is None:
        image = Image(id="Image:0", pixels=Pixels(id="Pixels:0", **layout))
        image.name = picture.name or None
        return OME(), image, False
    image = ome.images[metadata.image]
    return ome, image, _fit(image.pixels, layout, metadata)


def _source(metadata: OmeMetadata | None) -> Any:
    """The metadata of the source; None where there is none that can be used."""
    if metadata is None:
        return None
    try:
        return parse(metadata.xml)
    except Exception:  # its reader said so
        return None


def _sizes(axes: str, shape: tuple[int, ...]) -> dict[str, int]:
    """Lengths of OME's five axes, those that vary slowest first."""
    parents = _parents(axes) or {}
    sizes: dict[str, int] = {}
    for letter, length in zip(axes, shape, strict=True):
        along = parents.get(letter, "C" if letter == "S" else letter)
        sizes[along] = sizes.get(along, 1) * int(length)
    return sizes


def _fit(pixels: Any, layout: dict[str, Any], metadata: OmeMetadata) -> bool:
    """Adjust lengths and type; what is said of planes stays for those that were kept.

    Returns
    -------
    bool
        Whether the axes are those of the source.
    """
    counts = {a: int(getattr(pixels, f"size_{a.lower()}")) for a in _ALONG}
    samples = max((channel.samples_per_pixel or 1 for channel in pixels.channels), default=1)
    counts["C"] //= samples
    places = {a: metadata.kept.get(a, tuple(range(counts[a]))) for a in _ALONG}
    if str(pixels.type.value) != layout["type"]:
        pixels.significant_bits = None
    for name, value in layout.items():
        setattr(pixels, name, value)
    wanted = {a: layout[f"size_{a.lower()}"] for a in _ALONG}
    if {a: len(places[a]) * (samples if a == "C" else 1) for a in _ALONG} != wanted:
        pixels.planes = []
        return False
    now = {a: {place: n for n, place in enumerate(places[a])} for a in _ALONG}
    planes = []
    for plane in pixels.planes:
        if plane.the_t in now["T"] and plane.the_z in now["Z"] and plane.the_c in now["C"]:
            plane.the_t, plane.the_z, plane.the_c = (
                now["T"][plane.the_t], now["Z"][plane.the_z], now["C"][plane.the_c],
            )  # fmt: skip
            planes.append(plane)
    pixels.planes = planes
    return True


def _keep_one(ome: Any, image: Any) -> None:
    """Remove the other images, and what refers to them."""
    others = {each.id for each in ome.images if each is not image}
    elsewhere = {ref.id for each in ome.images if each is not image for ref in each.roi_refs}
    ome.images = [image]
    if not others:
        return
    own = {ref.id for ref in image.roi_refs}
    ome.rois = [roi for roi in ome.rois if roi.id in own or roi.id not in elsewhere]
    for group in (*ome.datasets, *ome.folders):
        group.image_refs = [ref for ref in group.image_refs if ref.id not in others]
    for plate in ome.plates:
        for well in plate.wells:
            for sample in well.well_samples:
                if sample.image_ref is not None and sample.image_ref.id in others:
                    sample.image_ref = None


def _set_planes(pixels: Any, axes: str, shape: tuple[int, ...]) -> None:
    """Say that the planes lie in the file one after the other."""
    from ome_types.model import TiffData

    count = np.prod([n for a, n in zip(axes, shape, strict=True) if a not in page_axes(axes)])
    pixels.tiff_data_blocks = [TiffData(ifd=0, plane_count=int(count))]
    pixels.bin_data_blocks, pixels.metadata_only = [], None
    pixels.big_endian = None
    pixels.interleaved = axes[-1] in "SC" if len(page_axes(axes)) == 3 else None


def page_axes(axes: str) -> str:
    """Those of one page: rows and columns, with the samples of a pixel."""
    return axes[-3:] if axes.endswith(("SYX", "YXS", "YXC")) else axes[-2:]


def _set_steps(pixels: Any, picture: Picture) -> None:
    """Write sizes and units; what the source says is left as it is where it is the same."""
    from ome_types.model import UnitsLength, UnitsTime

    for axis, step in picture.scale.items():
        name = STEPS.get(axis)
        if name is None or not is_positive(str(abs(step))):
            continue
        unit = symbol(picture.units.get(axis, ""))
        kinds: Any = UnitsTime if axis == "T" else UnitsLength
        unknown = kinds.SECOND if axis == "T" else kinds.REFERENCEFRAME
        known = unit in {kind.value for kind in kinds}
        setattr(pixels, name, abs(step))
        setattr(pixels, f"{name}_unit", kinds(unit) if known else unknown)


def _set_channels(
    pixels: Any,
    picture: Picture,
    axes: str,
    shape: tuple[int, ...],
    metadata: OmeMetadata | None,
) -> None:
    """One channel for each place along C, as its source had it; names and colours as known."""
    from ome_types.model import Channel as OmeChannel

    samples = 1
    if len(page_axes(axes)) == 3:
        samples = shape[axes.index("S" if "S" in axes else "C")]
    count = pixels.size_c // samples
    found = kept_channels(pixels, metadata) if metadata is not None else []
    if len(found) != count:
        found = [OmeChannel(id=f"Channel:0:{n}") for n in range(count)]
    for channel, known in zip(found, picture.channels, strict=False):
        channel.name = known.name or channel.name
        if known.colour and known.colour != read_channel(channel).colour:
            channel.color = f"#{known.colour}"
    for channel in found:
        channel.samples_per_pixel = samples
    pixels.channels = found


def further_axes(axes: str) -> list[str]:
    """Axes that are not OME's own."""
    return [letter for letter in axes if letter not in "TZCYXS"]


def _set_modulo(ome: Any, image: Any, axes: str, shape: tuple[int, ...]) -> None:
    """Say which part of T, Z or C is another axis."""
    from ome_types.model import XMLAnnotation

    _remove_annotations(ome, image, _MODULO_SPACE)
    parts = "".join(
        f'<ModuloAlong{parent} Type="{_MODULO.get(letter, "other")}" Start="0" '
        f'End="{shape[axes.index(letter)] - 1}"/>'
        for letter, parent in (_parents(axes) or {}).items()
    )
    if parts:
        space = "http://www.openmicroscopy.org/Schemas/Additions/2011-09"
        xml = f'<Modulo xmlns="{space}" namespace="{space}">{parts}</Modulo>'
        _annotate(ome, image, XMLAnnotation, _MODULO_SPACE, xml)
        *others, modulo = image.annotation_refs
        image.annotation_refs = [modulo, *others]  # tifffile looks at the first one only


def _set_record(ome: Any, image: Any, record: dict[str, Any]) -> None:
    """Write how the image was made as an annotation; its description is the user's."""
    from ome_types.model import CommentAnnotation

    if record_in(image.description):
        image.description = None
    _remove_annotations(ome, image, KEY)
    if record:
        _annotate(ome, image, CommentAnnotation, KEY, json.dumps({KEY: record}))


def _annotate(ome: Any, image: Any, kind: Any, namespace: str, value: str) -> None:
    from ome_types.model import AnnotationRef, StructuredAnnotations

    annotations = ome.structured_annotations or StructuredAnnotations()
    taken = {annotation.id for annotation in annotations}
    number = next(n for n in range(len(taken) + 1) if f"Annotation:{n}" not in taken)
    annotation = kind(id=f"Annotation:{number}", namespace=namespace, value=value)
    annotations.append(annotation)
    ome.structured_annotations = annotations
    image.annotation_refs = [*image.annotation_refs, AnnotationRef(id=annotation.id)]


def _remove_annotations(ome: Any, image: Any, namespace: str) -> None:
    """Remove an image's annotations of a namespace."""
    if not ome.structured_annotations:
        return
    own = {ref.id for ref in image.annotation_refs}
    gone = [
        each
        for each in ome.structured_annotations
        if each.namespace == namespace and each.id in own
    ]
    for annotation in gone:
        ome.structured_annotations.remove(annotation)
    names = {annotation.id for annotation in gone}
    image.annotation_refs = [ref for ref in image.annotation_refs if ref.id not in names]
