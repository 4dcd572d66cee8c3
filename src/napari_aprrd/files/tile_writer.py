"""Denoising one tile of a file and writing it, in this process or in a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..axes import ArrayPlanes
from ..core.config import DenoiseConfig
from ..core.model.denoiser import Denoiser
from ..denoise_arrays.tiles import PlaneTile, denoise_tile


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
        place = self.planes.place(tile.plane, tile.rows.kept, tile.columns.kept)
        self.out[place] = denoise_tile(self.planes, tile, denoiser, self.config, self.out.dtype)
