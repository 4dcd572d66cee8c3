"""Denoising on a GPU that never waits: tiles are read, sent, computed, fetched at the same time.

A thread reads windows into page-locked memory. They travel to the device as they are, on a stream
of their own, and what is computed travels back on another one. The thread of the job only starts
all that, some tiles ahead of the one that it hands over; no more than these are in memory.

Tiles that are not ordinary, because they have constant areas or because memory ran out, are
computed by `Denoiser.predict_tile` instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config import DenoiseConfig
from ..data.planes import Image, Planes
from ..errors import UserError
from .denoiser import Denoiser
from .device_streams import Streams
from .half_precision import HowComputed, is_worth_a_trial
from .hardware import is_out_of_memory
from .scales import RAW
from .tile_network import Geometry, TileNetwork
from .tiling import PlaneTile
from .window_reader import Window, WindowReader

AHEAD = 3  # batches that are being read, and batches that are being computed
BATCH = 2**20  # pixels: smaller tiles are computed together, or starting them would take longest


class Clean(NamedTuple):
    """A tile after denoising.

    Parameters
    ----------
    unit : PlaneTile
    tile : ndarray, shape (C, h, w), or None
        In the type that was wanted, or float32; None where it failed.
    failure : UserError or None
    """

    unit: PlaneTile
    tile: NDArray[Any] | None
    failure: UserError | None = None

    def got(self) -> NDArray[Any]:
        """The tile, or what went wrong as an error."""
        if self.tile is None:
            raise self.failure or AssertionError("a tile without pixels and without a failure")
        return self.tile


@dataclass
class _Batch:
    """Tiles of the same geometry, each with the windows of its plane and of the neighbours."""

    units: list[PlaneTile]
    geometry: Geometry
    windows: list[list[Window]] = field(default_factory=list)  # none where it must be careful

    @property
    def is_read(self) -> bool:
        """Whether it can be started without waiting."""
        return all(window.is_read for tile in self.windows for window in tile)


class _Flight(NamedTuple):
    """A batch that is being computed; without tiles where it cannot be."""

    units: list[PlaneTile]
    failures: list[UserError | None]
    tiles: Tensor | None = None
    ordinary: Tensor | None = None
    event: torch.cuda.Event | None = None

    def wait(self) -> list[bool]:
        """Wait for its end: which tiles are ordinary."""
        if self.event is not None:
            self.event.synchronize()
        if self.ordinary is None:
            return [False] * len(self.units)
        return list(map(bool, self.ordinary))


class Pipeline:
    """Denoises tiles of planes on the device of the denoiser.

    Parameters
    ----------
    denoiser : Denoiser
    planes : Planes
        Without their neighbours, which are found here.
    config : DenoiseConfig
    target : dtype
        Of the output.
    how : HowComputed
    """

    def __init__(
        self,
        denoiser: Denoiser,
        planes: Planes,
        config: DenoiseConfig,
        target: np.dtype[Any],
        how: HowComputed,
    ) -> None:
        self._denoiser, self._planes, self._config = denoiser, planes, config
        self._sizes, self._how = planes.sizes, how
        self._streams = Streams(next(denoiser.network.parameters()).device)
        reach = denoiser.neighbours_in(planes)
        self._reader = WindowReader(planes, denoiser.stack_axis, reach, self._streams.host)
        self._target = target if target in RAW else np.dtype(np.float32)
        self._network = TileNetwork(denoiser, config, self._reader.type, self._target, how)

    def run(self, units: Sequence[PlaneTile]) -> Generator[Clean, None, None]:
        """Denoise tiles, in their order. The next ones are computed while one is looked at."""
        batches = list(_batches(units, self._sizes, self._most_pixels()))
        if not self._how.is_tried:
            worth = is_worth_a_trial(self._denoiser, self._streams.device, len(batches))
            self._how.undecided |= worth
        todo, reading, flying = iter(batches), deque[_Batch](), deque[_Flight]()
        try:
            while True:
                reading.extend(map(self._read, islice(todo, AHEAD - len(reading))))
                waits = not reading or not reading[0].is_read
                if flying and (waits or len(flying) >= AHEAD):
                    yield from self._land(flying.popleft())
                elif reading:
                    flying.append(self._start(reading.popleft()))
                else:
                    return
        finally:
            self._reader.close()

    def _most_pixels(self) -> int:
        """Pixels of the largest batch: no more than those of a tile, which fits the memory."""
        halo = self._denoiser.architecture.halo(self._config.shifts or self._denoiser.shifts)
        return min(BATCH, (self._config.tile + 2 * halo) ** 2)

    def _read(self, batch: _Batch) -> _Batch:
        """Begin to read the windows of a batch."""
        if batch.geometry.suits_device:
            found = [self._reader.read(unit, self._sizes[unit.plane]) for unit in batch.units]
            batch.windows = found if all(found) else []
        return batch

    def _start(self, batch: _Batch) -> _Flight:
        """Send a batch to the device and start its computing, without waiting for its end."""
        failures = [_failure(tile) for tile in batch.windows] or [None] * len(batch.units)
        careful = _Flight(batch.units, failures)
        windows = [window for tile in batch.windows for window in tile]
        if not windows or not all(window.is_good for window in windows):
            return careful
        try:
            with torch.inference_mode():  # never while the generator is suspended
                raw = self._streams.sent(batch.windows)
                tiles, ordinary = self._network(raw, batch.geometry)
                return _Flight(batch.units, failures, *self._streams.fetched(tiles, ordinary))
        except (MemoryError, RuntimeError, TypeError) as error:
            # Apple's GPUs lack some operations, or some types for them, and say so in many ways.
            if is_out_of_memory(error) or self._streams.device.type != "cuda":
                return careful
            raise

    def _land(self, flight: _Flight) -> Iterator[Clean]:
        """Wait for a batch, and hand its tiles over; compute again what needs more care."""
        ordinary = flight.wait()
        for number, (unit, failure) in enumerate(zip(flight.units, flight.failures, strict=True)):
            if failure is not None:
                yield Clean(unit, None, failure)
            elif ordinary[number] and flight.tiles is not None:
                yield Clean(unit, flight.tiles[number].numpy().view(self._target))
            else:
                yield carefully(self._denoiser, self._planes, unit, self._config)


def carefully(denoiser: Denoiser, planes: Planes, unit: PlaneTile, config: DenoiseConfig) -> Clean:
    """Denoise one tile by itself: on CPUs, and where something is unusual."""
    seen = denoiser.stacked(planes)

    def read(rows: slice, columns: slice) -> Image:
        return seen.read(unit.plane, rows, columns)

    size, tile = planes.sizes[unit.plane], (unit.rows, unit.columns)
    try:
        return Clean(unit, denoiser.predict_tile(read, size, tile, config))
    except UserError as error:
        return Clean(unit, None, error)


def _batches(
    units: Sequence[PlaneTile], sizes: Sequence[tuple[int, int]], most: int
) -> Iterator[_Batch]:
    """Tiles that follow each other and have the same geometry, up to so many pixels together."""

    def geometry_of(unit: PlaneTile) -> Geometry:
        return Geometry.of(sizes[unit.plane], (unit.rows, unit.columns))

    for geometry, group in groupby(units, geometry_of):
        alike = list(group)
        count = max(most // geometry.pixels, 1)
        for start in range(0, len(alike), count):
            yield _Batch(alike[start : start + count], geometry)


def _failure(windows: Sequence[Window]) -> UserError | None:
    """What went wrong in reading a tile."""
    return next((error for window in windows if (error := window.wait()) is not None), None)
