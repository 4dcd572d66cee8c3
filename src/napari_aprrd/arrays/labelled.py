"""Arrays of xarray, whose dimensions have names; xarray is not imported for it."""

from __future__ import annotations

import string
import sys
from collections.abc import Sequence
from typing import Any, TypeGuard

from ..signatures import LabelledArray
from .naming import LETTERS

_NAMES = {
    "T": ("time", "times", "timepoint", "frame", "frames"),
    "Z": ("depth", "slice", "slices"),
    "C": ("channel", "channels", "ch", "band", "wavelength"),
    "Y": ("row", "rows", "height", "lat", "latitude"),
    "X": ("col", "column", "columns", "width", "lon", "longitude"),
    "S": ("sample", "samples", "rgb", "rgba"),
    "I": ("image", "images"),
}
_LETTERS = {name: letter for letter, names in _NAMES.items() for name in (letter.lower(), *names)}
_OTHERS = [*"I", *(letter for letter in string.ascii_uppercase if letter not in LETTERS)]


def is_labelled(thing: object) -> TypeGuard[LabelledArray]:
    """True for an `xarray.DataArray`."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(thing, xarray.DataArray)


def labelled_axes(dims: Sequence[object]) -> str | None:
    """Letters for named dimensions; None where no name is known.

    Common names (time, channel, y, row, ...) have their letter, in any case. Where Y or X has
    none, the last dimensions of unknown names are taken for them; other unknown ones count
    independent images.
    """
    found: dict[int, str] = {}
    for place, name in enumerate(dims):
        letter = _LETTERS.get(str(name).lower(), "")
        if letter and letter not in found.values():
            found[place] = letter
    if not found:
        return None
    unknown = [place for place in range(len(dims)) if place not in found]
    for letter in "XY":
        if letter not in found.values() and unknown:
            found[unknown.pop()] = letter
    for place in unknown:
        own = str(dims[place]).upper()
        wanted = [own, *_OTHERS] if own in _OTHERS else _OTHERS
        found[place] = next(letter for letter in wanted if letter not in found.values())
    return "".join(found[place] for place in range(len(dims)))


def labelled_like(image: LabelledArray, data: Any, axes: str, letters: str) -> Any:
    """A result with the dimensions, coordinates, attributes and name of its source.

    Parameters
    ----------
    image : DataArray
    data : array
        The result.
    axes : str
        Letters of the image's axes.
    letters : str
        Letters of the axes that the result has; the others are dropped.
    """
    dropped = {d: 0 for d, letter in zip(image.dims, axes, strict=True) if letter not in letters}
    source = image.isel(dropped, drop=True) if dropped else image
    return source.copy(data=data)
