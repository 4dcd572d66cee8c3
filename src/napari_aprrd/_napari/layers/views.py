"""Views of layers: the plane on screen, previews and results in the layer list, drawn colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from ...core.data.planes import Image
from ...layers import KEY_MAP, KEY_SOURCE, has_identity, is_image_layer, layer_array, layer_planes

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

KEY_PREVIEW = "napari-aprrd preview"

# Hidden by us, because a result is shown in their place.
_replaced: WeakSet[Any] = WeakSet()


def image_layers(layers: Iterable[Any]) -> list[ImageLayer]:
    """Image layers among layers, in their order, without previews and maps."""
    return [
        layer
        for layer in layers
        if is_image_layer(layer) and not {KEY_PREVIEW, KEY_MAP} & set(layer.metadata)
    ]


def current_plane(layer: Any, point: Sequence[float], units: Sequence[Any] | None = None) -> int:
    """Index of the plane on screen among the layer's planes.

    Parameters
    ----------
    layer : Image
    point : sequence of float
        `viewer.dims.point`, world coordinates.
    units : sequence of Unit, optional
        `viewer.dims.units`: where layers differ in units, the point is in the smallest of them.
    """
    return planes_on_screen(layer, point, units)[0]


def planes_on_screen(
    layer: Any,
    point: Sequence[float],
    units: Sequence[Any] | None = None,
    displayed: Sequence[int] = (),
) -> list[int]:
    """Indices of the planes that the canvas shows or cuts.

    One, unless the layer is seen in 3-D or from another side; then all along the axes that are
    displayed.

    Parameters
    ----------
    layer : Image
    point, units
        As in `current_plane`.
    displayed : sequence of int
        `viewer.dims.displayed`.
    """
    planes = layer_planes(layer)
    position = layer.world_to_data(in_units_of(layer, point, units or ())[-layer.ndim :])
    axes = planes.axes.removesuffix("S")
    on_canvas = {axes[axis - len(point)] for axis in displayed if len(point) - axis <= len(axes)}
    at = dict(zip(axes, position, strict=True))
    index = [
        np.arange(length)
        if letter in on_canvas
        else np.array([min(max(round(float(at[letter])), 0), length - 1)])
        for letter, length in zip(planes.plane_axes, planes.plane_shape, strict=True)
    ]
    if not index:
        return [0]
    counts = np.meshgrid(*index, indexing="ij")
    return [int(i) for i in np.ravel_multi_index(counts, planes.plane_shape).ravel()]


def shows_planes(viewer: ViewerModel, layer: Any) -> bool:
    """Whether the canvas shows a layer's rows and columns; not a volume or another side of it."""
    before = viewer.dims.ndim - layer.ndim  # axes are aligned from the last
    return {axis - before for axis in viewer.dims.displayed} == {layer.ndim - 2, layer.ndim - 1}


def in_units_of(
    layer: Any, position: Sequence[float], units: Sequence[Any]
) -> np.ndarray[Any, Any]:
    """Convert a position to the layer's units.

    Axes are aligned from the last; incompatible units are left unconverted.
    """
    converted = np.array(position, float)
    for axis, (unit, own) in enumerate(zip(reversed(units), reversed(layer.units), strict=False)):
        if axis < len(converted) and unit.dimensionality == own.dimensionality:
            converted[-1 - axis] *= (1 * unit).to(own).magnitude
    return converted


def preview_layer(layer: Any, window: tuple[slice, slice], plane: Image, name: str) -> ImageLayer:
    """A 2-D preview layer for a window of a plane, placed where the plane is on screen.

    Parameters
    ----------
    layer : Image
        The source.
    window : (rows, columns)
    plane : ndarray, shape (C, h, w)
    name : str
    """
    from napari.layers import Image as ImageLayer

    flat = layer.as_layer_data_tuple()[1]
    corner = np.array([0.0] * (layer.ndim - 2) + [s.start for s in window])
    origin = np.asarray(layer.data_to_world(corner))[-2:]
    affine = np.eye(3)  # scale, rotation and shear in the plane: where each axis goes
    affine[:2, 2] = origin
    for axis, step in enumerate(np.eye(layer.ndim)[-2:]):
        affine[:2, axis] = np.asarray(layer.data_to_world(corner + step))[-2:] - origin
    return ImageLayer(
        shown(layer, plane),
        name=name,
        rgb=layer.rgb,
        affine=affine,
        colormap=None if layer.rgb else layer.colormap,
        contrast_limits=layer.contrast_limits,
        gamma=layer.gamma,
        units=flat["units"][-2:],
        axis_labels=flat["axis_labels"][-2:],
        metadata={KEY_PREVIEW: True},
    )


def shown(layer: Any, plane: Image) -> np.ndarray[Any, Any]:
    """A plane (C, h, w) in the type of the layer: (h, w), or (h, w, C) for RGB."""
    from ...axes import convert

    values = convert(plane, np.dtype(layer_array(layer).dtype).newbyteorder("="))
    return np.moveaxis(values, 0, -1) if layer.rgb else values[0]


def drawn(layer: Any, plane: Image) -> np.ndarray[Any, Any]:
    """A plane (C, h, w) in the colours and contrast of the layer: (h, w, 3), uint8."""
    values = shown(layer, plane)
    if layer.rgb:
        integers = np.issubdtype(values.dtype, np.integer)
        colours = values[..., :3] / (np.iinfo(values.dtype).max if integers else 1)
    else:
        low, high = layer.contrast_limits
        grey = ((values.astype(float) - low) / (high - low)).clip(0, 1) ** layer.gamma
        colours = layer.colormap.map(grey.ravel()).reshape(*grey.shape, 4)[..., :3]
    return np.asarray(255 * np.nan_to_num(colours).clip(0, 1)).astype(np.uint8)


def add_above(viewer: ViewerModel, layer: Any, source: Any) -> None:
    """Add a layer above its source and what was made of it before, so that it is seen.

    On top, if the source is gone or what lies below is hidden: right above a hidden layer and
    below a visible one, napari's canvas can crash when the layer is removed again. The selection
    stays.
    """
    names = {other.name for other in viewer.layers}
    name, number = layer.name, 1
    while layer.name in names:
        number += 1
        layer.name = f"{name} [{number}]"
    selected = set(viewer.layers.selection)
    place = _above(viewer, source) if source in viewer.layers else 0
    if not place or not viewer.layers[place - 1].visible:
        place = len(viewer.layers)
    viewer.layers.insert(place, layer)
    viewer.layers.selection = selected


def _above(viewer: ViewerModel, source: Any) -> int:
    """Place in the layer list right above a source and its results."""
    made = [
        place
        for place, layer in enumerate(viewer.layers)
        if has_identity(source, layer.metadata.get(KEY_SOURCE, ""))
    ]
    return max([viewer.layers.index(source), *made]) + 1


def show_result(viewer: ViewerModel, result: Any, source: Any) -> None:
    """Add a result above its source, and select it instead of the source.

    The source is hidden where both would be blended into one brighter picture. What the user has
    selected meanwhile stays selected.
    """
    result.visible = True
    add_above(viewer, result, source)
    if blends(source):
        _hide_behind(viewer, source, result)
    selected = set(viewer.layers.selection)
    if not selected or source in selected:
        viewer.layers.selection = (selected - {source}) | {result}


def _hide_behind(viewer: ViewerModel, source: Any, result: Any) -> None:
    """Hide a source as long as its result is there."""
    source, removed = _bare(source), viewer.layers.events.removed
    _replaced.add(source)
    source.visible = False

    def show_again(event: Any) -> None:
        if event.value is result:
            removed.disconnect(show_again)
            if source in _replaced:
                _replaced.discard(source)
                source.visible = True

    removed.connect(show_again)


def is_put_away(layer: Any) -> bool:
    """Whether the user has hidden a layer; not where a result is shown in its place."""
    if layer.visible:
        _replaced.discard(_bare(layer))
    return not layer.visible and _bare(layer) not in _replaced


def blends(layer: Any) -> bool:
    """Whether what lies below a layer in the list changes how it looks."""
    covers = layer.blending in ("opaque", "translucent", "translucent_no_depth")
    return not covers or layer.opacity < 1


def _bare(layer: Any) -> Any:
    """The layer itself: napari hands proxies to plugins, which do not live as long."""
    return getattr(layer, "__wrapped__", layer)
