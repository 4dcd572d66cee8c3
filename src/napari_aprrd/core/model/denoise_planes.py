"""Denoising of all planes of a source, as a generator that passes on each tile."""

from __future__ import annotations

from collections.abc import Callable

from ..config import DenoiseConfig
from ..data.planes import Image, Planes
from ..jobs import STOP, Clock, Job, Progress, report_progress
from .denoiser import Denoiser

Write = Callable[[int, tuple[slice, slice], Image], None]


def denoise(
    denoiser: Denoiser, planes: Planes, write: Write, config: DenoiseConfig | None = None
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

    Yields
    ------
    Progress
        Steps count planes; there is at least one report for each.

    Returns
    -------
    bool
        True if all planes were denoised, False if it was stopped earlier.
    """
    config = config or DenoiseConfig()
    denoiser.check_channels(planes.channels)
    denoiser.check_settings(config)
    clock = Clock()
    denoiser.to(config.device)
    denoiser = denoiser.matched(planes, config)
    config = denoiser.fitted(config)
    total = len(planes.sizes)
    for plane, size in enumerate(planes.sizes):

        def read(rows: slice, columns: slice, plane: int = plane) -> Image:
            return planes.read(plane, rows, columns)

        for rows, columns, tile in denoiser.predict_tiles(read, size, config):
            write(plane, (rows, columns), tile)
            last = rows.stop == size[0] and columns.stop == size[1]
            if not (last or clock.report_due()):
                continue
            progress = Progress("Denoise", plane + last, total, clock.seconds)
            if (yield from report_progress(progress, clock)) is STOP:
                return bool(plane + last == total)
    return True
