"""Views of layers: current plane, rectangle, preview, drawn colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.data.planes import Image, Planes
from ..core.errors import UserError

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
from ..layers import is_image_layer, layer_array, layer_planes

Part = Literal["all", "plane", "rectangle"]
SMALLEST = 32  # pixels: side of the smallest rectangle to learn from, as of the smallest crop
KEY_PREVIEW = "napari-aprrd preview"


def image_layers(layers: Iterable[Any]) -> list[ImageLayer]:
    """Image layers among layers, in their order, without previews."""
    return [
        layer for layer in layers if is_image_layer(layer) and KEY_PREVIEW not in layer.metadata
    ]


@dataclass(frozen=True)
class PartPlanes:
    """The same window of some of another source's planes."""

    whole: Planes
    planes: Sequence[int]
    rows: slice
    columns: slice

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return self.whole.channels

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each plane, in pixels."""
        rows, columns = self.rows, self.columns
        return [(rows.stop - rows.start, columns.stop - columns.start)] * len(self.planes)

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""
        return self.whole.colours

    @property
    def in_memory(self) -> bool:
        """Whether reading takes negligible time."""
        return self.whole.in_memory

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32."""
        top, left = self.rows.start, self.columns.start
        return self.whole.read(
            self.planes[plane],
            slice(rows.start + top, rows.stop + top),
            slice(columns.start + left, columns.stop + left),
        )


def part_of(
    layer: Any,
    part: Part,
    *,
    point: Sequence[float],
    units: Sequence[Any] | None = None,
    rectangle: np.ndarray[Any, Any] | None = None,
) -> Planes:
    """Planes to train on: all, the one on screen, or a rectangle of all.

    Parameters
    ----------
    layer : Image
    part : {"all", "plane", "rectangle"}
    point : sequence of float
        The viewer's position, world coordinates.
    units : sequence of Unit, optional
        Units of the point, as in `current_plane`.
    rectangle : ndarray, shape (N, D), optional
        Vertices in the layer's data coordinates.
    """
    planes = layer_planes(layer)
    height, width = planes.sizes[0]
    whole = slice(0, height), slice(0, width)
    if part == "plane":
        return PartPlanes(planes, [current_plane(layer, point, units)], *whole)
    if part == "rectangle":
        if rectangle is None:
            raise UserError("Draw a rectangle in a Shapes layer first.")
        rows, columns = (_span(rectangle[:, i], n) for i, n in ((-2, height), (-1, width)))
        return PartPlanes(planes, range(len(planes.sizes)), rows, columns)
    return planes


def _span(positions: np.ndarray[Any, Any], length: int) -> slice:
    start, stop = max(int(np.floor(positions.min())), 0), min(int(np.ceil(positions.max())), length)
    if stop - start < SMALLEST:
        raise UserError(
            f"The rectangle covers less than {SMALLEST} x {SMALLEST} pixels of the image; "
            "draw a larger one on it."
        )
    return slice(start, stop)


def rectangle_in(shapes: Any, layer: Any) -> np.ndarray[Any, Any]:
    """Vertices of the selected or else the last shape, in the layer's data coordinates."""
    if not shapes.data:
        raise UserError(f"Draw a rectangle in {shapes.name!r} first.")
    index = min(shapes.selected_data, default=len(shapes.data) - 1)
    vertices = shapes.data[index]
    corners = (shapes.data_to_world(vertex) for vertex in vertices)
    world = [_in_units_of(layer, corner, shapes.units)[-2:] for corner in corners]
    spare = (0.0,) * (layer.ndim - 2)
    return np.array([layer.world_to_data((*spare, *corner)) for corner in world])


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
    planes = layer_planes(layer)
    position = layer.world_to_data(_in_units_of(layer, point, units or ())[-layer.ndim :])
    at = dict(zip(planes.axes.removesuffix("S"), position, strict=True))
    index = [
        min(max(round(float(at[letter])), 0), length - 1)
        for letter, length in zip(planes.plane_axes, planes.plane_shape, strict=True)
    ]
    return int(np.ravel_multi_index(index, planes.plane_shape)) if index else 0


def _in_units_of(
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
    from ..axes import convert

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
    """Add a layer right above its source, or on top if the source is gone."""
    names = {other.name for other in viewer.layers}
    name, number = layer.name, 1
    while layer.name in names:
        number += 1
        layer.name = f"{name} [{number}]"
    selected = set(viewer.layers.selection)
    place = viewer.layers.index(source) + 1 if source in viewer.layers else len(viewer.layers)
    viewer.layers.insert(place, layer)
    viewer.layers.selection = (
        selected  # the selection stays, because the next step is for the same layers
    )
