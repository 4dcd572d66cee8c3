"""Denoising single tiles of an array, for files and lazy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..axes import ArrayPlanes
from ..core.config import DenoiseConfig
from ..core.data.planes import Image, Place
from ..core.model.denoise_planes import denoise_tiles
from ..core.model.denoiser import Denoiser
from ..core.model.tiling import PlaneTile as PlaneTile
from .at_once import masked_like


@dataclass(frozen=True)
class WindowPlanes:
    """Windows of planes that stand for the whole planes, of which the rest is not asked for.

    Parameters
    ----------
    windows : ArrayPlanes
    size : tuple of int
        Height and width of the whole planes.
    corner : tuple of int
        First row and column of the windows in the whole planes.
    """

    windows: ArrayPlanes
    size: tuple[int, int]
    corner: tuple[int, int]
    in_memory = True

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return self.windows.channels

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each plane, in pixels."""
        return [self.size] * len(self.windows.sizes)

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""
        return self.windows.colours

    @property
    def stack_axes(self) -> str:
        """The letters of the axes along which planes may be neighbours."""
        return self.windows.stack_axes

    def beside(self, plane: int, offset: int, axis: str) -> int | None:
        """Number of the plane that is so many steps further along an axis, if there is one."""
        return self.windows.beside(plane, offset, axis)

    @property
    def raw_type(self) -> np.dtype[Any]:
        """See `ArrayPlanes.raw_type`."""
        return self.windows.raw_type

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32."""
        return self.windows.read(plane, *self.within(rows, columns))

    def read_raw(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        """See `ArrayPlanes.read_raw`."""
        return self.windows.read_raw(plane, *self.within(rows, columns))

    def within(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """The same pixels, counted from the corner of the windows."""
        top, left = self.corner
        return _moved(rows, top), _moved(columns, left)


def denoise_tile(
    planes: WindowPlanes,
    tile: PlaneTile,
    denoiser: Denoiser,
    config: DenoiseConfig,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """Denoise one tile of one plane, with all its channels; alpha is kept as it is.

    Parameters
    ----------
    planes : WindowPlanes
        Their windows hold the tile and what lies within the halo. Planes beside the tile's are
        read where the model sees neighbours.
    tile : PlaneTile
    denoiser : Denoiser
    config : DenoiseConfig
    dtype : dtype
        Of the output.

    Returns
    -------
    ndarray
        With all dimensions of the source.
    """
    (clean,) = denoise_tiles(denoiser, planes, [tile], config, dtype)
    rows, columns = planes.within(tile.rows.kept, tile.columns.kept)
    return block_of(planes.windows, (tile.plane, rows, columns), clean.got(), dtype)


def block_of(
    planes: ArrayPlanes, at: Place, pixels: NDArray[Any], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """A denoised tile (C, h, w) with all dimensions, alpha and mask of its place in the source."""
    place = planes.place(*at)
    block = planes.new_output(dtype, place)
    ArrayPlanes(block, planes.axes).write(block, 0, (slice(None), slice(None)), pixels)
    return masked_like(planes.data[place], block) if is_masked(planes.data) else block


def is_masked(data: Any) -> bool:
    """Whether an array, or the chunks of a lazy one, have masks."""
    return isinstance(getattr(data, "_meta", data), np.ma.MaskedArray)


def _moved(part: slice, start: int) -> slice:
    """The same pixels, counted from a start."""
    return slice(part.start - start, part.stop - start)
