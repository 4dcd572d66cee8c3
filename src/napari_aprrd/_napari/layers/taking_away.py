"""Removing layers from the viewer without harm to napari's canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from .views import in_units_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

_DRAWN = 300  # ms in which the canvas has been drawn, also on a busy computer


def take_away(viewer: ViewerModel, layer: Any) -> None:
    """Remove a layer; a moment later, if the canvas does not draw it now.

    napari 0.9 on Mesa's OpenGL ends with a segmentation fault when the canvas draws an image after
    another one was removed that it had not drawn last time (because it was hidden, or on another
    plane). Therefore such a layer is first drawn where the canvas is, fully transparent.
    """
    if layer not in viewer.layers:
        return
    if _is_drawn(viewer, layer):
        viewer.layers.remove(layer)
        return
    layer.opacity, layer.visible = 0, True
    layer.translate = layer.translate + _way(viewer, layer)
    QTimer.singleShot(_DRAWN, lambda: layer in viewer.layers and viewer.layers.remove(layer))


def _is_drawn(viewer: ViewerModel, layer: Any) -> bool:
    return bool(layer.visible) and np.allclose(_way(viewer, layer), 0)


def _way(viewer: ViewerModel, layer: Any) -> np.ndarray[Any, Any]:
    """From a layer to the plane on screen, in world coordinates; 0 where it lies on it."""
    dims, (first, last) = viewer.dims, layer.extent.world
    point = in_units_of(layer, dims.point, dims.units)[-layer.ndim :]
    way = point - np.clip(point, first, last)
    displayed = [axis - dims.ndim for axis in dims.displayed if dims.ndim - axis <= layer.ndim]
    way[displayed] = 0
    return np.asarray(way)
