"""What OME-Zarr says about an image: into a picture, and from one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .picture import Channel, Picture
from .units import long_name
from .zarr_axes import NamedAxes, letters_of, says

VERSION = "0.5"  # that is written
_OLD = ("0.1", "0.2", "0.3")  # without scales, and their axes are letters or always the same
_FIVE = "tczyx"  # of 0.1 and 0.2
_TYPES = {"T": "time", "C": "channel", "S": "channel", "Z": "space", "Y": "space", "X": "space"}
_COLOURS = ("FF0000", "00FF00", "0000FF", "FFFFFF")  # of samples: red, green, blue, alpha
_SAMPLES = ("red", "green", "blue", "alpha")
_ANY_COLOUR = "FFFFFF"  # OME-Zarr wants one for every channel; white says the least


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
    translation : dict of str to float
        Where the first pixel is, in the units of the axes.
    """

    version: str
    omero: dict[str, Any] = field(default_factory=dict)
    multiscale: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    translation: dict[str, float] = field(default_factory=dict)


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
        translation={a: at for a, at in zip(found.letters, origin, strict=False) if at},
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
        notes=(*notes, *found.notes, *odd),
    )


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
        return (), (
            f"Its omero block, of {len(written)} channels for an image of {count}, is left out.",
        )
    return tuple(_channel(one if isinstance(one, dict) else {}) for one in written), ()


def _channel(written: dict[str, Any]) -> Channel:
    window = written.get("window")
    window = window if isinstance(window, dict) else {}
    start, end = window.get("start"), window.get("end")
    known = isinstance(start, (int, float)) and isinstance(end, (int, float))
    colour = str(written.get("color") or "").lstrip("#").upper()
    return Channel(
        str(written.get("label") or ""),
        colour if re.fullmatch("[0-9A-F]{6}", colour) else "",
        (float(start), float(end)) if known else None,
    )


def in_order(picture: Picture) -> Picture:
    """The picture with its axes in the order that OME-Zarr asks for: time, channels, space.

    A last axis of length 1 whose meaning was guessed stays where it is.
    """
    axes, shape = picture.axes, picture.data.shape
    if not picture.named and axes[-1] not in "YX" and shape[-1] == 1:
        return picture
    ranks = {"T": 0, "Z": 2, "Y": 3, "X": 4} if picture.named else {"Y": 3, "X": 4}
    ordered = "".join(sorted(axes, key=lambda letter: ranks.get(letter, 1)))
    if ordered == axes:
        return picture
    import dask.array as da

    data = da.asanyarray(picture.data)
    return replace(picture, data=data.transpose([axes.index(a) for a in ordered]), axes=ordered)


def names_of(picture: Picture) -> list[str]:
    """Names of the axes; those of unknown meaning are numbered."""
    native = _native(picture)
    guessed = "" if picture.named else "TZIC"
    named = [
        f"dim_{place}" if letter in guessed else native.names.get(letter, letter.lower())
        for place, letter in enumerate(picture.axes)
    ]
    return named if len(set(named)) == len(named) else [a.lower() for a in picture.axes]


def metadata_of(picture: Picture, levels: Sequence[Any]) -> dict[str, Any]:
    """What OME-Zarr says about an image.

    Parameters
    ----------
    picture : Picture
        Its step along an axis is 1 where the size is not known.
    levels : sequence of zarr.Array
        Named "0", "1" and so on; each half as high and wide as the one before.
    """
    from yaozarrs import v05

    steps = np.array([picture.scale.get(letter, 1.0) for letter in picture.axes])
    start = _origin(picture)
    datasets = []
    for number in range(len(levels)):
        factors = np.array([2**number if letter in "YX" else 1 for letter in picture.axes])
        # Pixels of a lower level are centred between those of the full resolution.
        moved = start + steps * (factors - 1) / 2
        change: list[Any] = [v05.ScaleTransformation(scale=(steps * factors).tolist())]
        if moved.any():
            change.append(v05.TranslationTransformation(translation=moved.tolist()))
        datasets.append(v05.Dataset(path=str(number), coordinateTransformations=change))
    axes = [
        _axis(name, letter, picture)
        for name, letter in zip(names_of(picture), picture.axes, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on units that are not in its list
        multiscale = _multiscale(axes, datasets, picture.name)
    omero = _omero(picture, levels[-1])
    image = {"version": VERSION, "multiscales": [multiscale]}
    return {**image, "omero": omero} if omero else image


def _multiscale(axes: list[dict[str, str]], datasets: list[Any], name: str) -> dict[str, Any]:
    """Checked by the model of the standard, where the image has no more axes than that allows."""
    from pydantic import ValidationError
    from yaozarrs import v05

    about: dict[str, Any] = {
        **({"name": name} if name else {}),
        "axes": axes,
        "datasets": [level.model_dump(exclude_none=True) for level in datasets],
        "type": "mean",
    }
    try:
        return v05.Multiscale.model_validate(about).model_dump(exclude_none=True)
    except ValidationError:  # six axes, or a last one of length 1: readers take them all the same
        return about


def _axis(name: str, letter: str, picture: Picture) -> dict[str, str]:
    axis = {"name": name}
    kind = _TYPES.get(letter) or _native(picture).types.get(letter, "")
    if kind and (picture.named or letter in "YXS"):
        axis["type"] = kind
    unit = picture.units.get(letter, "")
    if unit:
        axis["unit"] = long_name(unit)
    return axis


def _native(picture: Picture) -> OmeZarrMetadata:
    native = picture.native
    return native if isinstance(native, OmeZarrMetadata) else OmeZarrMetadata(VERSION)


def _origin(picture: Picture) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Where the first pixel is; not known along an axis of which planes were chosen."""
    origin = dict(_native(picture).translation)
    if picture.choice.planes is not None:
        origin.pop(picture.axes[0], None)
    return np.array([origin.get(letter, 0.0) for letter in picture.axes])


def _omero(picture: Picture, smallest: Any) -> dict[str, Any]:
    """How the channels are displayed; empty where nobody says."""
    axes, shape = picture.axes, smallest.shape
    samples = int(shape[axes.index("S")]) if "S" in axes else 0
    channels = picture.channels
    if 3 <= samples <= len(_SAMPLES):
        pairs = zip(_SAMPLES[:samples], _COLOURS, strict=False)
        channels = tuple(Channel(name, colour) for name, colour in pairs)
    if len(channels) != (samples or (int(shape[axes.index("C")]) if "C" in axes else 1)):
        return {}
    native = _native(picture).omero
    written = [one for one in native.get("channels") or [] if isinstance(one, dict)]
    blocks = []
    for number, channel in enumerate(channels):
        own: dict[str, Any] = next(
            (one for one in _from(number, written) if _channel(one) == channel), {}
        )
        window = own.get("window")
        if not isinstance(window, dict) or not {"min", "max", "start", "end"} <= set(window):
            window = _window(picture, channel, number, smallest)
        colour = channel.colour or _ANY_COLOUR
        label = {"label": channel.name} if channel.name else {}
        blocks.append({"active": channel.name != "alpha" or not samples, **own, **label})
        blocks[-1] |= {"color": colour, "window": window}
    version = {"version": VERSION} if "version" in native else {}
    return {**native, **version, "channels": blocks}


def _from(start: int, items: list[Any]) -> list[Any]:
    """A list that begins with the item at the same place: equal channels are told apart by it."""
    return items[start:] + items[:start]


def _window(picture: Picture, channel: Channel, number: int, smallest: Any) -> dict[str, float]:
    """What is displayed as black and as full colour, within what the type can hold."""
    integer = smallest.dtype.kind in "iu"
    start, end = channel.window or (None, None)
    if start is None or end is None:
        full = np.iinfo(smallest.dtype) if integer and "S" in picture.axes else None
        start, end = (full.min, full.max) if full else _extent(picture, number, smallest)
    low, high = (
        (np.iinfo(smallest.dtype).min, np.iinfo(smallest.dtype).max) if integer else (start, end)
    )
    return {"min": float(low), "max": float(high), "start": float(start), "end": float(end)}


def _extent(picture: Picture, number: int, smallest: Any) -> tuple[float, float]:
    """Smallest and largest intensity of the middle plane of a channel."""
    at = {"Y": slice(None), "X": slice(None), "C": number, "S": number}
    lengths = zip(picture.axes, smallest.shape, strict=True)
    plane = np.asarray(smallest[tuple(at.get(a, int(length) // 2) for a, length in lengths)])
    finite = plane[np.isfinite(plane)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
