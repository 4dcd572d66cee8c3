"""Images as users hand them over in Python: arrays, layers, or lists of these."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from typing import Any, TypeGuard

from ..arrays.labelled import is_labelled, labelled_axes
from ..arrays.naming import check_array, guess_axes, infer_axes
from ..axes import ArrayPlanes, JoinedPlanes
from ..core.errors import DataWarning, UserError
from ..layers import KEY, KEY_MAP, KEY_SOURCE, KEY_TRUTH, has_identity, is_image_layer, layer_planes


def as_planes(images: Any, axes: str | None = None) -> JoinedPlanes:
    """Turn an array, a layer or a list of these into lazily read planes to learn from.

    Of several, those that are no noisy images are left out with a warning.

    Raises
    ------
    UserError
        If there is nothing to learn from.
    """
    chosen = worth_learning(images) if are_several(images) else [images]
    return JoinedPlanes([planes_of(image, axes) for image in chosen])


def are_several(images: Any) -> TypeGuard[Sequence[Any]]:
    """Whether these are images in a list, such as the viewer's layers, rather than one."""
    return isinstance(images, Sequence) and not (
        isinstance(images, (str, bytes)) or hasattr(images, "dtype")
    )


def worth_learning(images: Sequence[Any]) -> list[Any]:
    """Images of a list that are sensible to learn from; a warning names the others.

    Layers that show no image, that were denoised or are clean truths are left out; of the viewer's
    whole list also those that are hidden, unless their result is shown.

    Raises
    ------
    UserError
        If there are layers and none of them is sensible.
    """
    whole_list = not isinstance(images, (list, tuple))
    sources = [layer.metadata.get(KEY_SOURCE, "") for layer in images if is_image_layer(layer)]
    doubts = [_doubt(image, sources if whole_list else None) for image in images]
    kept = [image for image, doubt in zip(images, doubts, strict=True) if not doubt]
    left_out = [
        f"{image.name!r} ({doubt})" for image, doubt in zip(images, doubts, strict=True) if doubt
    ]
    if left_out and not kept:
        raise UserError(f"None of these layers is a noisy image: {', '.join(left_out)}.")
    if left_out:
        said = f"These layers are left out, for they are no noisy images: {', '.join(left_out)}."
        warnings.warn(said, DataWarning, stacklevel=4)
    return kept


def _doubt(image: Any, sources: list[str] | None) -> str:
    """Why an image of a list is not learnt from; empty if it is.

    Parameters
    ----------
    image : array or layer
    sources : list of str, optional
        Identities of the layers that results in the list were made from; None where hidden layers
        were chosen one by one.
    """
    if not is_image_layer(image):
        return "not an image" if _is_layer(image) else ""
    if KEY_MAP in image.metadata:
        return "a map"
    if KEY in image.metadata or KEY_SOURCE in image.metadata:
        return "denoised already"
    if image.metadata.get(KEY_TRUTH):
        return "the clean truth"
    is_replaced = any(has_identity(image, source) for source in sources or ())
    if sources is not None and not image.visible and not is_replaced:
        return "hidden"
    return ""


def _is_layer(image: Any) -> bool:
    """Whether it is a napari layer of any kind."""
    return hasattr(image, "as_layer_data_tuple")


def planes_of(image: Any, axes: str | None = None) -> ArrayPlanes:
    """Turn one array or layer into lazily read planes."""
    if is_image_layer(image):
        planes = layer_planes(image)
        return (
            planes
            if axes is None
            else ArrayPlanes(planes.data, infer_axes(planes.data.shape, axes))
        )
    if isinstance(image, (str, PathLike)):
        raise UserError(
            f"An image must be an array or a layer, not a name; read a file first: "
            f"napari_aprrd.io.read_picture({str(image)!r}).data."
        )
    if _is_layer(image):
        raise UserError(f"{image.name!r} is not an image layer; choose an image.")
    if is_labelled(image):
        axes = labelled_axes(image.dims) if axes is None else axes
        image = image.data
    check_array(image)
    if axes is None:
        _warn_of_guess(image.shape)
    return ArrayPlanes(image, infer_axes(image.shape, axes))


def _warn_of_guess(shape: Sequence[int]) -> None:
    """Say how an array is read where a part of it would stay noisy if that were wrong."""
    guess = guess_axes(shape)
    if guess.can_lose:
        # All warnings come from this line, so that Python shows each of them once.
        warnings.warn(guess.note('axes="{}"'), DataWarning, stacklevel=1)
