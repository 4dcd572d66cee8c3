"""napari layers as arrays with axes, and back; napari is not imported for it."""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

from .axes import LETTERS, ArrayPlanes, check_array, stack_axes
from .core.errors import UserError

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer


KEY = "napari-aprrd"  # in a layer's metadata: how it was made
KEY_FILE = "napari-aprrd file"  # in a layer's metadata: path of the file that its source is from


def is_image_layer(thing: object) -> TypeGuard[ImageLayer]:
    """True for a napari Image layer; never imports napari itself."""
    layers = sys.modules.get("napari.layers")
    return layers is not None and isinstance(thing, layers.Image)


def layer_array(layer: Any) -> Any:
    """The layer's data; of a multiscale layer the full resolution.

    Raises
    ------
    UserError
        If it is not an image layer, or contains no numbers.
    """
    data = layer_values(layer)
    check_array(data)
    return data


def layer_values(layer: Any) -> Any:
    """The data of any image layer, of masks as well; of a multiscale layer the full resolution.

    Raises
    ------
    UserError
        If it is not an image layer.
    """
    if not is_image_layer(layer):
        name = getattr(layer, "name", type(layer).__name__)
        raise UserError(f"{name!r} is not an image layer; choose an image.")
    return layer.data[0] if layer.multiscale else layer.data


def layer_axes(layer: Any) -> str:
    """Letters of the layer's axes.

    `rgb` decides on S. The layer's axis labels count where each is one of "ITZCYX"; otherwise
    what comes before Y and X is a stack of planes.
    """
    shape = layer_values(layer).shape
    samples = "S" if layer.rgb else ""
    # The length of a last axis says nothing here: `rgb` has, and napari shows the last two axes.
    return (labelled_axes(layer) or stack_axes(shape[: len(shape) - len(samples)])) + samples


def labelled_axes(layer: Any) -> str:
    """Letters that the layer's axis labels say, without RGB samples; empty where they say none.

    napari's own labels, "-3" for the third axis from the end, say none.
    """
    labels = "".join(label.upper() for label in layer.axis_labels)
    single = all(len(label) == 1 for label in layer.axis_labels)
    return labels if single and _is_valid(labels) else ""


def name_axes(layer: Any, axes: str) -> None:
    """Say which axis of a layer is which: its axis labels, which napari keeps and shows.

    Parameters
    ----------
    layer : Image
    axes : str
        Letters of "ITZCYX", Y and X last; RGB samples are not named.

    Raises
    ------
    UserError
        If the letters do not fit.
    """
    axes = axes.strip().upper()
    layer_values(layer)
    if len(axes) != layer.ndim or not _is_valid(axes):
        raise UserError(
            f"{layer.name!r} needs {layer.ndim} different letters of ITZCYX, the last two YX."
        )
    layer.axis_labels = tuple(axes.lower())


def _is_valid(labels: str) -> bool:
    known = set(labels) <= set(LETTERS) - {"S"}
    return known and labels.endswith("YX") and len(set(labels)) == len(labels)


def layer_planes(layer: Any) -> ArrayPlanes:
    """The planes of a layer."""
    return ArrayPlanes(layer_array(layer), layer_axes(layer))


def denoised_layer(layer: Any, data: Any, record: dict[str, Any]) -> ImageLayer:
    """A layer "<name> denoised" with every attribute of its source.

    Parameters
    ----------
    layer : Image
        The source.
    data : array
        Denoised image, in the shape of the source's full resolution.
    record : dict
        How it was made, for ``metadata["napari-aprrd"]``, which names the source as well.

    Returns
    -------
    Image
        Its metadata also names the file of the source, whose description is saved with it.
    """
    about: dict[str, Any] = {KEY: {**copy.deepcopy(record), "source": layer.name}}
    if layer.source.path:
        about[KEY_FILE] = layer.source.path
    return _like(layer, data, f"{layer.name} denoised", about)


def map_layer(layer: Any, data: Any, name: str) -> ImageLayer:
    """A layer for a map of another layer, in the same place; without RGB samples."""
    from napari.layers import Image as ImageLayer

    _, attributes, _ = layer.as_layer_data_tuple()
    kept = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    return ImageLayer(data, name=name, **{key: attributes[key] for key in kept})


def _like(layer: Any, data: Any, name: str, metadata: dict[str, Any]) -> ImageLayer:
    from napari.layers import Image as ImageLayer

    _, attributes, _ = layer.as_layer_data_tuple()
    attributes.pop("locked_data_level", None)
    attributes |= {
        "name": name,
        "multiscale": False,
        "metadata": {**{k: _copied(v) for k, v in layer.metadata.items()}, **metadata},
    }
    return ImageLayer(data, **attributes)


def _copied(value: Any) -> Any:
    """An independent copy that shares open files and locks, which some readers keep in metadata."""
    try:
        return copy.deepcopy(value)
    except Exception:  # whatever a stranger's object raises
        return value
