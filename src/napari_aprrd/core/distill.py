"""Recharged Distillation (RD): from a teacher to a plain, fast student."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .adapt import adapt_distillation
from .calibration import calibrate
from .config import DenoiseConfig, DistillConfig, TrainConfig
from .denoiser import Architecture, Denoiser, Kind
from .errors import UserError
from .losses import distillation_loss
from .networks import BlindSpot
from .optimise import optimise
from .patches import MemoryPlanes, Normalisation, Planes
from .precision import pick_precision
from .progress import STOP, Clock, Job, Progress, Signal, report
from .reading import CropSampler
from .recharge import recharge, recharge_masks
from .record import describe

TARGETS_IN_MEMORY = 512e6  # bytes; a source that needs more has its targets computed per crop
TARGETS_SHARE = 0.25  # of a time budget; what is left of it is for learning from them
TARGETS_AT_ONCE = 2**21  # pixels; within a time budget, a larger plane is not computed whole
HELD_OUT_BATCHES = 4  # of those on which the held-out loss is computed
MARGIN = 32  # pixels of context around a crop whose targets are computed on the way


def distill(
    teacher: Denoiser, planes: Planes, config: DistillConfig | None = None
) -> Job[Denoiser]:
    """Distil a teacher into a student: RD, equations [7] to [9], or plain D, equation [3].

    Parameters
    ----------
    teacher : Denoiser
        Result of `train`; it is not changed.
    planes : Planes
        Noisy images with the teacher's channels.
    config : DistillConfig, optional

    Yields
    ------
    Progress
        Several times a second. Send `STOP` to stop and keep.

    Returns
    -------
    Denoiser
        The student.

    Raises
    ------
    UserError
        If the model is no teacher, or the images do not fit it.
    """
    config = config or DistillConfig()
    clock = Clock()
    if not teacher.is_teacher:
        raise UserError("This model is a student already; distil from a teacher (Train APR).")
    if planes.channels != teacher.channels:
        raise UserError(
            f"The teacher was trained on {teacher.channels} channel(s), "
            f"the images have {planes.channels}."
        )
    config, why = adapt_distillation(config, teacher.shifts)
    if why:
        yield from report(Progress("Compute targets", 0, len(planes.sizes), 0.0, note=why), clock)
    teacher = teacher.copy().to(config.device)
    architecture = Architecture(
        kind=cast(Kind, f"student-{config.student}"),
        channels=planes.channels,
        width=config.width,
        depth=config.depth,
        separate=teacher.architecture.separate,
    )
    student = Denoiser.fresh(architecture, teacher.normalisation, config.seed).to(config.device)
    student.record = {**teacher.record, "distill": describe(planes, config)}
    generator = torch.Generator().manual_seed(config.seed)
    draw = yield from _target_source(teacher, planes, config, clock)

    def loss(network: nn.Module) -> Tensor:
        batch = draw()
        targets = batch.targets
        if config.recharge:
            b, j, _, h, w = targets.shape
            masks = recharge_masks(b, j, h, w, generator=generator)
            targets = recharge(targets, batch.noisy, masks.to(targets.device))
        mask = batch.valid & ~batch.held_out
        return distillation_loss(network(batch.noisy), targets, norm=config.loss, mask=mask)

    held_out = _held_out_loss([draw() for _ in range(HELD_OUT_BATCHES)], config)
    done = yield from optimise("Distill (RD)", student, loss, held_out, config, clock)
    student.record["distill"].update(done)
    trained = teacher.record.get("train", {}).get("config", {})
    shift = trained.get("shift", TrainConfig().shift)
    yield from calibrate(student, teacher, shift, planes, clock)
    return student


class _Batch(NamedTuple):
    noisy: Tensor  # (B, C, H, W)
    targets: Tensor  # (B, j, C, H, W)
    valid: Tensor  # (B, C, H, W), bool
    held_out: Tensor  # (B, 1, H, W), bool


def _held_out_loss(
    batches: list[_Batch], config: DistillConfig
) -> Callable[[nn.Module], float] | None:
    """Distance to the targets, as they are, on pixels that are not learnt from."""
    batches = [batch for batch in batches if (batch.held_out & batch.valid).any()]

    def loss(network: nn.Module) -> float:
        with torch.no_grad():
            losses = [
                distillation_loss(
                    network(batch.noisy),
                    batch.targets,
                    norm=config.loss,
                    mask=batch.held_out & batch.valid,
                )
                for batch in batches
            ]
            return float(torch.stack(losses).mean())

    return loss if batches else None


def _target_source(
    teacher: Denoiser, planes: Planes, config: DistillConfig, clock: Clock
) -> Generator[Progress, Signal | None, Callable[[], _Batch]]:
    """How to draw batches: targets computed once where they fit in memory, else per crop."""
    c, j = planes.channels, len(config.shifts)
    pixels = sum(h * w for h, w in planes.sizes)
    shared: dict[str, Any] = {
        "batch": config.batch,
        "seed": config.seed,
        "hold_out": config.hold_out,
    }
    if config.minutes is None:
        needed = pixels <= config.steps * config.batch * config.patch**2
    else:
        needed = max(h * w for h, w in planes.sizes) <= TARGETS_AT_ONCE
    if needed and 4 * pixels * c * (1 + j) <= TARGETS_IN_MEMORY:
        joined = yield from _all_targets(teacher, planes, config, clock)
        identity = Normalisation((0.0,) * c * (1 + j), (1.0,) * c * (1 + j))
        sampler = CropSampler(joined, identity, patch=config.patch, **shared)

        def draw() -> _Batch:
            crops = sampler.draw().to(teacher.network)
            noisy, targets = crops.values[:, :c], crops.values[:, c:]
            targets = targets.reshape(-1, j, c, *targets.shape[2:])
            return _Batch(noisy, targets, crops.valid[:, :c], crops.held_out)

        return draw

    margin = max(min(MARGIN, (min(map(min, planes.sizes)) - config.patch) // 2), 0)
    sampler = CropSampler(planes, teacher.normalisation, patch=config.patch + 2 * margin, **shared)
    network = cast(BlindSpot, teacher.network)
    centre = (..., slice(margin, margin + config.patch), slice(margin, margin + config.patch))

    def draw_and_compute() -> _Batch:
        crops = sampler.draw().to(teacher.network)
        spare = -crops.values.shape[-1] % teacher.architecture.multiple
        with torch.no_grad():
            padded = F.pad(crops.values, (0, spare, 0, spare), mode="reflect")
            targets = network.all_shifts(padded, config.shifts)[centre]
        return _Batch(crops.values[centre], targets, crops.valid[centre], crops.held_out[centre])

    return draw_and_compute


def _all_targets(
    teacher: Denoiser, planes: Planes, config: DistillConfig, clock: Clock
) -> Generator[Progress, Signal | None, MemoryPlanes]:
    """Planes of (1 + j) C channels: the normalised noisy image, then its targets T.

    In any order; of a time budget they take no more than a share, and may then be fewer.
    """
    device = next(teacher.network.parameters()).device
    precision = pick_precision(device, config.precision)
    begun, joined, total = clock.seconds, [], len(planes.sizes)
    budget = math.inf if config.minutes is None else 60 * config.minutes * TARGETS_SHARE
    order = np.random.default_rng(config.seed).permutation(total)
    for done, index in enumerate(map(int, order), start=1):
        height, width = planes.sizes[index]
        image = planes.read(index, slice(0, height), slice(0, width))
        targets = teacher.targets(image, config.shifts, DenoiseConfig(), precision)
        noisy = teacher.normalisation.apply(image)
        joined.append(np.concatenate([noisy, targets.reshape(-1, height, width)]))
        enough = done < total and (clock.seconds - begun) * (done + 1) / done > budget
        note = f"In this time, targets of {done} of the {total} planes have to do." * enough
        progress = Progress("Compute targets", done, total, clock.seconds, note=note)
        if (yield from report(progress, clock)) is STOP:
            raise UserError("Stopped before the first step of distillation: nothing to keep yet.")
        if enough:
            break
    return MemoryPlanes(joined)
