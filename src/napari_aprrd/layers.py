"""napari layers as arrays with axes, and back; napari is not imported for it."""

from __future__ import annotations

import copy
import sys
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeGuard
from weakref import WeakValueDictionary

import numpy as np

from .axes import LETTERS, ArrayPlanes, check_array, convert, stack_axes
from .core.errors import UserError

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer


# In a layer's metadata:
KEY = "napari-aprrd"  # how it was made
KEY_FILE = "napari-aprrd file"  # path of the file that its source is from
KEY_ID = "napari-aprrd id"  # which layer it is, whatever its name
KEY_SOURCE = "napari-aprrd source"  # the id of the layer that it was made from
KEY_MAP = "napari-aprrd map"  # the id of the layer that it is a map of
KEY_TRUTH = "napari-aprrd truth"  # it is a clean image, for comparison

_layers_by_id: WeakValueDictionary[str, Any] = WeakValueDictionary()


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


def identity(layer: Any) -> str:
    """The id of a layer; it is given at the first call, and kept in its metadata.

    A copy of a layer has the same metadata; it gets an id of its own.
    """
    layer = getattr(layer, "__wrapped__", layer)  # napari hands proxies to plugins
    known = layer.metadata.get(KEY_ID, "")
    if not known or _layers_by_id.get(known, layer) is not layer:
        known = layer.metadata[KEY_ID] = uuid.uuid4().hex
    _layers_by_id[known] = layer
    return str(known)


def has_identity(layer: Any, known: str) -> bool:
    """Whether a layer has this id, and is not a copy of the one that has it."""
    layer = getattr(layer, "__wrapped__", layer)
    same = bool(known) and layer.metadata.get(KEY_ID) == known
    return same and _layers_by_id.get(known, layer) is layer


def denoised_layer(layer: Any, data: Any, record: dict[str, Any]) -> ImageLayer:
    """A layer "<name> denoised" with every attribute of its source.

    Parameters
    ----------
    layer : Image
        The source; its metadata gets an id, by which it is found from its results.
    data : array or list of array
        Denoised image, in the shape of the source's full resolution, or all its levels. In memory,
        the levels of a multiscale source are made from the full resolution.
    record : dict
        How it was made, for ``metadata["napari-aprrd"]``, which names the source as well.

    Returns
    -------
    Image
        Its metadata also names the file of the source, whose description is saved with it.
    """
    about: dict[str, Any] = {KEY: {**copy.deepcopy(record), "source": layer.name}}
    about[KEY_SOURCE] = identity(layer)
    if layer.source.path:
        about[KEY_FILE] = layer.source.path
    if layer.multiscale and isinstance(data, np.ndarray):
        data = levels(data, [level.shape for level in layer.data])
    return _like(layer, data, f"{layer.name} denoised", about)


def levels(data: np.ndarray[Any, Any], shapes: Sequence[Sequence[int]]) -> list[Any]:
    """An image in several resolutions, each the mean over blocks of the one before.

    Parameters
    ----------
    data : ndarray
        Full resolution.
    shapes : sequence of shape
        Of all levels, the first that of the data.

    Returns
    -------
    list of ndarray
        In the type of the data.
    """
    made = [data]
    for shape in shapes[1:]:
        level: Any = made[-1]
        for axis, length in enumerate(shape):
            if length != level.shape[axis]:
                starts = np.arange(length) * level.shape[axis] // length
                counts = np.diff(starts, append=level.shape[axis])
                sums = np.add.reduceat(level, starts, axis, dtype=np.float64)
                level = sums / np.expand_dims(counts, tuple(range(1, sums.ndim - axis)))
        made.append(convert(level, data.dtype))
    return made


def map_layer(layer: Any, data: Any, name: str) -> ImageLayer:
    """A layer for a map of another layer, in the same place; without RGB samples."""
    from napari.layers import Image as ImageLayer

    _, attributes, _ = layer.as_layer_data_tuple()
    kept = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    about = {KEY_MAP: identity(layer)}
    return ImageLayer(data, name=name, metadata=about, **{key: attributes[key] for key in kept})


def _like(layer: Any, data: Any, name: str, metadata: dict[str, Any]) -> ImageLayer:
    from napari.layers import Image as ImageLayer

    _, attributes, _ = layer.as_layer_data_tuple()
    attributes.pop("locked_data_level", None)
    of_the_source = {KEY_ID, KEY_TRUTH}
    kept = {k: _copied(v) for k, v in layer.metadata.items() if k not in of_the_source}
    attributes |= {
        "name": name,
        "multiscale": isinstance(data, list),
        "metadata": {**kept, **metadata},
    }
    return ImageLayer(data, **attributes)


def _copied(value: Any) -> Any:
    """An independent copy that shares open files and locks, which some readers keep in metadata."""
    try:
        return copy.deepcopy(value)
    except Exception:  # whatever a stranger's object raises
        return value
