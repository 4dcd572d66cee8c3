"""Dask workers, on this machine or a cluster, that denoise tiles of files."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..axes import ArrayPlanes
from ..core.config import DenoiseConfig
from ..core.errors import UserError
from ..core.model.denoiser import Denoiser
from ..denoise_arrays.tiles import PlaneTile
from .formats import read_chosen
from .picture import Choice, Picture
from .tile_writer import TileWriter

PATIENCE = 10  # seconds to wait for a scheduler
AHEAD = 4  # tiles that wait at each worker's thread

# By default Dask's workers give memory back at once, which makes torch two times slower.
_KEEP_MEMORY = {
    **{"MALLOC_TRIM_THRESHOLD_": 2**30, "MALLOC_MMAP_THRESHOLD_": 2**30},
    **{"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1},
}
# By default they also watch themselves 50 to 100 times a second, a tenth of two cores.
_LOCAL = {
    "distributed.nanny.pre-spawn-environ": _KEEP_MEMORY,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}


@dataclass(frozen=True)
class Cluster:
    """A connection to Dask workers.

    Parameters
    ----------
    client : distributed.Client
    threads : int
        Of torch in each worker; 0 leaves that to the workers.
    """

    client: Any
    threads: int

    def results(
        self,
        picture: Picture,
        folder: Path,
        config: DenoiseConfig,
        denoiser: Denoiser,
        units: Sequence[PlaneTile],
        missing: Sequence[int],
    ) -> Iterator[tuple[int, str]]:
        """Compute tiles on the workers, which read the source and write the output themselves.

        Parameters
        ----------
        picture : Picture
            Opened anew by the workers: they must see its file.
        folder : Path
            Of the output so far, seen by the workers.
        config : DenoiseConfig
        denoiser : Denoiser
            Travels to a worker once.
        units : sequence of PlaneTile
        missing : sequence of int
            Numbers of the units to compute.

        Yields
        ------
        number : int
            Of a unit, in the order in which they end.
        failure : str
            What went wrong, else empty.
        """
        from distributed import as_completed

        source = (str(Path(picture.path or "").resolve()), picture.axes, picture.choice)
        image = str(folder.resolve() / "image.zarr" / "0")
        (model,) = self.client.scatter([denoiser], broadcast=True, hash=False)
        todo = iter(missing)

        def submit(number: int) -> Any:
            return self.client.submit(
                _compute,
                (number, units[number], source, image, config, self.threads),
                model,
                key=f"{image}-{number}",
                pure=False,
            )

        slots = AHEAD * max(sum(self.client.nthreads().values()), 1)
        running = as_completed([submit(n) for _, n in zip(range(slots), todo, strict=False)])
        for future in running:
            yield future.result()
            number = next(todo, None)
            if number is not None:
                running.add(submit(number))


@contextmanager
def connect(scheduler: str = "", workers: int = 0) -> Iterator[Cluster | None]:
    """Connect to a cluster by its address, or start one with some processes on this machine.

    Raises
    ------
    UserError
        If Dask's distributed is not installed, or nobody answers at the address.
    """
    if not scheduler and not workers:
        yield None
        return
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UserError(
            'Denoising on a cluster needs: pip install "napari-aprrd[distributed]"'
        ) from error
    if scheduler:
        try:
            client = Client(scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise UserError(f"No Dask scheduler answers at {scheduler}.") from error
        with client:
            yield Cluster(client, 0)
        return
    threads = max((os.cpu_count() or 1) // workers, 1)
    with dask.config.set(_LOCAL):
        local = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    with local, Client(local) as client:
        yield Cluster(client, threads)


def _compute(task: tuple[Any, ...], denoiser: Denoiser) -> tuple[int, str]:
    """Denoise one tile, in a worker: its number, and what went wrong."""
    import torch
    import zarr

    number, unit, source, image, config, threads = task
    if threads and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    try:
        planes = _open(*source)
        config = DenoiseConfig.of(config, device=device_for(_worker_name(), config.device))
        denoiser.to(config.device)
        writer = TileWriter(planes, zarr.open_array(image, mode="r+"), config)
        (failure,) = writer.denoise([unit], denoiser)
    except UserError as error:
        return number, str(error)
    return number, failure


@functools.lru_cache(maxsize=4)
def _open(path: str, axes: str, choice: Choice) -> ArrayPlanes:
    return ArrayPlanes(read_chosen(Path(path), choice, in_memory=0).data, axes)


def _worker_name() -> Any:
    from distributed import get_worker

    return get_worker().name


def device_for(worker: Any, device: str) -> str:
    """Give each worker a GPU of its own, where there are several and none was asked for.

    Parameters
    ----------
    worker : int or str
        Name of the worker: numbers, as Dask gives them, are spread over the GPUs.
    device : str
        As in the settings.
    """
    import torch

    count = torch.cuda.device_count() if device == "auto" else 0
    number = str(worker).rsplit("-", 1)[-1]
    return f"cuda:{int(number) % count}" if count > 1 and number.isdecimal() else device
