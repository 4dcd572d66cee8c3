"""Denoising of all planes of a source, as a generator that passes on each tile."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import DenoiseConfig
from ..data.planes import Planes
from ..jobs import STOP, Clock, Job, Progress, report_progress
from .denoiser import Denoiser
from .device_pipeline import Clean, Pipeline, carefully
from .half_precision import HowComputed
from .tiling import PlaneTile

Write = Callable[[int, tuple[slice, slice], NDArray[Any]], None]
_FLOAT32 = np.dtype(np.float32)


def denoise_tiles(
    denoiser: Denoiser,
    planes: Planes,
    units: Sequence[PlaneTile],
    config: DenoiseConfig,
    dtype: np.dtype[Any] = _FLOAT32,
    how: HowComputed | None = None,
) -> Generator[Clean, None, None]:
    """Denoise tiles one after the other, in this order.

    On a GPU, the next ones are read and computed while one is looked at.

    Parameters
    ----------
    denoiser : Denoiser
        On its device.
    planes : Planes
        The source, without neighbours, which are found here.
    units : sequence of PlaneTile
    config : DenoiseConfig
    dtype : dtype
        Of the output. Tiles come in it, or as float32 to be rounded and clipped.
    how : HowComputed, optional
        Gets how it was computed.

    Yields
    ------
    Clean
    """
    if _is_piped(denoiser):
        return Pipeline(denoiser, planes, config, dtype, how or HowComputed()).run(units)
    return (carefully(denoiser, planes, unit, config) for unit in units)


def _is_piped(denoiser: Denoiser) -> bool:
    """On CPUs there is nothing to be gained: reading and computing take the same cores."""
    return next(denoiser.network.parameters()).device.type != "cpu"


def denoise(
    denoiser: Denoiser,
    planes: Planes,
    write: Write,
    config: DenoiseConfig | None = None,
    *,
    first: int = 0,
    only: bool = False,
    dtype: np.dtype[Any] = _FLOAT32,
    how: HowComputed | None = None,
) -> Job[bool]:
    """Denoise planes one by one, tile by tile.

    Parameters
    ----------
    denoiser : Denoiser
    planes : Planes
        The source, with the denoiser's channels.
    write : callable
        Takes (plane, (rows, columns), tile) with a tile of shape (C, h, w), see `dtype`.
    config : DenoiseConfig, optional
    first : int
        Plane to begin with, such as the one on screen; the others follow in their order.
    only : bool
        Whether to denoise that plane alone; the others are only seen as its neighbours.
    dtype : dtype
        Of the output. Tiles come in it, or as float32 to be rounded and clipped.
    how : HowComputed, optional
        Gets how it was computed.

    Yields
    ------
    Progress
        Steps count tiles of these planes; there is a report after each, which may answer `STOP`.

    Returns
    -------
    bool
        True if all of these were denoised, False if it was stopped earlier.
    """
    config, how = config or DenoiseConfig(), how or HowComputed()
    denoiser.check_channels(planes.channels)
    denoiser.check_settings(config)
    clock = Clock()
    denoiser.to(config.device)
    denoiser = denoiser.matched(planes, config)
    config = denoiser.fitted(config)
    sizes = planes.sizes
    tiles = {size: denoiser.tiles(size, config) for size in set(sizes)}
    wanted = [first] if only else _in_order(len(sizes), first)
    units = [PlaneTile(plane, *tile) for plane in wanted for tile in tiles[sizes[plane]]]
    told = False
    with closing(denoise_tiles(denoiser, planes, units, config, dtype, how)) as cleaned:
        for done, clean in enumerate(cleaned, start=1):
            write(clean.unit.plane, (clean.unit.rows.kept, clean.unit.columns.kept), clean.got())
            note = "" if told else how.note
            told = told or bool(note)
            so_far = (done, len(units), clock.seconds)
            progress = Progress("Denoise", *so_far, note=note, expert=bool(note))
            if (yield from report_progress(progress, clock)) is STOP:
                return done == len(units)
    return True


def _in_order(count: int, first: int) -> list[int]:
    """Numbers of the planes, the first one before all others."""
    return sorted(range(count), key=lambda plane: plane != first)
