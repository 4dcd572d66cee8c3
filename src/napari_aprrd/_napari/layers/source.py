"""The file that a layer came from, and what it says that napari's reader left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from ...axes import LETTERS, count_axes
from ...core.errors import UserError
from ...files.description import describe
from ...layers import KEY_FILE, labelled_axes, layer_array, layer_axes, layer_values, name_axes

if TYPE_CHECKING:
    from ...files.picture import Picture

MOST_SERIES = 16  # images of a file that are compared with a layer; chosen, not measured


@dataclass(frozen=True)
class LayerSource:
    """What the file of a layer says.

    Parameters
    ----------
    picture : Picture
        The image in the file; its pixels are not there, only their number and type.
    axes : str
        Letters of the axes that the layer has of it.
    """

    picture: Picture
    axes: str

    @property
    def is_whole(self) -> bool:
        """Whether the layer has the image with all its channels."""
        return "C" not in self.picture.axes or "C" in self.axes


# Reading what a file says takes a while, and the widgets ask at each change.
_known: WeakKeyDictionary[Any, tuple[Any, LayerSource | None]] = WeakKeyDictionary()


def source_of(layer: Any) -> LayerSource | None:
    """What the layer's file says; None if there is none, or it does not fit the layer.

    The file is read at the first call for a layer, without its pixels.
    """
    path = layer.source.path or layer.metadata.get(KEY_FILE)
    if not path:
        return None
    key = (path, tuple(layer_values(layer).shape), layer.rgb)
    if layer not in _known or _known[layer][0] != key:
        _known[layer] = key, _read_source(path, *key[1:])
    return _known[layer][1]


def learn_axes(layer: Any) -> None:
    """Label the layer's axes as its file names them, where the labels do not say.

    napari keeps and shows them, and the user can correct them.
    """
    if labelled_axes(layer):
        return
    source = source_of(layer)
    if source is not None and source.picture.named:
        name_axes(layer, source.axes.removesuffix("S"))


def learn_sizes(layer: Any) -> None:
    """Give the layer the pixel sizes and units of its file, where it has none."""
    source = source_of(layer)
    if source is None or has_sizes(layer):
        return
    axes, picture = source.axes.removesuffix("S"), source.picture
    layer.scale = [picture.scale.get(axis, 1.0) for axis in axes]
    layer.units = [picture.units.get(axis, "pixel") for axis in axes]


def reading_of(layer: Any) -> str:
    """One sentence on how the layer is read: axes, lengths, and what only its file says.

    Raises
    ------
    UserError
        If it is not an image.
    """
    shape, axes = layer_array(layer).shape, layer_axes(layer)
    counted = count_axes(shape, axes, named=bool(labelled_axes(layer)))
    source = source_of(layer)
    known = [] if source is None or axes != source.axes else describe(_unsaid(layer, source)).known
    return f"Read as {', '.join([f'{counted} pixels', *known])}."


def has_sizes(layer: Any) -> bool:
    """Whether the layer says how large its pixels are, or how far apart its planes."""
    return any(step != 1 for step in layer.scale) or any(str(u) != "pixel" for u in layer.units)


def _unsaid(layer: Any, source: LayerSource) -> Picture:
    """What the file says and the layer does not."""
    picture = source.picture
    if not source.is_whole:
        picture = replace(picture, channels=())
    return replace(picture, scale={}, units={}) if has_sizes(layer) else picture


def _read_source(path: str, shape: tuple[int, ...], rgb: bool) -> LayerSource | None:
    """Find the image of a file that a layer has; None where the file cannot be read either."""
    with suppress(UserError):  # nothing is lost: the layer is read as napari says
        for picture in _images(path):
            axes = _axes_within(picture, shape)
            if axes.endswith("YXS" if rgb else "YX"):
                pixels = np.broadcast_to(np.zeros((), picture.data.dtype), picture.data.shape)
                return LayerSource(replace(picture, data=pixels), axes)
    return None


def _images(path: str) -> Iterator[Picture]:
    """The images of a file; the first is the one that napari's own reader takes."""
    from ...files.formats import read_picture

    first = read_picture(path, series=1, in_memory=0)
    yield first
    for number in range(2, min(first.series_count, MOST_SERIES) + 1):
        yield read_picture(path, series=number, in_memory=0)


def _axes_within(picture: Picture, shape: tuple[int, ...]) -> str:
    """Letters of the picture's axes whose lengths are this shape; empty if it does not fit.

    Readers leave out axes of length 1, or make a layer of each channel.
    """
    lengths = dict(zip(picture.axes, map(int, picture.data.shape), strict=True))
    ones = {a for a, length in lengths.items() if length == 1 and a not in "YXS"}
    for left_out in (set(), ones, {"C"}, ones | {"C"}):
        kept = [a for a in picture.axes if a not in left_out]
        if tuple(lengths[a] for a in kept) == shape:
            return _in_known_letters("".join(kept))
    return ""


def _in_known_letters(axes: str) -> str:
    """Letters that only some TIFFs have count independent images; a layer has one such axis."""
    others = [a for a in axes if a not in LETTERS]
    if not others:
        return axes
    return axes.replace(others[0], "I") if len(others) == 1 and "I" not in axes else ""
