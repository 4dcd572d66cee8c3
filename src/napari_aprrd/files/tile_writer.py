"""Denoising one tile of a file and writing it, in this process or in a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..axes import ArrayPlanes
from ..core.config import DenoiseConfig
from ..core.model.denoiser import Denoiser
from ..core.model.tiling import Span


class PlaneTile(NamedTuple):
    """One tile of one plane: what is computed, written and marked as done at once."""

    plane: int
    rows: Span
    columns: Span


@dataclass(frozen=True)
class TileWriter:
    """Denoises tiles of a source and writes them into an array; the model comes with each call.

    Parameters
    ----------
    planes : ArrayPlanes
        The source.
    out : zarr.Array
        Shaped like the source.
    config : DenoiseConfig
    """

    planes: ArrayPlanes
    out: Any
    config: DenoiseConfig

    def write(self, tile: PlaneTile, denoiser: Denoiser) -> None:
        """Denoise one tile and write it."""
        planes = self.planes
        place = planes.place(tile.plane, tile.rows.kept, tile.columns.kept)

        def read(rows: slice, columns: slice) -> Any:
            return planes.read(tile.plane, rows, columns)

        place_in_plane = (tile.rows, tile.columns)
        clean = denoiser.predict_tile(read, planes.size, place_in_plane, self.config)
        inner = ArrayPlanes(np.asarray(planes.data[place]), planes.axes)
        block = inner.new_output(self.out.dtype)
        inner.write(block, 0, (slice(None), slice(None)), clean)
        self.out[place] = block
