"""How long a job will take, before it starts."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch

from ..config import DistillConfig, TrainConfig
from ..data.planes import MemoryPlanes
from ..jobs import Job, Progress
from ..model.denoiser import Denoiser
from ..model.hardware import pick_device
from .distill import distill
from .train import train

C = TypeVar("C", TrainConfig, DistillConfig)
_SIDE = 64  # pixels: side of the trial's crops, small for speed
_SECONDS = 0.7  # after which a trial ends: a form is waiting for it


def train_seconds(config: TrainConfig, channels: int, *, colours: bool = False) -> float:
    """Estimate the seconds of APR training from a few small steps on this very machine."""
    return _seconds(train(_noise(channels, config.depth, colours), _trial(config)), config)


def distill_seconds(teacher: Denoiser, config: DistillConfig) -> float:
    """Estimate the seconds of distillation from a few small steps, targets not counted."""
    planes = _noise(teacher.channels, config.depth)
    return _seconds(distill(teacher, planes, _trial(config)), config)


def denoise_seconds(model, pixels, device="auto"):
    return pixels / 2e6


def describe_device(name: str = "auto") -> str:
    """Say in plain words which device computes and what to expect of it."""
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


def _noise(channels: int, depth: int, colours: bool = False) -> MemoryPlanes:
    side = max(_SIDE, 2**depth)
    noise = np.random.default_rng(0).random((channels, side, side), np.float32)
    return MemoryPlanes([noise], colours)
