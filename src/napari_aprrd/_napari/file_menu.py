"""What napari's File menu calls: models are opened, layers are saved with all that they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_info, show_warning

from ..core.errors import UserError, cause
from .models.loading import load_in_background
from .models.session import session
from .models.words import kind

if TYPE_CHECKING:
    from ..files.picture import Picture

FullLayerData = tuple[Any, dict[str, Any], str]
NO_LAYER: list[tuple[None]] = [(None,)]  # napari's word for a file that has been dealt with
ENDINGS = (".ome.tif", ".tif", ".ome.zarr", ".zarr")
DEFAULT = ENDINGS[0]


class SavingError(Exception):
    """A layer cannot be saved. Not a ValueError: napari takes those for "no plugin can do it"."""


def get_model_reader(path: str | list[str]) -> Callable[[str | list[str]], list[tuple[None]]]:
    """The reader of model files; napari asks for it by their names."""
    return open_models


def open_models(path: str | list[str]) -> list[tuple[None]]:
    """Add the models of files to those of the session."""
    for file in map(Path, [path] if isinstance(path, str) else path):
        load_in_background(file, partial(_tell_loaded, file))
    return NO_LAYER


def _tell_loaded(file: Path, name: str) -> None:
    also = "" if name == file.stem else f" as {name!r}"
    show_info(f"Loaded {kind(session[name])} {file.name}{also}.")  # short: napari cuts it


def save_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer; returns the path.

    Raises
    ------
    SavingError
        If it cannot be written.
    """
    from .layers.picture import picture_of

    return _save(path, [_layer(data, attributes)], lambda layers: picture_of(layers[0]))


def save_channels(path: str, layers: list[FullLayerData]) -> list[str]:
    """Write several image layers as the channels of one file; returns its path.

    Raises
    ------
    SavingError
        If they are not alike, or cannot be written.
    """
    from .layers.picture import channels_picture

    found = [_layer(data, attributes) for data, attributes, _ in layers]
    return _save(path, found, channels_picture)


def _layer(data: Any, attributes: dict[str, Any]) -> Any:
    """The layer that napari has taken apart, which knows its file, or else a new one."""
    from napari import current_viewer
    from napari.layers import Image

    viewer = current_viewer()
    for layer in viewer.layers if viewer is not None else ():
        if layer.name == attributes.get("name") and layer.data is data:
            return layer
    return Image(data, **attributes)


def prepared(path: str, layers: Sequence[Any]) -> Callable[[], Path]:
    """Take what layers say, and return what writes it, for another thread.

    Parameters
    ----------
    path : str
    layers : sequence of Image
        Several become the channels of one file.

    Returns
    -------
    callable
        Writes, and returns the path.

    Raises
    ------
    UserError
        If the name or the layers do not suit; also raised when it is called, if it cannot write.
    """
    from .layers.picture import channels_picture, picture_of

    target = _named(Path(path))
    picture = picture_of(layers[0]) if len(layers) == 1 else channels_picture(layers)
    for note in _notes(target, picture, layers):
        show_warning(note)

    def write() -> Path:
        _written(target, picture)
        return target

    return write


def _save(path: str, layers: Sequence[Any], make: Callable[[Sequence[Any]], Picture]) -> list[str]:
    """Write a picture that is made of layers; what is not kept is told."""
    try:
        target = _named(Path(path))
        picture = _written(target, make(layers))
    except UserError as error:
        raise SavingError(str(error)) from error
    except Exception as error:  # libraries raise what they like on types that a file cannot hold
        raise SavingError(f"Cannot write {path}: {cause(error)}.") from error
    for note in _notes(target, picture, layers):
        show_warning(note)
    return [str(target)]


def _written(target: Path, picture: Picture) -> Picture:
    """Write a picture, complete or not at all."""
    from ..files.formats import check_format
    from .layers.picture import for_tiff

    if target.suffix.lower() != ".zarr":
        picture = for_tiff(picture)
    file_format = check_format(target, picture.data.dtype, picture.axes)
    file_format.check_target(target)
    file_format.save(target, picture)
    return picture


def _named(target: Path) -> Path:
    """The file to write: "cells" becomes "cells.ome.tif"."""
    from ..files.formats import format_of

    if target.name.lower().endswith((".tif", ".tiff", ".zarr")):
        return target
    if format_of(target) is not None:
        raise UserError(f"Use a name that ends in {', '.join(ENDINGS)}, not {target.name}.")
    named = target.with_name(f"{target.name}{DEFAULT}")
    if named.exists():  # the dialog asked about another name
        raise UserError(f"{named.name} is there already; choose it to replace it.")
    return named


def _notes(target: Path, picture: Picture, layers: Sequence[Any]) -> list[str]:
    """What was guessed, and what the file has no place for."""
    notes = []
    is_zarr = target.suffix.lower() == ".zarr"
    if not picture.named and set(picture.axes) - set("CYXS") and not is_zarr:
        notes.append(
            f"Nothing says what the axes of {layers[0].name!r} are; {target.name} calls them "
            f"{picture.axes}. Name them in the field Axes of Train APR to choose otherwise."
        )
    lost = ["rotation or shear"] if any(map(_is_turned, layers)) else []
    if picture.origin and not is_zarr:
        lost.append("position")
    if lost:
        notes.append(f"{target.name} has no place for the {' and the '.join(lost)} of the layer.")
    return notes


def _is_turned(layer: Any) -> bool:
    plain = np.eye(layer.ndim + 1)
    turned = not np.allclose(layer.rotate, plain[:-1, :-1]) or np.any(layer.shear)
    return bool(turned or not np.allclose(layer.affine.affine_matrix, plain))
