"""A part of a layer, as a layer of its own in the same place: what is tried before the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ...core.config import MOST_NEIGHBOURS
from ...core.data.neighbours import Amid
from ...core.errors import UserError
from ...layers import layer_array, layer_planes
from .views import current_plane

if TYPE_CHECKING:
    from napari.components import ViewerModel

Scope = Literal["everything", "plane", "region"]
SMALLEST = 64  # pixels: side of the smallest region that is tried; a smaller one teaches little


class Part(NamedTuple):
    """What is denoised, and what is learnt from for it.

    Parameters
    ----------
    layer : Image
        What is denoised.
    amid : Amid or None
        Of a part: its plane and those beside it in the stack, as many as a model can see, in the
        same rows and columns.
    """

    layer: Any
    amid: Amid | None = None


def part_on_screen(viewer: ViewerModel, layer: Any, scope: Scope) -> Part:
    """The layer, or the part of it that is on screen.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Image
    scope : {"everything", "plane", "region"}
        All of it, the plane on screen, or that part of the plane that the window shows.

    Returns
    -------
    Part
        With the layer itself for everything; else with one that is not in the viewer, with the same
        number of dimensions and the same look, in the place of its pixels.

    Raises
    ------
    UserError
        If the region is too small to learn from.
    """
    if scope == "everything":
        return Part(layer)
    planes = layer_planes(layer)
    index = current_plane(layer, viewer.dims.point, viewer.dims.units)
    rows, columns = (slice(0, n) for n in planes.sizes[index])
    if scope == "region":
        rows, columns = _on_screen(layer, planes.sizes[index])
    amid = Amid.of(planes, index, rows, columns, MOST_NEIGHBOURS)
    return Part(_cropped(layer, planes.place(index, rows, columns)), amid)


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
