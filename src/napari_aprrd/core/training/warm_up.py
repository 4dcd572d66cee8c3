"""What the first training of a session would wait for, done before."""

from __future__ import annotations

import functools

import torch

from ..config import DistillConfig, TrainConfig
from ..model.hardware import pick_device
from ..model.pretrained import FITTING
from ..model.trials import Trial, pick_precision


@functools.cache  # once for each device
def warm_up(device: str) -> None:
    """Try out precisions, and on CUDA import PyTorch's optimiser, which takes seconds.

    Parameters
    ----------
    device : str
        As in the settings: "auto", "cpu", "cuda", ...
    """
    there = pick_device(device)
    teacher, student = FITTING["teacher"], FITTING["student"]
    for trial in (
        Trial.of_steps(teacher, TrainConfig()),
        Trial.of_targets(teacher),
        Trial.of_steps(student, DistillConfig()),
    ):
        pick_precision(there, "auto", trial)
    if there.type == "cuda":  # elsewhere `adam` takes its place
        torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
