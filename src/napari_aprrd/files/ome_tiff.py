"""OME metadata of TIFFs, through ome-types: read, fitted to what was chosen, written back."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import numpy as np

from ..layers import KEY
from .imagej_tiff import record_in
from .library_logs import listening
from .picture import Channel, Picture
from .units import symbol

_ALONG = "TZC"  # axes of the planes of an image in OME's model
_STEPS = {
    "X": "physical_size_x", "Y": "physical_size_y", "Z": "physical_size_z", "T": "time_increment",
}  # fmt: skip
_TYPES = {
    "int8": "int8", "int16": "int16", "int32": "int32", "uint8": "uint8", "uint16": "uint16",
    "uint32": "uint32", "float32": "float", "float64": "double",
}  # fmt: skip
# Axes that OME has by dividing one of T, Z and C, with their names there.
_MODULO = {"A": "angle", "P": "phase", "R": "tile", "H": "lifetime", "E": "lambda"}
_MODULO_SPACE = "openmicroscopy.org/omero/dimension/modulo"
_POSITIVE = re.compile("PhysicalSize[XYZ]|.*Wavelength|SamplesPerPixel|SignificantBits")


@dataclass(frozen=True)
class OmeMetadata:
    """The OME metadata of a file, and which part of it belongs to a picture.

    Parameters
    ----------
    xml : str
        All of it.
    image : int
        Number of the image in it, from 0.
    axes : str
        Of the image as it was read.
    kept : dict of str to tuple of int
        Places along axes, where only some were recorded or chosen.
    """

    xml: str
    image: int
    axes: str
    kept: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def part(self, letter: str, places: tuple[int, ...]) -> OmeMetadata:
        """What it says of some places along an axis."""
        before = self.kept.get(letter)
        now = tuple(before[place] for place in places) if before else tuple(places)
        return replace(self, kept={**self.kept, letter: now})


def parse(xml: str, planes: bool = True) -> Any:
    """OME metadata as a tree of ome-types, without where the planes are.

    Parameters
    ----------
    xml : str
    planes : bool
        False leaves out what it says of each plane, which takes long to parse.

    Raises
    ------
    Exception
        Whatever ome-types raises on metadata that is not valid.
    """
    import ome_types

    left_out = {"TiffData", "BinData"} if planes else {"TiffData", "BinData", "Plane"}

    def shorten(tree: Any) -> Any:
        for pixels in tree.iter():
            if _local(pixels) == "Pixels":
                for child in [child for child in pixels if _local(child) in left_out]:
                    pixels.remove(child)
        return tree

    with listening(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd identifiers and references; they are mended
        try:
            return ome_types.from_xml(xml, transformations=[shorten])
        except Exception:
            return ome_types.from_xml(xml, transformations=[shorten, _mend])


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _mend(tree: Any) -> Any:
    """Remove sizes that must be positive and are not, which many programs write for unknown."""
    for element in tree.iter():
        for name, value in list(element.attrib.items()):
            if _POSITIVE.fullmatch(name) and not _is_positive(value):
                del element.attrib[name]
            elif name.endswith("Unit"):
                element.attrib[name] = symbol(value)
    return tree


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


@dataclass(frozen=True)
class OmeFacts:
    """What OME metadata says of one image, for a picture."""

    scale: dict[str, float]
    units: dict[str, str]
    channels: tuple[Channel, ...]
    record: dict[str, Any]


def ome_facts(ome: Any, metadata: OmeMetadata) -> OmeFacts:
    """Sizes, units, channels and record of an image.

    Parameters
    ----------
    ome : ome_types.OME
        See `parse`.
    metadata : OmeMetadata
    """
    image = ome.images[metadata.image]
    pixels = image.pixels
    steps = {axis: getattr(pixels, name) for axis, name in _STEPS.items()}
    scale = {axis: float(step) for axis, step in steps.items() if step}
    units = {axis: str(getattr(pixels, f"{_STEPS[axis]}_unit").value) for axis in scale}
    channels = tuple(_channel(each) for each in _kept_channels(pixels, metadata))
    said = any(channel.name or channel.colour for channel in channels)
    samples = "S" in metadata.axes and "C" not in metadata.axes
    return OmeFacts(scale, units, channels if said and not samples else (), _ome_record(ome, image))


def _kept_channels(pixels: Any, metadata: OmeMetadata) -> list[Any]:
    places = metadata.kept.get("C", range(len(pixels.channels)))
    return [pixels.channels[place] for place in places if place < len(pixels.channels)]


def _channel(channel: Any) -> Channel:
    colour = ""
    if "color" in channel.model_fields_set:
        red, green, blue, *_ = channel.color.as_rgb_tuple(alpha=True)
        colour = f"{red:02X}{green:02X}{blue:02X}"
    return Channel(str(channel.name or ""), colour)


def _ome_record(ome: Any, image: Any) -> dict[str, Any]:
    """How the image was made; earlier versions wrote that to its description."""
    mine = {ref.id for ref in image.annotation_refs}
    comments = ome.structured_annotations.comment_annotations if ome.structured_annotations else []
    for comment in comments:
        if comment.namespace == KEY and comment.id in mine:
            return record_in(comment.value)
    return record_in(image.description)


def rough_facts(xml: str, number: int) -> OmeFacts:
    """Sizes, units and names of channels from metadata that ome-types does not accept."""
    import tifffile

    found = tifffile.xml2dict(xml)["OME"]["Image"]
    image: dict[str, Any] = found[number] if isinstance(found, list) else found
    pixels = image["Pixels"]
    names = {"X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement"}
    scale = {a: float(pixels[n]) for a, n in names.items() if _is_positive(str(pixels.get(n)))}
    default = {"T": "s"}  # of the schema; lengths are in µm
    units = {a: str(pixels.get(f"{names[a]}Unit", default.get(a, "µm"))) for a in scale}
    channels = pixels.get("Channel", [])
    channels = channels if isinstance(channels, list) else [channels]
    called = tuple(Channel(str(each.get("Name", ""))) for each in channels)
    named = any(channel.name for channel in called)
    return OmeFacts(scale, units, called if named else (), record_in(image.get("Description")))


def image_numbers(images: Sequence[Any], series: Sequence[Any]) -> list[int]:
    """Which of the images in the metadata each series of tifffile's is.

    It leaves out images without planes.

    Parameters
    ----------
    images : sequence of ome_types.model.Image
    series : sequence of tifffile.TiffPageSeries
    """
    numbers, number = [], -1
    for each in series:
        lengths = dict(zip(each.axes, each.shape, strict=True))
        following = range(number + 1, len(images))
        fitting = (n for n in following if _fits(images[n], each.name, lengths))
        number = next(fitting, number + 1)
        numbers.append(number)
    return numbers if all(number < len(images) for number in numbers) else []


def _fits(image: Any, name: str, lengths: dict[str, int]) -> bool:
    pixels = image.pixels
    same = (pixels.size_x, pixels.size_y) == (lengths.get("X"), lengths.get("Y"))
    return same and name in (image.name or "", "Baseline")


# Writing ------------------------------------------------------------------------------------


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
    from ome_types.model import OME, Image, Pixels

    ome, sizes = _source(metadata), _sizes(axes, shape)
    order = "XY" + "".join(reversed([a for a in sizes if a in _ALONG]))
    order += "".join(letter for letter in "ZCT" if letter not in order)
    layout = {
        "dimension_order": order,
        "type": _TYPES[picture.data.dtype.name],
        **{f"size_{letter.lower()}": sizes.get(letter, 1) for letter in "XYZCT"},
    }
    same = False
    if ome is None or metadata is None:
        ome, image = OME(), Image(id="Image:0", pixels=Pixels(id="Pixels:0", **layout))
        image.name = picture.name or None
    else:
        image = ome.images[metadata.image]
        same = _fit(image.pixels, layout, metadata)
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

    count = np.prod([n for a, n in zip(axes, shape, strict=True) if a not in _page_axes(axes)])
    pixels.tiff_data_blocks = [TiffData(ifd=0, plane_count=int(count))]
    pixels.bin_data_blocks, pixels.metadata_only = [], None
    pixels.big_endian = None
    pixels.interleaved = axes[-1] in "SC" if len(_page_axes(axes)) == 3 else None


def _page_axes(axes: str) -> str:
    return axes[-3:] if axes.endswith(("SYX", "YXS", "YXC")) else axes[-2:]


def _set_steps(pixels: Any, picture: Picture) -> None:
    """Write sizes and units; what the source says is left as it is where it is the same."""
    from ome_types.model import UnitsLength, UnitsTime

    for axis, step in picture.scale.items():
        name = _STEPS.get(axis)
        if name is None or not _is_positive(str(abs(step))):
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
    if len(_page_axes(axes)) == 3:
        samples = shape[axes.index("S" if "S" in axes else "C")]
    count = pixels.size_c // samples
    found = _kept_channels(pixels, metadata) if metadata is not None else []
    if len(found) != count:
        found = [OmeChannel(id=f"Channel:0:{n}") for n in range(count)]
    for channel, known in zip(found, picture.channels, strict=False):
        channel.name = known.name or channel.name
        if known.colour and known.colour != _channel(channel).colour:
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
