"""Maps of a denoised layer: layers at the top of the list, of which one is shown at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...layers import KEY_MAP, has_identity

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

KEY_KIND = "napari-aprrd kind of map"  # in the metadata of a map


def maps_of(viewer: ViewerModel, result: Any) -> list[Image]:
    """The maps of a denoised layer, in the order of the layer list."""
    layers: list[Any] = list(viewer.layers)
    return [layer for layer in layers if has_identity(result, layer.metadata.get(KEY_MAP, ""))]


def show_map(viewer: ViewerModel, result: Any, kind: str, make: Callable[[], Image | None]) -> None:
    """Show one map of a denoised layer, above everything, and hide its other maps.

    A map that is there already is selected, too; a new one leaves the selection as it is, because
    the next step is for the same layers.

    Parameters
    ----------
    viewer : ViewerModel
    result : Image
        The denoised layer.
    kind : str
        Which map.
    make : callable
        Makes the map's layer where there is none yet; None for no map.
    """
    there = [layer for layer in maps_of(viewer, result) if layer.metadata.get(KEY_KIND) == kind]
    if there:
        layer = there[-1]
        viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
        selected = {layer}
    else:
        made, selected = make(), set(viewer.layers.selection)
        if made is None:
            return
        layer = made
        layer.metadata[KEY_KIND] = kind
        viewer.layers.append(layer)
    hide_maps(viewer, result)
    layer.visible = True
    viewer.layers.selection = selected


def hide_maps(viewer: ViewerModel, result: Any) -> None:
    """Hide all maps of a denoised layer, so that it is seen itself."""
    for layer in maps_of(viewer, result):
        layer.visible = False
