"""Layers as pictures: pixels, and all that a file can keep of what napari and their file say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...core.errors import UserError
from ...files.picture import EVERYTHING, Channel, Picture
from ...layers import KEY, labelled_axes, layer_axes, layer_values
from .source import has_sizes, learn_axes, source_of

GREY = "FFFFFF"  # napari's colours where nobody chose any
Sizes = dict[str, float]


def picture_of(layer: Any) -> Picture:
    """An image layer with its axes, sizes, place, look and record, and what else its file says.

    Raises
    ------
    UserError
        If it is not an image layer.
    """
    data = _numbers(layer)
    learn_axes(layer)
    axes = layer_axes(layer)
    about = _from_file(layer, axes)
    scale, units = _steps(layer, axes, about)
    return replace(
        about,
        data=data,
        axes=axes,
        scale=scale,
        units=units,
        origin=_origin(layer, axes, scale) or about.origin,
        named=bool(labelled_axes(layer)),
        channels=_channels(layer, axes, about.channels),
        name=about.name or layer.name,
        record=layer.metadata.get(KEY) or about.record,
    )


def channels_picture(layers: Sequence[Any]) -> Picture:
    """Several image layers as the channels of one picture.

    Raises
    ------
    UserError
        If they do not have equal axes and sizes, or have channels of their own.
    """
    pictures = [picture_of(layer) for layer in layers]
    first = pictures[0]
    kinds = {(p.axes, tuple(p.data.shape), *_rounded(p.scale)) for p in pictures}
    if len(kinds) > 1 or {"C", "S"} & set(first.axes):
        raise UserError(
            "Layers become the channels of one file where they have equal axes, lengths and pixel "
            "sizes, and no channels of their own; save these one by one, or to a folder."
        )
    axis = first.axes.index("Z" if "Z" in first.axes else "Y")
    return replace(
        first,
        data=_stacked([p.data for p in pictures], axis),
        axes=f"{first.axes[:axis]}C{first.axes[axis:]}",
        channels=tuple(channel for p in pictures for channel in p.channels),
        native=None,
        record=_joined_record({p.channels[0].name: p.record for p in pictures if p.record}),
    )


def for_tiff(picture: Picture) -> Picture:
    """Say which kind of TIFF to write: that of the layer's file, or OME, which keeps the most."""
    is_photograph = picture.icc_profile or picture.exif
    ome = not picture.flavour and not is_photograph and set(picture.axes) <= set("TZCYXS")
    return replace(picture, flavour="ome") if ome else picture


def _numbers(layer: Any) -> Any:
    """The layer's data in full resolution; yes and no become 1 and 0."""
    data = layer_values(layer)
    return data.astype(np.uint8) if data.dtype.kind == "b" else data


def _from_file(layer: Any, axes: str) -> Picture:
    """What the layer's file says about these axes."""
    source = source_of(layer)
    if source is None:
        return Picture(None, axes)
    picture = source.picture
    if source.is_whole and source.axes == axes:
        return replace(picture, path=None, choice=EVERYTHING, series=1, series_count=1, notes=())
    name = layer.name.removesuffix(" denoised")
    channels = [channel for channel in picture.channels if channel.name == name]
    return Picture(
        None,
        axes,
        picture.scale,
        picture.units,
        picture.flavour,
        channels=tuple(channels[:1]),
        record=picture.record,
    )


def _steps(layer: Any, axes: str, about: Picture) -> tuple[Sizes, dict[str, str]]:
    """Sizes of the steps along the axes, and their units: the layer's, or else the file's."""
    scale = {a: step for a, step in about.scale.items() if a in axes}
    units = {a: unit for a, unit in about.units.items() if a in axes}
    if not has_sizes(layer):
        return scale, units
    steps = {a: abs(float(s)) for a, s in zip(axes, layer.scale, strict=False)}
    names = {a: f"{unit:~}" for a, unit in zip(axes, layer.units, strict=False) if _is_real(unit)}
    space = any(steps[a] != 1 or a in names for a in "ZYX" if a in steps)
    for letter, step in steps.items():
        # Step 1 without a unit says something only beside other steps in space.
        if letter in names or step != 1 or (letter in "ZYX" and space):
            if letter in names:
                units[letter] = names[letter]
            elif not math.isclose(step, scale.get(letter, 0)):
                units.pop(letter, None)  # the file's unit is not that of another step
            scale[letter] = step
    return scale, units


def _is_real(unit: Any) -> bool:
    return str(unit) != "pixel"


def _origin(layer: Any, axes: str, scale: Sizes) -> Sizes:
    """Where the first pixel is; empty for a layer that was not moved."""
    if not np.any(layer.translate):
        return {}
    places = zip(axes, layer.translate, layer.scale, strict=False)
    return {a: float(at) * scale.get(a, abs(step)) / abs(step) for a, at, step in places}


def _channels(layer: Any, axes: str, known: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """Names, colours and windows of the channels, as far as the layer or its file says them."""
    if "S" in axes:
        return known
    low, high = map(float, layer.contrast_limits)
    if "C" in axes and layer.data.shape[axes.index("C")] > 1:  # napari shows all in one colour
        plain = (Channel(),) * int(layer.data.shape[axes.index("C")])
        return tuple(replace(c, window=c.window or (low, high)) for c in known or plain)
    own, colour = known[0] if len(known) == 1 else Channel(), _colour(layer.colormap)
    if colour == GREY and own.colour:  # napari's reader drops the file's
        colour = own.colour
    return (Channel(own.name or layer.name, colour, (low, high)),)


def _colour(colormap: Any) -> str:
    """The colour of a map that goes from black to it; empty for maps of several colours."""
    low, middle, high = colormap.map(np.array([0.0, 0.5, 1.0]))[:, :3]
    if not np.allclose(low, 0, atol=0.01) or not np.allclose(middle, high / 2, atol=0.02):
        return ""
    return "".join(f"{round(255 * float(part)):02X}" for part in high)


def _rounded(scale: Sizes) -> list[tuple[str, float]]:
    return sorted((a, float(f"{step:.6g}")) for a, step in scale.items())


def _stacked(parts: Sequence[Any], axis: int) -> Any:
    """Arrays along a new axis; lazy where one of them is."""
    import dask.array as da

    if all(isinstance(part, np.ndarray) for part in parts):
        return np.stack(parts, axis)
    return da.stack([da.asanyarray(part) for part in parts], axis)


def _joined_record(records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How the channels were made: the first one's record, and all where they differ."""
    if not records:
        return {}
    first, *others = records.values()
    return first if all(other == first for other in others) else {**first, "channels": records}
