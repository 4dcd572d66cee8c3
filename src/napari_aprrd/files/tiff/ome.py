"""OME metadata of TIFFs, read through ome-types."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...layers import KEY
from ..library_logs import listening
from ..picture import Channel
from ..units import symbol
from .imagej import record_in

STEPS = {
    "X": "physical_size_x", "Y": "physical_size_y", "Z": "physical_size_z", "T": "time_increment",
}  # fmt: skip
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
            if _POSITIVE.fullmatch(name) and not is_positive(value):
                del element.attrib[name]
            elif name.endswith("Unit"):
                element.attrib[name] = symbol(value)
    return tree


def is_positive(text: str) -> bool:
    """Whether a text is a number that a size can be."""
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
    steps = {axis: getattr(pixels, name) for axis, name in STEPS.items()}
    scale = {axis: float(step) for axis, step in steps.items() if step}
    units = {axis: str(getattr(pixels, f"{STEPS[axis]}_unit").value) for axis in scale}
    channels = tuple(read_channel(each) for each in kept_channels(pixels, metadata))
    said = any(channel.name or channel.colour for channel in channels)
    samples = "S" in metadata.axes and "C" not in metadata.axes
    return OmeFacts(scale, units, channels if said and not samples else (), _ome_record(ome, image))


def kept_channels(pixels: Any, metadata: OmeMetadata) -> list[Any]:
    """The channels of an image that were recorded and chosen."""
    places = metadata.kept.get("C", range(len(pixels.channels)))
    return [pixels.channels[place] for place in places if place < len(pixels.channels)]


def read_channel(channel: Any) -> Channel:
    """Name and colour of a channel."""
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
    scale = {a: float(pixels[n]) for a, n in names.items() if is_positive(str(pixels.get(n)))}
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
