"""Denoising of all planes of a source, as a generator that passes on each tile."""

from __future__ import annotations

from collections.abc import Callable

from ..config import DenoiseConfig
from ..data.planes import Image, Planes
from ..jobs import STOP, Clock, Job, Progress, report_progress
from .denoiser import Denoiser
from .tiling import Tile

Write = Callable[[int, tuple[slice, slice], Image], None]


def denoise(
    denoiser: Denoiser,
    planes: Planes,
    write: Write,
    config: DenoiseConfig | None = None,
    *,
    first: int = 0,
    only: bool = False,
) -> Job[bool]:
    """Denoise planes one by one, tile by tile.

    Parameters
    ----------
    denoiser : Denoiser
    planes : Planes
        The source, with the denoiser's channels.
    write : callable
        Takes (plane, (rows, columns), tile) with a tile of shape (C, h, w), float32.
    config : DenoiseConfig, optional
    first : int
        Plane to begin with, such as the one on screen; the others follow in their order.
    only : bool
        Whether to denoise that plane alone; the others are only seen as its neighbours.

    Yields
    ------
    Progress
        Steps count tiles of these planes; there is a report after each, which may answer `STOP`.

    Returns
    -------
    bool
        True if all of these were denoised, False if it was stopped earlier.
    """
    config = config or DenoiseConfig()
    denoiser.check_channels(planes.channels)
    denoiser.check_settings(config)
    clock = Clock()
    denoiser.to(config.device)
    denoiser = denoiser.matched(planes, config)
    planes = denoiser.stacked(planes)
    config = denoiser.fitted(config)
    tiles = {size: denoiser.tiles(size, config) for size in set(planes.sizes)}
    wanted = [first] if only else _in_order(len(planes.sizes), first)
    done, total = 0, sum(len(tiles[planes.sizes[plane]]) for plane in wanted)
    for plane in wanted:
        for tile in tiles[planes.sizes[plane]]:
            clean = _predict(denoiser, planes, plane, tile, config)
            write(plane, (tile[0].kept, tile[1].kept), clean)
            done += 1
            progress = Progress("Denoise", done, total, clock.seconds)
            if (yield from report_progress(progress, clock)) is STOP:
                return done == total
    return True


def _in_order(count: int, first: int) -> list[int]:
    """Numbers of the planes, the first one before all others."""
    return sorted(range(count), key=lambda plane: plane != first)


def _predict(
    denoiser: Denoiser, planes: Planes, plane: int, tile: Tile, config: DenoiseConfig
) -> Image:
    """Denoise one tile of a plane."""

    def read(rows: slice, columns: slice) -> Image:
        return planes.read(plane, rows, columns)

    return denoiser.predict_tile(read, planes.sizes[plane], tile, config)
