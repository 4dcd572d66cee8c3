"""Tags of TIFF pages: what they say of an image besides its pixels, read and written back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UserError
from ..picture import Picture
from ..units import METRES, symbol

# Tags of text that come back as they were, with their numbers.
_TEXTS = {
    "DocumentName": 269, "Make": 271, "Model": 272, "PageName": 285, "Software": 305,
    "Artist": 315, "HostComputer": 316, "Copyright": 33432,
}  # fmt: skip
_ORIENTATION = 274
_GREY, _GREY_INVERTED, _PALETTE = 1, 0, 3  # of the tag PhotometricInterpretation
_REFUSED = {5: "CMYK", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*"}
_YCBCR, _JPEG = 6, (6, 7, 33007, 34892)
_ALPHA = (1, 2)  # of the tag ExtraSamples
_UNITS = {2: "inch", 3: "cm"}  # of the tag ResolutionUnit


@dataclass(frozen=True)
class TiffTags:
    """What the tags of a page say.

    Parameters
    ----------
    description : str
        In the user's words; what ImageJ, OME and tifffile write there is not part of it.
    date : str
        "YYYY:MM:DD HH:MM:SS".
    texts : dict of int to str
        Of other tags.
    photometric : int
        How samples become colours.
    extra : tuple of int
        Kinds of the samples beyond grey or RGB.
    palette : array, optional
        uint16, shape (3, number of values): colours of the values, where these are intensities.
    orientation : int
        1 where rows run down and columns to the right.
    """

    description: str = ""
    date: str = ""
    texts: dict[int, str] = field(default_factory=dict)
    photometric: int = _GREY
    extra: tuple[int, ...] = ()
    palette: NDArray[np.uint16] | None = None
    orientation: int = 1

    def part(self, letter: str, places: tuple[int, ...]) -> TiffTags:
        """The same, whatever planes are chosen."""
        return self


def read_tags(page: Any) -> TiffTags:
    """What the tags of a page say."""
    texts = {code: str(page.tags.valueof(code) or "").strip("\0 ") for code in _TEXTS.values()}
    words = [str(text or "").strip("\0 \n") for text in (page.description, page.description1)]
    about = [text for text in words if _is_by_hand(text)]
    palette = page.colormap
    return TiffTags(
        description=about[0] if about else "",
        date=str(page.tags.valueof("DateTime") or "").strip("\0 "),
        texts={code: text for code, text in texts.items() if text},
        photometric=int(page.photometric),
        extra=tuple(map(int, page.extrasamples)),
        palette=palette if palette is not None and is_lookup_table(palette) else None,
        orientation=int(page.tags.valueof(_ORIENTATION) or 1),
    )


def _is_by_hand(text: str) -> bool:
    others = ("ImageJ=", "SCIFIO=", '{"shape"', "shape=(")
    return bool(text) and not text.startswith(others) and not text.endswith("OME>")


def check_colours(page: Any) -> None:
    """Refuse pages whose samples are neither intensities nor red, green and blue.

    Raises
    ------
    UserError
    """
    kind = _REFUSED.get(int(page.photometric), "")
    if int(page.photometric) == _YCBCR and int(page.compression) not in _JPEG:
        kind = "YCbCr"
    if kind:
        raise UserError(f"its colours are {kind}; convert it to RGB.")


def has_alpha(page: Any) -> bool:
    """Whether the last sample of each pixel says how transparent it is."""
    return bool(page.extrasamples) and int(page.extrasamples[-1]) in _ALPHA


def is_lookup_table(palette: NDArray[Any]) -> bool:
    """Whether a palette colours intensities: its colours run smoothly from one to the next.

    That of an image with few colours jumps.
    """
    steps = np.abs(np.diff(palette.astype(np.int64), axis=1)).max(0)
    return palette.shape[1] >= 256 and bool(np.mean(steps > 0x2000) < 0.05)


def coloured(data: Any, palette: NDArray[Any]) -> Any:
    """Replace numbers of colours by the colours: samples are appended; lazy where the data is."""
    table = np.ascontiguousarray(palette.T)
    if not (table & 0xFF).any() or (table >> 8 == table & 0xFF).all():  # of 8 bits
        table = (table >> 8).astype(np.uint8)
    if isinstance(data, np.ndarray):
        return table[np.minimum(data, len(table) - 1)]
    import dask.array as da

    lazy = da.from_array(data)
    return lazy.map_blocks(
        lambda block: table[np.minimum(block, len(table) - 1)],
        dtype=table.dtype,
        new_axis=lazy.ndim,
        chunks=(*lazy.chunks, (3,)),
    )


def resolution(page: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Pixel size and its unit from the resolution tags; none where they say 1 pixel per nothing."""
    scale = {}
    for axis, name in (("X", "XResolution"), ("Y", "YResolution")):
        value = page.tags.valueof(name)
        if value and 0 not in value and value[0] != value[1]:
            scale[axis] = value[1] / value[0]
    unit = _UNITS.get(int(page.tags.valueof("ResolutionUnit") or 1), "")
    return scale, dict.fromkeys("XY", unit) if unit else {}


def shaped_metadata(page: Any) -> dict[str, Any]:
    """What tifffile wrote about a series besides its shape."""
    try:
        found = json.loads(page.shaped_description or "null")
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def tag_options(picture: Picture, tags: TiffTags, flavour: str) -> dict[str, Any]:
    """Options of tifffile's writer that write the tags back; not the description."""
    options: dict[str, Any] = {}
    if picture.icc_profile:
        options["iccprofile"] = picture.icc_profile
    if re.fullmatch(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", tags.date):
        options["datetime"] = tags.date
    texts = {code: text for code, text in tags.texts.items() if code != _TEXTS["Software"]}
    options["extratags"] = [(code, 2, 0, text.encode(), True) for code, text in texts.items()]
    if tags.orientation != 1:
        options["extratags"].append((_ORIENTATION, 3, 1, tags.orientation, False))
    if software := tags.texts.get(_TEXTS["Software"]):
        options["software"] = software.encode()
    return options | _resolution_options(picture, flavour)


def _resolution_options(picture: Picture, flavour: str) -> dict[str, Any]:
    """Pixels per inch where the file has it so, else per centimetre.

    ImageJ says what the unit is elsewhere, and no file says it of an unknown unit.
    """
    scale, unit = picture.scale, symbol(picture.units.get("X", ""))
    if not {"X", "Y"} <= set(scale):
        return {}
    size = [scale[axis] for axis in "XY"]
    number = 2 if unit == "in" else 3 if unit in METRES else 1
    if flavour == "imagej" and unit not in ("in", "cm"):
        number = 1
    elif number == 3:
        units = [symbol(picture.units.get(axis, unit)) for axis in "XY"]
        size = [step * METRES.get(u, 0.01) / 0.01 for step, u in zip(size, units, strict=True)]
    return {"resolution": tuple(1 / step for step in size), "resolutionunit": number}


def colour_options(axes: str, shape: tuple[int, ...], tags: TiffTags, dtype: Any) -> dict[str, Any]:
    """Options of tifffile's writer that say what the samples of a pixel are.

    Parameters
    ----------
    axes, shape
        As they are written.
    tags : TiffTags
        Of the source.
    dtype : numpy.dtype
    """
    lengths = dict(zip(axes, map(int, shape), strict=True))
    if axes.endswith(("YXS", "SYX", "YXC")):
        letter = "C" if axes.endswith("YXC") else "S"
        count, planar = lengths[letter], axes.endswith("SYX")
        rgb = letter == "S" and count in (3, 4)
        extra = list(tags.extra[: count - (3 if rgb else 1)])
        default = 2 if letter == "S" else 0  # alpha that colours are not multiplied by
        extra += [default] * (count - (3 if rgb else 1) - len(extra))
        options = {
            "photometric": "rgb" if rgb else "minisblack",
            "planarconfig": "separate" if planar else "contig",
        }
        return {**options, "extrasamples": extra} if extra else options
    if tags.photometric == _GREY_INVERTED:
        return {"photometric": "miniswhite"}
    if tags.palette is not None and dtype in (np.uint8, np.uint16):
        values = 2 ** (8 * dtype.itemsize)
        if tags.palette.shape[1] == values:
            return {"photometric": "palette", "colormap": tags.palette}
    return {"photometric": "minisblack"}
