"""A part of a layer, as a layer of its own in the same place: what is tried before the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...core.errors import UserError
from ...layers import layer_array, layer_planes
from .views import current_plane

if TYPE_CHECKING:
    from napari.components import ViewerModel

Scope = Literal["everything", "plane", "region"]
SMALLEST = 64  # pixels: side of the smallest region that is tried; a smaller one teaches little


def part_layer(viewer: ViewerModel, layer: Any, scope: Scope) -> Any:
    """The layer, or a layer with the part of it that is on screen.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Image
    scope : {"everything", "plane", "region"}
        All of it, the plane on screen, or that part of the plane that the window shows.

    Returns
    -------
    Image
        The layer itself for everything; else one that is not in the viewer, with the same number
        of dimensions and the same look, in the place of its pixels.

    Raises
    ------
    UserError
        If the region is too small to learn from.
    """
    if scope == "everything":
        return layer
    planes = layer_planes(layer)
    index = current_plane(layer, viewer.dims.point, viewer.dims.units)
    rows, columns = (slice(0, n) for n in planes.sizes[index])
    if scope == "region":
        rows, columns = _on_screen(layer, planes.sizes[index])
    return _cropped(layer, planes.place(index, rows, columns))


def _on_screen(layer: Any, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the full resolution that the window shows; all without a window."""
    corners = np.asarray(layer.corner_pixels, float)
    if layer.multiscale:
        corners = corners * layer.downsample_factors[layer.data_level]
    spans = []
    for axis, length in zip((layer.ndim - 2, layer.ndim - 1), size, strict=True):
        start, stop = (int(c) for c in (corners[0, axis], corners[1, axis] + 1))
        start, stop = max(start, 0), min(stop, length)
        if stop - start <= 1:
            start, stop = 0, length
        if stop - start < min(SMALLEST, length):
            raise UserError(
                f"The region on screen has only {stop - start} pixels along one side; zoom out to "
                f"at least {SMALLEST} x {SMALLEST}."
            )
        spans.append(slice(start, stop))
    return spans[0], spans[1]


def _cropped(layer: Any, place: tuple[slice, ...]) -> Any:
    """A part of the layer's full resolution, where it lies in the whole."""
    from napari.layers import Image

    _, attributes, _ = layer.as_layer_data_tuple()
    attributes.pop("locked_data_level", None)
    start = [part.start or 0 for part in place][: layer.ndim]
    # The translation comes before the affine transform, which is therefore undone.
    corner = np.append(layer.data_to_world(start), 1.0)
    attributes |= {
        "multiscale": False,
        "translate": (np.linalg.inv(layer.affine.affine_matrix) @ corner)[:-1],
    }
    return Image(layer_array(layer)[place], **attributes)
