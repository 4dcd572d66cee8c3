"""Writing TIFFs, plane by plane: which flavour, and what each of them keeps."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers import KEY
from ..library_logs import listening
from ..picture import Picture
from .imagej import ORDER, ImageJMetadata, imagej_can_hold, imagej_metadata
from .ome import OmeMetadata
from .ome_writing import ome_can_hold, ome_order, ome_xml, page_axes
from .tags import TiffTags, colour_options, tag_options

_OME_ENDINGS = (".ome.tif", ".ome.tiff", ".ome.btf", ".ome.tf2", ".ome.tf8")
# Bytes of pixels, from which the offsets in a file may need more than 32 bits.
_BIG = 2**32 - 2**25
_LARGE_PLANE = 2**27  # bytes; larger planes are written as tiles, since they may not fit
_TILE = 512  # pixels


@dataclass(frozen=True)
class TiffMetadata:
    """All that a TIFF says about an image, for its writer.

    Parameters
    ----------
    tags : TiffTags
    ome : OmeMetadata, optional
    imagej : ImageJMetadata, optional
    """

    tags: TiffTags
    ome: OmeMetadata | None = None
    imagej: ImageJMetadata | None = None

    def part(self, letter: str, places: tuple[int, ...]) -> TiffMetadata:
        """What it says of some places along an axis."""
        ome = self.ome.part(letter, places) if self.ome is not None else None
        imagej = self.imagej.part(letter, places) if self.imagej is not None else None
        return replace(self, ome=ome, imagej=imagej)


def write_tiff(path: Path, picture: Picture) -> None:
    """Write an image, compressed, in the flavour of its source where that can hold it."""
    import tifffile

    source = (
        picture.native if isinstance(picture.native, TiffMetadata) else TiffMetadata(TiffTags())
    )
    flavour = flavour_for(path, picture)
    axes = _order(flavour, picture.axes)
    shape = tuple(int(picture.data.shape[picture.axes.index(letter)]) for letter in axes)
    dtype = np.dtype(picture.data.dtype).newbyteorder("=")
    try:
        options = _options(flavour, picture, source, axes, shape)
    except Exception:  # of odd metadata, which must not cost the pixels
        options = _options(flavour, picture, TiffMetadata(TiffTags()), axes, shape)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    options["bigtiff"] = size > _BIG and flavour != "imagej"
    parts: Iterator[NDArray[Any]] = _planes(picture, axes, dtype)
    if _as_tiles(flavour, picture, axes, dtype):
        options["tile"] = (_TILE, _TILE)
        parts = _tiles(picture, axes, dtype)
    with listening(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on names of axes that are unusual
        tifffile.imwrite(path, parts, shape=shape, dtype=dtype, **options)


def _options(
    flavour: str, picture: Picture, source: TiffMetadata, axes: str, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Options of tifffile's writer for all but the pixels."""
    options = {
        **tag_options(picture, source.tags, flavour),
        **colour_options(axes, shape, source.tags, np.dtype(picture.data.dtype)),
        **_metadata_options(flavour, picture, source, axes, shape),
    }
    return options | {"software": KEY} if picture.record else options


def flavour_for(path: Path, picture: Picture) -> str:
    """Which kind of TIFF holds the most of what is known of an image."""
    axes, dtype = picture.axes, np.dtype(picture.data.dtype)
    ome = ome_can_hold(axes, dtype)
    if path.name.lower().endswith(_OME_ENDINGS) or picture.flavour == "ome":
        return "ome" if ome else ""
    if picture.flavour == "imagej" and imagej_can_hold(axes, dtype):
        return "imagej"
    plain = isinstance(picture.native, TiffMetadata) and picture.flavour == ""
    more = {"Z", "T"} & set(picture.scale) or any(c.name or c.colour for c in picture.channels)
    return "ome" if more and ome and not plain and set(axes) <= set(ORDER) else ""


def _order(flavour: str, axes: str) -> str:
    """The axes in the order in which they are written."""
    if flavour == "imagej":
        return "".join(letter for letter in ORDER if letter in axes)
    return ome_order(axes) if flavour == "ome" else axes


def _metadata_options(
    flavour: str, picture: Picture, source: TiffMetadata, axes: str, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Options of tifffile's writer for what each flavour says in its own way."""
    if flavour == "ome":
        xml = ome_xml(picture, axes, shape, source.ome)
        # tifffile would write metadata of its own.
        return {"description": xml, "metadata": None, "ome": False, "compression": "zlib"}
    if flavour == "imagej":
        about = imagej_metadata(picture, source.imagej, axes)
        options: dict[str, Any] = {"imagej": True, "metadata": about}
        return options if "S" in axes else {**options, "planarconfig": None}
    # tifffile's letter for an axis of unknown kind; a guess must not become a fact.
    said = axes if picture.named else "".join(a if a in "YXCS" else "Q" for a in axes)
    metadata: dict[str, Any] = {"axes": said}
    if picture.name:
        metadata["name"] = picture.name
    if picture.record:
        metadata["Description"] = json.dumps({KEY: picture.record})
    options = {"metadata": metadata, "ome": False, "compression": "zlib"}
    if source.tags.description:
        options["description"] = source.tags.description.encode()
    return options


def _planes(picture: Picture, axes: str, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """The pages of a file, one at a time."""
    for place in _places(picture, axes):
        yield _window(picture, axes, dtype, place)


def _places(picture: Picture, axes: str) -> Iterator[dict[str, int]]:
    leading = axes[: -len(page_axes(axes))]
    lengths = [picture.data.shape[picture.axes.index(letter)] for letter in leading]
    for index in np.ndindex(*lengths):
        yield dict(zip(leading, index, strict=True))


def _window(
    picture: Picture, axes: str, dtype: np.dtype[Any], place: dict[str, Any]
) -> NDArray[Any]:
    """A page or a part of it, with the axes of a page in their order."""
    index = tuple(place.get(letter, slice(None)) for letter in picture.axes)
    page = page_axes(axes)
    left = [letter for letter in picture.axes if letter in page]
    window = np.asarray(picture.data[index]).transpose([left.index(letter) for letter in page])
    return np.ascontiguousarray(window, dtype)


def _as_tiles(flavour: str, picture: Picture, axes: str, dtype: np.dtype[Any]) -> bool:
    """Whether the planes of a lazy image are too large to be read one by one."""
    page = page_axes(axes)
    if flavour == "imagej" or isinstance(picture.data, np.ndarray) or page not in ("YX", "YXS"):
        return False
    lengths = [int(picture.data.shape[picture.axes.index(letter)]) for letter in page]
    return int(np.prod(lengths)) * dtype.itemsize > _LARGE_PLANE


def _tiles(picture: Picture, axes: str, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """The tiles of all pages, read in rows of tiles."""
    height = int(picture.data.shape[picture.axes.index("Y")])
    width = int(picture.data.shape[picture.axes.index("X")])
    for place in _places(picture, axes):
        for top in range(0, height, _TILE):
            rows = {**place, "Y": slice(top, min(top + _TILE, height))}
            strip = _window(picture, axes, dtype, rows)
            for left in range(0, width, _TILE):
                yield np.ascontiguousarray(strip[:, left : left + _TILE])
