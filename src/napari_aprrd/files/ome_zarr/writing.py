"""What a picture says, as OME-Zarr 0.5 says it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..picture import Channel, Picture, with_axes_in_order
from ..units import long_name
from .metadata import OmeZarrMetadata, channel_of

_VERSION = "0.5"
_TYPES = {"T": "time", "C": "channel", "S": "channel", "Z": "space", "Y": "space", "X": "space"}
_COLOURS = ("FF0000", "00FF00", "0000FF", "FFFFFF")  # of samples: red, green, blue, alpha
_SAMPLES = ("red", "green", "blue", "alpha")
_ANY_COLOUR = "FFFFFF"  # OME-Zarr wants one for every channel; white says the least


def in_order(picture: Picture) -> Picture:
    """The picture with its axes in the order that OME-Zarr asks for: time, channels, space.

    A last axis of length 1 whose meaning was guessed stays where it is.
    """
    axes, shape = picture.axes, picture.data.shape
    if not picture.named and axes[-1] not in "YX" and shape[-1] == 1:
        return picture
    ranks = {"T": 0, "Z": 2, "Y": 3, "X": 4} if picture.named else {"Y": 3, "X": 4}
    return with_axes_in_order(picture, "".join(sorted(axes, key=lambda a: ranks.get(a, 1))))


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
    start = np.array([picture.origin.get(letter, 0.0) for letter in picture.axes])
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
    image = {"version": _VERSION, "multiscales": [multiscale]}
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
    return native if isinstance(native, OmeZarrMetadata) else OmeZarrMetadata(_VERSION)


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
            (one for one in _from(number, written) if channel_of(one) == channel), {}
        )
        window = own.get("window")
        if not isinstance(window, dict) or not {"min", "max", "start", "end"} <= set(window):
            window = _window(picture, channel, number, smallest)
        colour = channel.colour or _ANY_COLOUR
        label = {"label": channel.name} if channel.name else {}
        blocks.append({"active": channel.name != "alpha" or not samples, **own, **label})
        blocks[-1] |= {"color": colour, "window": window}
    version = {"version": _VERSION} if "version" in native else {}
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
