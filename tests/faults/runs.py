"""Jobs for processes of their own, which are killed; and what is true after a kill."""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from core.makers import SMALL_TILES, TINY, LazyPlanes, noisy_planes, random_denoiser

from napari_aprrd.core import jobs as progress
from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.data import crops as reading
from napari_aprrd.core.jobs import run
from napari_aprrd.core.training import checkpoint, held_out
from napari_aprrd.core.training.checkpoint import Checkpoint
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train
from napari_aprrd.files.denoise_file import denoise_file
from napari_aprrd.files.picture import Picture

STEPS = 40
SHORT = {**TINY, "steps": STEPS, "precision": "float32"}
Work = Callable[[Path], None]

# Forked from a process that has imported torch and computed nothing: it starts at once.
processes = multiprocessing.get_context("forkserver")
PRELOADED = ("napari_aprrd.core.training.train", "napari_aprrd.files.denoise_file")
processes.set_forkserver_preload(list(PRELOADED))


def train_in(folder: Path) -> None:
    planes = LazyPlanes(noisy_planes((64, 64), (90, 70)).images)
    job = train(planes, TrainConfig(**SHORT), checkpoint=_hurried(folder))
    run(job).save(folder / "out.aprrd")


def distill_in(folder: Path) -> None:
    planes = noisy_planes((64, 64), (90, 70))
    job = distill(random_denoiser(), planes, DistillConfig(**SHORT), _hurried(folder))
    run(job).save(folder / "out.aprrd")


def denoise_in(folder: Path) -> None:
    picture = Picture(np.arange(12 * 150 * 150, dtype="f4").reshape(12, 150, 150) % 97, "TYX")
    torch.set_num_threads(1)
    run(denoise_file(picture, folder / "out.npy", random_denoiser("student-1.00M"), SMALL_TILES))


def _hurried(folder: Path) -> Checkpoint:
    """A checkpoint that is written at every report, and reports that come often."""
    torch.set_num_threads(1)
    checkpoint.EVERY, checkpoint.SHARE, progress.YIELD_EVERY = 0.0, math.inf, 0.02
    reading.REUSE, reading.SIDE, held_out.HELD_OUT_PIXELS = 3, 48, 4096
    return Checkpoint(folder / "out.checkpoint")


def finish(work: Work, folder: Path) -> bytes:
    """Let the work come to its end: the weights or pixels that it wrote."""
    folder.mkdir(exist_ok=True)
    process = processes.Process(target=work, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == 0
    return result(folder)


def result(folder: Path) -> bytes:
    """What the work wrote, complete."""
    from napari_aprrd.core.model.denoiser import load

    if (folder / "out.npy").exists():
        return np.load(folder / "out.npy").tobytes()
    weights = load(folder / "out.aprrd").network.state_dict().values()
    return b"".join(tensor.contiguous().numpy().tobytes() for tensor in weights)


def killed(work: Work, folder: Path, when: Callable[[], None]) -> bool:
    """Kill the work at a moment; whether it had not come to its end before."""
    folder.mkdir(exist_ok=True)
    process = processes.Process(target=work, args=(folder,))
    process.start()
    when()
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def step_of(folder: Path) -> int:
    """The step of the checkpoint in a folder; 0 if there is none."""
    path = folder / "out.checkpoint"
    return int(checkpoint.peek(path).numbers["step"]) if path.exists() else 0


def wait_for_step(folder: Path, step: int) -> None:
    deadline = time.monotonic() + 60
    while step_of(folder) < step and time.monotonic() < deadline:
        time.sleep(0.002)
