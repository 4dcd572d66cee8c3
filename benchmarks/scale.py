"""Memory and speed on large data: tiles of files, workers, training from a virtual stack.

    python benchmarks/scale.py [--side 4096 16384] [--width 16] [--work DIR] [--whole]

Prints: peak memory (above what importing takes) and megapixels per second of the command's
engine for planes of several sizes; the same for a part of a virtual stack of 20 GB; tiles against
the whole plane; one and two Dask workers with one thread each; and training from a virtual stack
of 100 GB with the share of the time spent waiting for it. Each measurement has a process of its
own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import torch

from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import DenoiseConfig, TrainConfig
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model.architecture import Architecture
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training.train import train
from napari_aprrd.files import dask_workers as cluster
from napari_aprrd.files import denoise_file as stream
from napari_aprrd.files.formats import read_picture
from napari_aprrd.files.picture import Picture

CONFIG = DenoiseConfig(device="cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, nargs="*", default=[4096, 16384])
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--work", type=Path, default=Path("scale"))
    parser.add_argument("--whole", action="store_true", help="also the 20 GB from end to end")
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    width, work = options.width, options.work
    print("| what | MB more | megapixels/s | seconds |\n| --- | --- | --- | --- |")
    for side in options.side:
        show(f"{side} x {side}, to OME-Zarr", plane_to_file, side, width, work)
    show("virtual 20 GB of 2500 planes of 2048 x 2048: 12 planes", part_of_stack, 12, width, work)
    show("... 48 planes", part_of_stack, 48, width, work)
    if options.whole:
        show("... all, width 4", part_of_stack, 2500, 4, work)
    for tile in (1024, 8192):
        show(f"4096 x 4096, tile {tile}, student", tiled, tile, width)
    for workers in (1, 2):
        show(f"8192 x 4096, {workers} Dask worker(s)", on_workers, workers, width, work)
    show("training from a virtual 100 GB, 300 steps", virtual_training, 300)
    shutil.rmtree(work)


def show(what: str, measure: Callable[..., dict[str, float]], *arguments: Any) -> None:
    """Measure in a fresh process; print a line of the table."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(_measured, measure, arguments).result()
    seconds = found.pop("seconds")
    speed = found.pop("pixels", 0) / seconds / 1e6
    more = "".join(f", {name} {value:.3g}" for name, value in found.items() if name != "MB")
    print(f"| {what}{more} | {found['MB']:.0f} | {speed:.2f} | {seconds:.1f} |", flush=True)


def _measured(measure: Callable[..., dict[str, float]], arguments: Any) -> dict[str, float]:
    student(4).predict(np.zeros((1, 64, 64), np.float32), CONFIG)  # what torch needs anyway
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = measure(*arguments)
    return {**found, "MB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def student(width: int) -> Denoiser:
    torch.manual_seed(0)
    architecture = Architecture(kind="student-1.00M", channels=1, width=width, depth=3)
    return Denoiser(architecture.build(), architecture, Normalisation((100.0,), (30.0,)))


def virtual(planes: int, side: int) -> Any:
    """A stack that is made as it is read, one chunk for a plane."""

    def make(block_id: Any = None) -> Any:
        rng = np.random.default_rng(block_id)
        return rng.integers(0, 250, (1, side, side), dtype=np.uint16)

    return da.map_blocks(make, chunks=((1,) * planes, (side,), (side,)), dtype=np.uint16)


def _timed(job: Callable[[], Any], pixels: float) -> dict[str, float]:
    begun = time.perf_counter()
    job()
    return {"seconds": time.perf_counter() - begun, "pixels": pixels}


def plane_to_file(side: int, width: int, work: Path) -> dict[str, float]:
    source = work / "in.npy"
    data = np.lib.format.open_memmap(source, "w+", np.uint16, (side, side))
    for row in range(0, side, 1024):
        data[row : row + 1024] = np.random.default_rng(row).integers(0, 250, (1024, side))
    del data
    picture, target = read_picture(source), work / f"{side}.zarr"
    job = stream.denoise_file(picture, target, student(width), CONFIG)
    found = _timed(lambda: run(job), side**2)
    shutil.rmtree(target)
    return found


def part_of_stack(planes: int, width: int, work: Path) -> dict[str, float]:
    data = virtual(2500, 2048)[:planes]
    target = work / "part.zarr"
    job = stream.denoise_file(Picture(data, "TYX"), target, student(width), CONFIG)
    found = _timed(lambda: run(job), planes * 2048**2)
    shutil.rmtree(target)
    return found


def tiled(tile: int, width: int) -> dict[str, float]:
    image = np.random.default_rng(0).integers(0, 250, (1, 4096, 4096)).astype(np.float32)
    config = DenoiseConfig.of(CONFIG, tile=tile)
    return _timed(lambda: student(width).predict(image, config), image.size)


def on_workers(workers: int, width: int, work: Path) -> dict[str, float]:
    np.save(work / "in.npy", np.random.default_rng(0).integers(0, 250, (8192, 4096), "u2"))
    picture, target = read_picture(work / "in.npy"), work / "out.npy"
    config = DenoiseConfig.of(CONFIG, tile=1024)
    with cluster.connect(workers=workers) as found:
        assert found is not None
        team = cluster.Cluster(found.client, threads=1)
        # Workers import torch with the first tile; that is not counted.
        run(stream.denoise_file(picture, work / "warm.npy", student(4), config, cluster=team))
        job = stream.denoise_file(picture, target, student(width), config, cluster=team)
        return _timed(lambda: run(job), 8192 * 4096)


def virtual_training(steps: int) -> dict[str, float]:
    planes = ArrayPlanes(virtual(12_000, 2048), "TYX")
    begun = time.perf_counter()
    teacher = run(train(planes, TrainConfig(steps=steps, device="cpu")))
    found = teacher.record["train"]
    return {"seconds": time.perf_counter() - begun, "share waiting": found["waiting"]}


if __name__ == "__main__":
    multiprocessing.freeze_support()
    print(json.dumps({"cores": torch.get_num_threads(), "torch": torch.__version__}))
    main()
