"""How long a job will take, before it starts."""

from __future__ import annotations

import functools
from typing import TypeVar

import numpy as np
import torch

from ..config import DistillConfig, TrainConfig
from ..data.planes import MemoryPlanes
from ..data.scaling import Normalisation
from ..jobs import Clock, Job, Progress
from ..model.architecture import Architecture, NetworkKind, OwnArchitecture
from ..model.denoiser import Denoiser, Views
from ..model.hardware import pick_device
from ..model.tiling import BORDER
from .distill import distill
from .train import train

C = TypeVar("C", TrainConfig, DistillConfig)
_SIDE = 64  # pixels: side of the trial's crops, small for speed
# Pixels: side of a tile that is denoised on trial; and how often, after it has warmed up.
_TILE, _TILES = 160, 3
_SECONDS = 0.7  # after which a trial ends: a form is waiting for it


def train_seconds(config: TrainConfig, channels: int, *, colours: bool = False) -> float:
    """Estimate the seconds of APR training from a few small steps on this very machine."""
    planes = _noise(channels, config.depth, colours, "T" if config.neighbours else "")
    return _seconds(train(planes, _trial(config)), config)


def distill_seconds(teacher: Denoiser, config: DistillConfig) -> float:
    """Estimate the seconds of distillation from a few small steps, targets not counted."""
    planes = _noise(teacher.channels, config.depth, stack_axes=teacher.stack_axis)
    return _seconds(distill(teacher, planes, _trial(config)), config)


def denoise_seconds(model: Denoiser | None, pixels: int, *, device: str = "auto") -> float:
    """Estimate the seconds of denoising from one small tile on this very machine.

    Parameters
    ----------
    model : Denoiser or None
        None stands for a student of the default size and one channel.
    pixels : int
        Of all planes; a pixel with several channels counts once.
    device : str
        As in `DenoiseConfig`.
    """
    if model is None:
        default = DistillConfig()
        kind: NetworkKind = "student-1.00M"
        architecture = Architecture(kind=kind, channels=1, width=default.width, depth=default.depth)
        return pixels * _seconds_of_pixel(architecture, (), str(pick_device(device)))
    shifts = model.shifts if model.is_teacher else ()
    name = str(pick_device(device))
    return pixels * _seconds_of_pixel(model.architecture, shifts, name, model.views)


@functools.lru_cache(maxsize=16)
def _seconds_of_pixel(
    architecture: Architecture | OwnArchitecture,
    shifts: tuple[int, ...],
    device: str,
    views: Views = "alone",
) -> float:
    """Time of a network like the one asked for, whose weights do not matter."""
    c = architecture.channels
    tile = Denoiser.fresh(architecture, Normalisation((0.0,) * c, (1.0,) * c), seed=0).to(device)
    if shifts:
        tile.record = {"target_shifts": list(shifts), "target_views": views}
    seen = (2 * architecture.neighbours + 1) * c
    image = np.random.default_rng(0).random((seen, _TILE, _TILE), np.float32)
    times: list[float] = []
    while len(times) < 2 or (len(times) <= _TILES and sum(times) < _SECONDS):
        clock = Clock()
        tile.predict(image)
        times.append(clock.seconds)
    return min(times[1:]) / (_TILE + 2 * BORDER) ** 2


def describe_device(name: str = "auto") -> str:
    """Say in plain words which device computes."""
    device = pick_device(name)
    if device.type == "cuda":
        return f"GPU ({torch.cuda.get_device_name(device)})"
    if device.type == "mps":
        return "Apple GPU"
    cores = torch.get_num_threads()
    return f"CPU, {cores} core{'s' if cores != 1 else ''}"


def _trial(config: C) -> C:
    side = max(_SIDE, 2**config.depth)
    plain = {"minutes": None, "hold_out": 0.0, "adapt": False}
    return type(config).of(config, **plain, steps=12, batch=1, patch=side)


def _seconds(trial: Job[Denoiser], config: TrainConfig | DistillConfig) -> float:
    if config.steps is None:
        trial.close()
        return 60 * (config.minutes or 0.0)
    reports: list[Progress] = []
    started = 0.0  # When the steps started: what came before, such as targets, does not count.
    for progress in trial:
        if progress.loss is None:
            started = progress.seconds
        if progress.loss is not None:
            reports.append(progress)
        long_enough = len(reports) > 1 and progress.seconds > _SECONDS
        if progress.loss is not None and (long_enough or progress.step == progress.total):
            break
    trial.close()
    first, last = reports[0], reports[-1]
    steps = last.step - first.step  # the first step warms up
    per_step = (last.seconds - (first.seconds if steps else started)) / (steps or last.step)
    side = max(_SIDE, 2**config.depth)
    return float(per_step * config.steps * config.batch * (config.patch / side) ** 2)


def _noise(channels: int, depth: int, colours: bool = False, stack_axes: str = "") -> MemoryPlanes:
    """A plane of noise, or a stack of two, which are each other's neighbours."""
    side, count = max(_SIDE, 2**depth), 2 if stack_axes else 1
    noise = np.random.default_rng(0).random((count, channels, side, side), np.float32)
    return MemoryPlanes(list(noise), colours, stack_axes)
