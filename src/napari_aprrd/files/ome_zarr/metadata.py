"""What an OME-Zarr of any version says about an image, as a picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..picture import Channel, Picture, without_names
from .axes import NamedAxes, letters_of, says

_OLD = ("0.1", "0.2", "0.3")  # without scales, and their axes are letters or always the same
_REAL = (int, float)
_FIVE = "tczyx"  # of 0.1 and 0.2


@dataclass(frozen=True)
class OmeZarrMetadata:
    """What OME-Zarr says besides what every picture has.

    Parameters
    ----------
    version : str
        Of OME-Zarr, as read.
    omero : dict
        How to display the channels.
    multiscale : dict
        The image's name, and the type and the metadata of its levels.
    names : dict of str to str
        Of the axes, by their letters.
    types : dict of str to str
        Of the axes, by their letters: "time", "channel", "space" or any other.
    """

    version: str
    omero: dict[str, Any] = field(default_factory=dict)
    multiscale: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def part(self, letter: str, places: Sequence[int]) -> OmeZarrMetadata:
        """What is said of some places along an axis: that of their channels."""
        written = self.omero.get("channels")
        if letter != "C" or not isinstance(written, list) or len(written) <= max(places):
            return self
        return replace(self, omero={**self.omero, "channels": [written[n] for n in places]})


def picture_of(
    data: Any, multiscale: dict[str, Any], omero: Any, version: str, level: int = 0
) -> Picture:
    """One level of an OME-Zarr image.

    Parameters
    ----------
    data : zarr.Array
    multiscale : dict
    omero : dict or None
        The group's block of that name.
    version : str
        Of OME-Zarr; may be empty.
    level : int
        Place in the datasets.
    """
    multiscale, notes = _checked(multiscale, version)
    axes, found = _axes(multiscale, version, data.shape)
    steps, origin = _steps(multiscale, level, len(axes))
    by_letter = dict(zip(found.letters, axes, strict=True)) if axes else {}
    units = {letter: str(axis["unit"]) for letter, axis in by_letter.items() if axis.get("unit")}
    scale = _known_steps(dict(zip(found.letters, steps, strict=False)), units)
    native = OmeZarrMetadata(
        version=version,
        omero=omero if isinstance(omero, dict) else {},
        multiscale={
            key: multiscale[key] for key in ("name", "type", "metadata") if key in multiscale
        },
        names={letter: axis["name"] for letter, axis in by_letter.items() if says(axis["name"])},
        types={letter: axis["type"] for letter, axis in by_letter.items() if axis.get("type")},
    )
    channels, odd = _channels(native.omero, found.letters, data.shape)
    return Picture(
        data,
        found.letters,
        scale,
        units,
        named=found.named,
        channels=channels,
        native=native,
        name=str(multiscale.get("name") or native.omero.get("name") or ""),
        notes=(*notes, *found.notes, *_guessed(data, found), *odd),
        origin={a: at for a, at in zip(found.letters, origin, strict=False) if at},
    )


def _guessed(data: Any, found: NamedAxes) -> tuple[str, ...]:
    """What is said of axes that nobody names, where all of them are guessed."""
    if found.named:
        return ()
    guess = without_names(data)
    return guess.notes if guess.axes == found.letters else ()


def _known_steps(steps: dict[str, float], units: dict[str, str]) -> dict[str, float]:
    """Leave out steps of 1 without a unit: OME-Zarr writes them where the size is not known."""
    in_space = any(steps.get(letter, 1) != 1 or letter in units for letter in "ZYX")
    return {
        letter: step
        for letter, step in steps.items()
        if step != 1 or letter in units or (letter in "ZYX" and in_space)
    }


def _checked(multiscale: dict[str, Any], version: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What is said about an image, checked against the standard where there is a model of it."""
    if version in _OLD or not version:
        return multiscale, ()
    from pydantic import ValidationError
    from yaozarrs import v05

    try:
        model = v05.Multiscale.model_validate(multiscale)  # 0.4 differs in the version alone
        return {**multiscale, **model.model_dump(exclude_none=True)}, ()
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(str(part) for part in first["loc"] if isinstance(part, (str, int)))
        why = " ".join(f"{where} {first['msg']}".split("\n")[0].split()).rstrip(".")
        return multiscale, (f"Its metadata is not valid OME-Zarr {version}: {why}.",)


def _axes(
    multiscale: dict[str, Any], version: str, shape: Sequence[int]
) -> tuple[list[dict[str, Any]], NamedAxes]:
    """The axes as OME-Zarr describes them, none where it does not; and their letters."""
    written = multiscale.get("axes") or (_FIVE if version in (*_OLD, "") else "")
    axes = [{"name": a} if isinstance(a, str) else dict(a) for a in written]
    found = letters_of(
        [str(axis.get("name") or "") for axis in axes],
        shape,
        [str(axis.get("type") or "") for axis in axes],
    )
    return axes if len(axes) == len(shape) else [], found


def _steps(multiscale: dict[str, Any], level: int, count: int) -> tuple[list[float], list[float]]:
    """Step along each axis of a level, and where its first pixel is; none where nobody says."""
    steps, origin, said = np.ones(count), np.zeros(count), False
    for part in (multiscale["datasets"][level], multiscale):  # both apply, the level's first
        for one in part.get("coordinateTransformations") or []:
            values = one.get(one.get("type")) if isinstance(one, dict) else None
            if not isinstance(values, (list, tuple)) or len(values) != count:
                continue
            if one["type"] == "scale":
                steps, origin, said = steps * np.array(values), origin * np.array(values), True
            elif one["type"] == "translation":
                origin = origin + np.array(values)
    usable = said and bool(np.isfinite(steps).all() and (steps > 0).all())
    return (steps.tolist() if usable else []), origin.tolist()


def _channels(
    omero: dict[str, Any], axes: str, shape: Sequence[int]
) -> tuple[tuple[Channel, ...], tuple[str, ...]]:
    """How the channels are displayed; a note where there are others than the image has."""
    written = omero.get("channels")
    if not isinstance(written, list) or not written or "S" in axes:
        return (), ()
    count = int(shape[axes.index("C")]) if "C" in axes else 1
    if len(written) != count:
        counted = f"{len(written)} channel{'s' if len(written) != 1 else ''}"
        return (), (f"Its omero block counts {counted}, the image has {count}; it is left out.",)
    return tuple(channel_of(one if isinstance(one, dict) else {}) for one in written), ()


def channel_of(written: dict[str, Any]) -> Channel:
    """One channel of the omero block; what has another form than the standard's is left out."""
    window = written.get("window")
    window = window if isinstance(window, dict) else {}
    start, end = window.get("start"), window.get("end")
    colour = str(written.get("color") or "").lstrip("#").upper()
    return Channel(
        str(written.get("label") or ""),
        colour if re.fullmatch("[0-9A-F]{6}", colour) else "",
        (float(start), float(end)) if isinstance(start, _REAL) and isinstance(end, _REAL) else None,
    )
