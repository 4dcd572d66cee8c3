"""What each file format keeps of an image: every cell of the table in docs/files.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.makers import ramp

from napari_aprrd.files.formats import read_picture, write_picture
from napari_aprrd.files.picture import Channel, Picture
from napari_aprrd.files.units import symbol

PAGE = Path(__file__).parents[1] / "docs" / "files.md"
STACK = Picture(ramp(2, 3, 2, 20, 24, dtype=np.uint16), "TZCYX")
PHOTO = Picture(ramp(20, 24, 3, dtype=np.uint8), "YXS")
ICC = b"\0\0\0\x18" + b"a colour profile"
EXIF = (
    b"II*\0\x08\0\0\0"
    + b"\x01\0"
    + b"\x0f\x01\x02\0\x06\0\0\0\x1a\0\0\0"
    + b"\0\0\0\0"
    + b"Maker\0"
)


@dataclass(frozen=True)
class Format:
    """How an image of this format is made, and the image that the others are made of."""

    ending: str
    picture: Picture


FORMATS = {
    "TIFF": Format(".tif", STACK),
    "ImageJ TIFF": Format(".tif", replace(STACK, flavour="imagej")),
    "OME-TIFF": Format(".ome.tif", replace(STACK, flavour="ome")),
    "OME-Zarr": Format(".zarr", replace(STACK, data=STACK.data.swapaxes(1, 2), axes="TCZYX")),
    "PNG": Format(".png", PHOTO),
    "JPEG": Format(".jpg", PHOTO),
    "NPY": Format(".npy", STACK),
}


@dataclass(frozen=True)
class Thing:
    """Something that a file may keep: how an image gets it, and how it is found again."""

    put: Callable[[Picture], Picture]
    get: Callable[[Picture], Any]


def with_channels(**facts: Any) -> Callable[[Picture], Picture]:
    """Give the channels of an image different values."""

    def put(picture: Picture) -> Picture:
        count = picture.data.shape[picture.axes.index("C")] if "C" in picture.axes else 1
        each = [{name: value(n) for name, value in facts.items()} for n in range(count)]
        return replace(picture, channels=tuple(Channel(**one) for one in each))

    return put


def of_channels(name: str) -> Callable[[Picture], Any]:
    """Values of all channels."""
    return lambda picture: [getattr(channel, name) for channel in picture.channels]


def sized(steps: dict[str, float], units: dict[str, str]) -> Callable[[Picture], Picture]:
    """Give steps and units to those axes that the image has."""

    def put(picture: Picture) -> Picture:
        has = {axis: step for axis, step in steps.items() if axis in picture.axes}
        return replace(picture, scale=has, units={a: u for a, u in units.items() if a in has})

    return put


IN_UM = {"µm": 1.0, "nm": 1e-3, "cm": 1e4, "m": 1e6, "in": 25400.0}
METRIC = {"Z": "µm", "Y": "µm", "X": "µm", "T": "s"}
THINGS = {
    "pixels": Thing(lambda p: p, lambda p: np.asarray(p.data)),
    "axes": Thing(lambda p: p, lambda p: (p.axes, p.named)),
    "pixel size": Thing(
        sized({"Z": 500.0, "Y": 254.0, "X": 127.0}, METRIC),
        lambda p: {a: round(p.scale[a] * IN_UM[symbol(p.units[a])]) for a in p.scale if a in "ZYX"},
    ),
    "unit of length": Thing(
        sized({"Z": 500.0, "Y": 250.0, "X": 125.0}, dict.fromkeys("ZYX", "nm")),
        lambda p: {a: symbol(u) for a, u in p.units.items() if a in "ZYX"},
    ),
    "time between frames": Thing(sized({"T": 2.5}, METRIC), lambda p: p.scale.get("T")),
    "names of channels": Thing(with_channels(name="stain {}".format), of_channels("name")),
    "colours of channels": Thing(
        with_channels(colour=lambda n: ("00FF00", "FF00FF")[n]), of_channels("colour")
    ),
    "display range": Thing(
        with_channels(window=lambda n: (10.0 + n, 200.0 + n)), of_channels("window")
    ),
    "colour profile": Thing(lambda p: replace(p, icc_profile=ICC), lambda p: p.icc_profile),
    "EXIF": Thing(lambda p: replace(p, exif=EXIF), lambda p: b"Maker" in p.exif),
    "how it was made": Thing(lambda p: replace(p, record={"seed": 7}), lambda p: p.record),
}


def table() -> dict[str, dict[str, bool]]:
    """The table of the page: for each thing, which formats keep it."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head = next(row for row in rows if row[1:] == list(FORMATS))
    body = [row for row in rows[rows.index(head) + 2 :] if row[0] in THINGS]
    return {
        row[0]: {name: c == "yes" for name, c in zip(FORMATS, row[1:], strict=True)} for row in body
    }


def test_the_page_has_every_thing() -> None:
    assert list(table()) == list(THINGS)


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_keeps_what_the_page_says(tmp_path: Path, name: str, thing: str) -> None:
    kind, has = FORMATS[name], THINGS[thing]
    picture = has.put(kind.picture)
    path = tmp_path / f"a{kind.ending}"
    write_picture(path, picture)
    found, wanted = has.get(read_picture(path)), has.get(picture)
    kept = np.array_equal(found, wanted) if isinstance(wanted, np.ndarray) else found == wanted
    # A format without planes has no frames to begin with.
    assert (kept and wanted is not None) == table()[thing][name], (found, wanted)
