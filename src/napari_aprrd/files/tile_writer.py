"""Denoising tiles of a file and writing them, in this process or in a worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ..axes import ArrayPlanes
from ..core.config import DenoiseConfig
from ..core.model.denoise_planes import denoise_tiles
from ..core.model.denoiser import Denoiser
from ..core.model.half_precision import HowComputed
from ..denoise_arrays.tiles import PlaneTile, block_of


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

    def denoise(
        self, tiles: Sequence[PlaneTile], denoiser: Denoiser, how: HowComputed | None = None
    ) -> Iterator[str]:
        """Denoise and write tiles: what went wrong with each, else empty.

        Parameters
        ----------
        tiles : sequence of PlaneTile
        denoiser : Denoiser
            On its device.
        how : HowComputed, optional
            Gets how it was computed.
        """
        of = (denoiser, self.planes, tiles, self.config, self.out.dtype, how)
        with closing(denoise_tiles(*of)) as cleaned:
            for clean in cleaned:
                if clean.failure is None:
                    self.write(clean.unit, clean.got())
                yield str(clean.failure or "")

    def write(self, tile: PlaneTile, pixels: NDArray[Any]) -> None:
        """Write one tile, (C, h, w)."""
        at = (tile.plane, tile.rows.kept, tile.columns.kept)
        self.out[self.planes.place(*at)] = block_of(self.planes, at, pixels, self.out.dtype)
