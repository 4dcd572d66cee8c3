"""Denoising single tiles of an array, for files and lazy arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..axes import ArrayPlanes
from ..core.config import DenoiseConfig
from ..core.model.denoiser import Denoiser
from ..core.model.tiling import Span
from .at_once import masked_like


class PlaneTile(NamedTuple):
    """One tile of one plane: what is computed, written and marked as done at once."""

    plane: int
    rows: Span
    columns: Span


def denoise_tile(
    planes: ArrayPlanes,
    tile: PlaneTile,
    denoiser: Denoiser,
    config: DenoiseConfig,
    dtype: np.dtype[Any],
    *,
    size: tuple[int, int] | None = None,
    corner: tuple[int, int] = (0, 0),
) -> NDArray[Any]:
    """Denoise one tile of one plane, with all its channels; alpha is kept as it is.

    Parameters
    ----------
    planes : ArrayPlanes
        Whole planes, or windows of them that hold the tile and what lies within the halo. Those
        beside the tile's are read where the model sees neighbours.
    tile : PlaneTile
        Its rows and columns are those of the whole plane.
    denoiser : Denoiser
    config : DenoiseConfig
    dtype : dtype
        Of the output.
    size : tuple of int, optional
        Height and width of the whole plane, if `planes` are windows.
    corner : tuple of int
        First row and column of such windows in the whole plane.

    Returns
    -------
    ndarray
        With all dimensions of the source.
    """
    top, left = corner
    seen = denoiser.stacked(planes)

    def read(rows: slice, columns: slice) -> Any:
        return seen.read(tile.plane, _moved(rows, top), _moved(columns, left))

    place = planes.place(tile.plane, _moved(tile.rows.kept, top), _moved(tile.columns.kept, left))
    spans = (tile.rows, tile.columns)
    clean = denoiser.predict_tile(read, size or planes.size, spans, config)
    block = planes.new_output(dtype, place)
    ArrayPlanes(block, planes.axes).write(block, 0, (slice(None), slice(None)), clean)
    return masked_like(planes.data[place], block) if is_masked(planes.data) else block


def is_masked(data: Any) -> bool:
    """Whether an array, or the chunks of a lazy one, have masks."""
    return isinstance(getattr(data, "_meta", data), np.ma.MaskedArray)


def _moved(part: slice, start: int) -> slice:
    """The same pixels, counted from a start."""
    return slice(part.start - start, part.stop - start)
