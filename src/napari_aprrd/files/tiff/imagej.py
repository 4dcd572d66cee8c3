"""What ImageJ says of its hyperstacks: read, cut to what was chosen, written back."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...layers import KEY
from ..picture import Channel, Picture

ORDER = "TZCYXS"  # of the axes; ImageJ knows no other
# Written anew: they follow from the pixels, or from the picture.
_DERIVED = (
    "images", "channels", "slices", "frames", "SCIFIO", "order", "axes", "shape", "spacing",
    "finterval", "fps", "unit", "yunit", "zunit", "tunit",
)  # fmt: skip
_TYPES = {True: ("u1",), False: ("u1", "u2", "f4")}  # of pixels, with and without colours


@dataclass(frozen=True)
class ImageJMetadata:
    """What ImageJ says of a stack.

    Parameters
    ----------
    values : dict
        As tifffile reads them, without what the record of this program took.
    axes : str
        Of the stack as it was read.
    shape : tuple of int
    kept : dict of str to tuple of int
        Places along axes, where only some were chosen.
    """

    values: dict[str, Any]
    axes: str
    shape: tuple[int, ...]
    kept: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def part(self, letter: str, places: tuple[int, ...]) -> ImageJMetadata:
        """What it says of some places along an axis."""
        before = self.kept.get(letter)
        now = tuple(before[place] for place in places) if before else tuple(places)
        return replace(self, kept={**self.kept, letter: now})

    def labels(self, axes: str) -> list[str]:
        """Labels of the planes that were kept, in the order of the axes of the output."""
        labels = _as_list(self.values.get("Labels"))
        lengths = {
            letter: length
            for letter, length in zip(self.axes, self.shape, strict=True)
            if letter in "TZC"
        }
        if not labels or len(labels) != np.prod([*lengths.values()], dtype=int):
            return []
        if any(letter not in axes and len(self.kept.get(letter, ())) != 1 for letter in lengths):
            return []  # the axes were named otherwise
        grid = np.array(labels, object).reshape([*lengths.values()])
        for axis, letter in enumerate(lengths):
            grid = np.take(grid, self.kept.get(letter, range(lengths[letter])), axis)
        order = [letter for letter in ORDER if letter in lengths]
        return [
            str(label) for label in grid.transpose([[*lengths].index(a) for a in order]).ravel()
        ]

    def of_channels(self, name: str, each: int = 1) -> list[Any]:
        """LUTs or Ranges of the channels that were kept; `each` values belong to a channel."""
        values = _as_list(self.values.get(name))
        groups = [values[n : n + each] for n in range(0, len(values), each)]
        places = self.kept.get("C", range(len(groups)))
        if any(place >= len(groups) for place in places):
            return []
        return [value for place in places for value in groups[place]]


def _as_list(value: Any) -> list[Any]:
    """Several values, or the only one, which tifffile gives without a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def read_imagej(values: dict[str, Any], axes: str, shape: tuple[int, ...]) -> ImageJMetadata:
    """Keep what ImageJ says, but for the record that this program wrote."""
    values = {n: value if n == "Info" else _unescaped(value) for n, value in values.items()}
    if record_in(values.get("Info")):
        del values["Info"]
    properties = values.get("Properties")
    if isinstance(properties, dict) and KEY in properties:
        values["Properties"] = {name: text for name, text in properties.items() if name != KEY}
    return ImageJMetadata(values, axes, shape)


def imagej_record(values: dict[str, Any]) -> dict[str, Any]:
    """How the image was made; earlier versions wrote that to Info."""
    properties = values.get("Properties")
    text = properties.get(KEY) if isinstance(properties, dict) else None
    return record_in(text) or record_in(values.get("Info"))


def record_in(text: Any) -> dict[str, Any]:
    """The record in a text; empty if it is somebody else's text."""
    try:
        record = json.loads(text or "null")[KEY]
    except (TypeError, ValueError, KeyError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def imagej_scale(values: dict[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Spacing of the slices and the frames, and all units; pixel sizes are in tags."""
    scale, units = {}, {}
    unit = str(_unescaped(values.get("unit", "")))
    if unit:
        others = {"Y": "yunit", "Z": "zunit"}
        units = {a: str(_unescaped(values.get(others.get(a, ""), unit))) for a in "XYZ"}
    steps = {"Z": values.get("spacing"), "T": values.get("finterval")}
    if not steps["T"] and _is_number(values.get("fps")):
        steps["T"] = 1 / float(values["fps"])
    scale = {a: float(step) for a, step in steps.items() if step and _is_number(step)}
    if "T" in scale:
        units["T"] = str(values.get("tunit", "s"))
    return scale, units


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and bool(np.isfinite(value)) and value != 0


def imagej_channels(metadata: ImageJMetadata) -> tuple[Channel, ...]:
    """Colours and display ranges of the channels; empty if there are none."""
    luts, ranges = metadata.of_channels("LUTs"), metadata.of_channels("Ranges", 2)
    values = metadata.values
    if not ranges and _is_number(values.get("max")):
        ranges = [float(values.get("min", 0)), float(values["max"])]
    lengths = dict(zip(metadata.axes, metadata.shape, strict=True))
    count = lengths.get("C", 1)
    if not (luts or ranges) or "S" in lengths:
        return ()
    colours = [_colour(lut) for lut in luts]
    windows = [(float(a), float(b)) for a, b in zip(ranges[::2], ranges[1::2], strict=False)]
    return tuple(
        Channel(
            colour=colours[n] if n < len(colours) else "",
            window=windows[n] if n < len(windows) else None,
        )
        for n in range(count)
    )


def _colour(lut: Any) -> str:
    """The brightest colour of a table that begins with black; else it has no single colour."""
    table = np.asarray(lut)
    if table.shape != (3, 256) or table[:, 0].any():
        return ""
    return "".join(f"{int(value):02X}" for value in table[:, -1])


def imagej_can_hold(axes: str, dtype: np.dtype[Any]) -> bool:
    """Whether ImageJ knows such stacks."""
    return set(axes) <= set(ORDER) and dtype in _TYPES["S" in axes]


def imagej_metadata(picture: Picture, metadata: ImageJMetadata | None, axes: str) -> dict[str, Any]:
    """Metadata for tifffile's writer.

    Parameters
    ----------
    picture : Picture
    metadata : ImageJMetadata, optional
        Of the source, if it was a TIFF of ImageJ's.
    axes : str
        As they are written.
    """
    source = metadata or ImageJMetadata({}, "YX", (1, 1))
    named = {name: value for name, value in source.values.items() if name.isascii()}
    about = {name: value for name, value in named.items() if name not in _DERIVED}
    for name in ("Labels", "LUTs", "Ranges", "Overlays"):
        about.pop(name, None)
    found = {
        "Labels": source.labels(axes),
        "LUTs": source.of_channels("LUTs") or _luts(picture),
        "Ranges": source.of_channels("Ranges", 2) or _ranges(picture),
        "Overlays": _overlays(source),
    }
    about |= {name: values for name, values in found.items() if values}
    if "LUTs" in found and found["LUTs"] and "C" in axes:
        about.setdefault("mode", "composite")
    about |= {"axes": axes, **_steps(picture)}
    if picture.record:
        properties = about.get("Properties")
        kept = properties if isinstance(properties, dict) else {}
        about["Properties"] = {**kept, KEY: json.dumps({KEY: picture.record})}
    return {name: _escaped(value, name) for name, value in about.items()}


def _steps(picture: Picture) -> dict[str, Any]:
    scale, units = picture.scale, picture.units
    names = {"Z": "spacing", "T": "finterval"}
    steps: dict[str, Any] = {names[a]: step for a, step in scale.items() if a in names}
    unit = units.get("X", "")
    if unit:
        steps["unit"] = unit
        others = {"Y": "yunit", "Z": "zunit"}
        steps |= {others[a]: units[a] for a in others if units.get(a, unit) != unit}
    if units.get("T", "s") not in ("s", "sec") and "T" in scale:
        steps["tunit"] = units["T"]
    return steps


def _luts(picture: Picture) -> list[Any]:
    """Tables from black to the colours of the channels, if each has one."""
    colours = [channel.colour for channel in picture.channels]
    if not colours or not all(re.fullmatch("[0-9A-Fa-f]{6}", colour) for colour in colours):
        return []
    brightest = [np.frombuffer(bytes.fromhex(colour), np.uint8) for colour in colours]
    ramp = np.arange(256) / 255
    return [np.rint(np.outer(colour, ramp)).astype(np.uint8) for colour in brightest]


def _ranges(picture: Picture) -> list[float]:
    windows = [channel.window for channel in picture.channels]
    return [value for window in windows if window for value in window] if all(windows) else []


def _overlays(metadata: ImageJMetadata) -> list[bytes]:
    """Overlays; of a part of the stack, those that belong to no plane."""
    overlays = [each for each in _as_list(metadata.values.get("Overlays")) if each]
    if not metadata.kept:
        return overlays
    return [each for each in overlays if not any(_positions(each))]


def _positions(overlay: bytes) -> tuple[int, ...]:
    """Plane, channel, slice and frame of an overlay in ImageJ's format, 0 for all."""
    if len(overlay) < 64:
        return (1,)
    position, second = struct.unpack(">ii", overlay[56:64])
    if not 64 <= second <= len(overlay) - 16:
        return (position,)
    return position, *struct.unpack(">iii", overlay[second + 4 : second + 16])


def _unescaped(value: Any) -> Any:
    r"""A text in which "\u00B5" is a micro sign."""
    if not isinstance(value, str):
        return value
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda match: chr(int(match[1], 16)), value)


def _escaped(value: Any, name: str) -> Any:
    """A text of 7 bits, as ImageJ writes what goes into the description of the first page."""
    if not isinstance(value, str) or name == "Info":
        return value
    return "".join(letter if letter < "\x80" else f"\\u{ord(letter):04X}" for letter in value)
