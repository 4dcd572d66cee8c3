"""Which layers are meant: what may be chosen without asking, and what was made from what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...layers import KEY_SOURCE, KEY_TRUTH, has_identity
from .views import image_layers, is_put_away

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image


def usable(viewer: ViewerModel) -> list[Image]:
    """The viewer's image layers in their order, without previews and maps."""
    return image_layers(viewer.layers)


def default(viewer: ViewerModel) -> Image | None:
    """The layer that is meant where the user has chosen none.

    The active one, or the source of the active one; else the topmost. Never a hidden layer, a
    denoised one or a clean truth.
    """
    sound = [layer for layer in usable(viewer) if not doubt(layer)]
    active: Any = viewer.layers.selection.active
    while active is not None and active not in sound:
        active = source_of(viewer, active)
    return active if active is not None else next(reversed(sound), None)


def doubt(layer: Any) -> str:
    """Why it is odd to train on a layer or to denoise it, in one sentence; empty if it is not."""
    name = f"{layer.name!r}"
    if layer.metadata.get(KEY_TRUTH):
        return f"{name} is the clean image that belongs to the sample, not the noisy one."
    if is_result(layer):
        return f"{name} is denoised already."
    if is_put_away(layer):
        return f"{name} is hidden."
    return ""


def is_result(layer: Any) -> bool:
    """Whether a layer was made by denoising another one."""
    return KEY_SOURCE in layer.metadata


def source_of(viewer: ViewerModel, result: Any) -> Image | None:
    """The layer that a result was made from, whatever it is called now; None if it is gone."""
    known = result.metadata.get(KEY_SOURCE, "")
    return next((layer for layer in usable(viewer) if has_identity(layer, known)), None)


def results_of(viewer: ViewerModel, source: Any) -> list[Image]:
    """The layers that were made from this one, in their order."""
    made = [layer for layer in usable(viewer) if is_result(layer)]
    return [layer for layer in made if has_identity(source, layer.metadata[KEY_SOURCE])]


def channel_group(viewer: ViewerModel, layer: Any) -> list[Image]:
    """The layers that are channels of the same image as this one, itself among them.

    napari keeps no link between the layers that it makes of an image's channels. Taken for such
    are layers of the same file and reader, shape, type and place, all but the lowest of them
    blended additively.
    """
    if layer.rgb:
        return [layer]
    alike = [
        other
        for other in usable(viewer)
        if not other.rgb
        and is_result(other) == is_result(layer)
        and bool(other.metadata.get(KEY_TRUTH)) == bool(layer.metadata.get(KEY_TRUTH))
        and _kind(other) == _kind(layer)
        and np.allclose(_place(other), _place(layer))
    ]
    additive = all(other.blending == "additive" for other in alike[1:])
    return alike if len(alike) > 1 and additive else [layer]


def meant_together(viewer: ViewerModel, layer: Image) -> list[Image]:
    """The layers that may be meant beside this one, itself among them.

    The channels of the same image; else what is selected in the layer list, but nothing odd.
    """
    group = channel_group(viewer, layer)
    selected = viewer.layers.selection
    if len(group) > 1 or layer not in selected:
        return group
    return [other for other in usable(viewer) if other in selected and not doubt(other)] or [layer]


def _kind(layer: Any) -> tuple[Any, ...]:
    source = layer.source
    shapes = [tuple(level.shape) for level in (layer.data if layer.multiscale else [layer.data])]
    data = layer.data[0] if layer.multiscale else layer.data
    where = (source.path, source.reader_plugin, source.sample)
    return (*where, shapes, data.dtype, tuple(map(str, layer.units)))


def _place(layer: Any) -> np.ndarray[Any, Any]:
    """What takes the layer's pixels to the world, as a matrix."""
    corners = np.vstack([np.zeros(layer.ndim), np.eye(layer.ndim)])
    return np.array([layer.data_to_world(corner) for corner in corners])
