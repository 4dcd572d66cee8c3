"""Parts of layers to train on: what is on screen and near it, or a rectangle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ...core.config import MOST_NEIGHBOURS
from ...core.data.neighbours import with_those_beside
from ...core.data.planes import CutPlanes, Planes
from ...core.errors import UserError
from ...layers import layer_planes
from .views import in_units_of, planes_on_screen

Part = Literal["all", "plane", "rectangle"]
SMALLEST = 32  # pixels: side of the smallest rectangle to learn from, as of the smallest crop


def part_of(
    layer: Any,
    part: Part,
    *,
    point: Sequence[float],
    units: Sequence[Any] | None = None,
    displayed: Sequence[int] = (),
    rectangle: np.ndarray[Any, Any] | None = None,
) -> Planes:
    """Planes to train on: all, those on screen, or a rectangle of all.

    With a single plane come those beside it in the stack, as many as a network can see.

    Parameters
    ----------
    layer : Image
    part : {"all", "plane", "rectangle"}
    point : sequence of float
        The viewer's position, world coordinates.
    units : sequence of Unit, optional
        Units of the point, as in `current_plane`.
    displayed : sequence of int, optional
        The viewer's axes that are on the canvas, `viewer.dims.displayed`.
    rectangle : ndarray, shape (N, D), optional
        Vertices in the layer's data coordinates.
    """
    planes = layer_planes(layer)
    height, width = planes.sizes[0]
    whole = slice(0, height), slice(0, width)
    if part == "plane":
        on_screen = planes_on_screen(layer, point, units, displayed)
        if len(on_screen) == 1:  # else they have their neighbours
            on_screen = with_those_beside(planes, on_screen[0], MOST_NEIGHBOURS)
        return CutPlanes(planes, [(index, *whole) for index in on_screen])
    if part == "rectangle":
        if rectangle is None:
            raise UserError("Draw a rectangle in a Shapes layer first.")
        rows, columns = (_span(rectangle[:, i], n) for i, n in ((-2, height), (-1, width)))
        return CutPlanes(planes, [(index, rows, columns) for index in range(len(planes.sizes))])
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
    world = [in_units_of(layer, corner, shapes.units)[-2:] for corner in corners]
    spare = (0.0,) * (layer.ndim - 2)
    return np.array([layer.world_to_data((*spare, *corner)) for corner in world])
