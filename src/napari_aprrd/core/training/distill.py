"""Recharged Distillation (RD): from a teacher to a plain, fast student."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DenoiseConfig, DistillConfig, SettledDistillation
from ..data.crops import CropSampler
from ..data.planes import MemoryPlanes, Planes
from ..data.scaling import Normalisation
from ..errors import UserError
from ..jobs import STOP, Clock, Job, Progress, Signal, report
from ..method.networks import BlindSpot
from ..method.rd import distillation_loss, recharge, recharge_masks
from ..model import pretrained
from ..model.architecture import Architecture, Kind
from ..model.denoiser import Denoiser
from ..model.hardware import Precision, autocast, pick_device, pick_precision
from ..model.provenance import describe
from . import budget
from .auto_settings import PUBLISHED_TRAINING, settle_distillation
from .calibrate import calibrate
from .checkpoint import Checkpoint, despite_lost_device
from .loop import optimise
from .objective import Batch, Objective
from .restore_detail import Share, give_back

TARGETS_IN_MEMORY = 512e6  # bytes; a source that needs more has its targets computed per crop
TARGETS_AT_ONCE = 2**21  # pixels; within a time budget, a larger plane is not computed whole
HELD_OUT_BATCHES = 4  # of those on which the held-out loss is computed
MARGIN = 32  # pixels of context around a crop whose targets are computed on the way


def distill(
    teacher: Denoiser,
    planes: Planes,
    config: DistillConfig | None = None,
    checkpoint: Checkpoint | None = None,
) -> Job[Denoiser]:
    """Distil a teacher into a student: RD, equations [7] to [9], or plain D, equation [3].

    Parameters
    ----------
    teacher : Denoiser
        Result of `train`; it is not changed.
    planes : Planes
        Noisy images with the teacher's channels.
    config : DistillConfig, optional
    checkpoint : Checkpoint, optional
        Where to keep the distillation, and where to go on from. Targets are computed anew.

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
    if not teacher.is_teacher:
        raise UserError("This model is a student already; distil from a teacher (Train APR).")
    if planes.channels != teacher.channels:
        raise UserError(
            f"The teacher was trained on {teacher.channels} channel(s), "
            f"the images have {planes.channels}."
        )
    kept = checkpoint or Checkpoint()
    job = partial(_distill, teacher.copy().to("cpu"), planes, checkpoint=kept)
    return (yield from despite_lost_device(job, config or DistillConfig()))


def _distill(
    teacher: Denoiser, planes: Planes, config: DistillConfig, *, checkpoint: Checkpoint
) -> Job[Denoiser]:
    clock = Clock(config.minutes)
    # Targets are made by a blind-spot network, for which another precision may be the faster one.
    precision = pick_precision(pick_device(config.device), config.precision, blind_spot=True)
    student = checkpoint.denoiser("distill", planes, config, teacher)
    if student is None:
        student = yield from _fresh_student(teacher, planes, config, clock)
    student.to(config.device)
    record = student.record["distill"]
    settled = SettledDistillation.of(**record["config"] | {"device": config.device})
    teacher = teacher.copy().to(settled.device)
    recharged = Share() if settled.recharge == "measured" else None
    pairs = yield from _pairs(teacher, planes, settled, precision, recharged, record, clock)
    objective = _Recharging(pairs, settled, student.network)
    done = yield from optimise(student, objective, settled, clock, checkpoint)
    record.update(done)
    record.update(_method(settled, recharged))
    trained = teacher.record.get("train", {}).get("config", {})
    shift = trained.get("shift", PUBLISHED_TRAINING["shift"])
    yield from calibrate(student, teacher, shift, planes, clock)
    return student


def _method(config: SettledDistillation, recharged: Share | None) -> dict[str, Any]:
    """For the record: whether targets were recharged (RD) or not (D), and at how many pixels."""
    if recharged is None:
        return {"method": "RD, random masks" if config.recharge == "random" else "D"}
    share = round(recharged.value, 4)
    return {"method": "RD, measured" if share else "D", "recharged": share}


def _fresh_student(
    teacher: Denoiser, planes: Planes, config: DistillConfig, clock: Clock
) -> Generator[Progress, Signal | None, Denoiser]:
    """An untrained student; its record has the settings, with those that were automatic."""
    settled, why = settle_distillation(config, teacher.shifts)
    architecture = Architecture(
        kind=cast(Kind, f"student-{config.student}"),
        channels=planes.channels,
        width=config.width,
        depth=config.depth,
        separate=teacher.architecture.separate,
    )
    student = Denoiser.fresh(architecture, teacher.normalisation, config.seed)
    started = pretrained.begin(student, config)
    for said in (why, pretrained.sentence(started)):
        yield from report(Progress("Compute targets", 0, len(planes.sizes), 0.0, note=said), clock)
    precision = pick_precision(pick_device(config.device), config.precision, blind_spot=False)
    settled = SettledDistillation.of(settled, precision=precision)
    student.record = {
        **teacher.record,
        "distill": {**describe(planes, settled), **pretrained.record(started)},
    }
    return student


class _Pairs(NamedTuple):
    """Where noisy crops and their targets come from."""

    sampler: CropSampler
    split: Callable[[Tensor], tuple[Tensor, Tensor]]  # values -> (B, C, H, W), (B, j, C, H, W)
    inner: tuple[Any, ...]  # which part of a crop's masks belongs to the noisy pixels


class _Recharging(Objective):
    """Distance to the targets, recharged or as they are."""

    stage = "Distil student"

    def __init__(self, pairs: _Pairs, config: SettledDistillation, student: nn.Module) -> None:
        super().__init__(pairs.sampler, config.seed)
        self._pairs, self._config = pairs, config
        self.held_out_loss = self._on_held_out(student)

    def draw(self) -> Batch:
        """Crops, and the masks that recharge their targets."""
        crops = self.sampler.draw()
        mask = (crops.valid & ~crops.held_out)[self._pairs.inner]
        (b, _, h, w), j = mask.shape, len(self._config.shifts)
        masks = (
            recharge_masks(b, j, h, w, generator=self.generator)
            if self._config.recharge == "random"
            else torch.empty(b, 0)
        )
        return Batch(crops.values, mask, masks)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Equation [9], or [3]."""
        values, mask, masks = batch.to(network)
        noisy, targets = self._pairs.split(values)
        if self._config.recharge == "random":
            targets = recharge(targets, noisy, masks)
        return distillation_loss(network(noisy), targets, norm=self._config.loss, mask=mask)

    def _on_held_out(self, student: nn.Module) -> Callable[[nn.Module], float] | None:
        """Distance to the targets, as they are, on pixels that are not learnt from."""
        crops = [self.sampler.draw() for _ in range(HELD_OUT_BATCHES)]
        masks = [(c.valid & c.held_out)[self._pairs.inner] for c in crops]
        batches = [
            (*self._pairs.split(c.to(student).values), mask.to(c.to(student).values.device))
            for c, mask in zip(crops, masks, strict=True)
            if mask.any()
        ]

        def loss(network: nn.Module) -> float:
            with torch.no_grad():
                losses = [
                    distillation_loss(network(noisy), targets, norm=self._config.loss, mask=mask)
                    for noisy, targets, mask in batches
                ]
                return float(torch.stack(losses).mean())

        return loss if batches else None


def _pairs(
    teacher: Denoiser,
    planes: Planes,
    config: SettledDistillation,
    precision: Precision,
    recharged: Share | None,
    record: dict[str, Any],
    clock: Clock,
) -> Generator[Progress, Signal | None, _Pairs]:
    """How to draw pairs: targets computed once where they fit in memory, else per crop."""
    c, j = planes.channels, len(config.shifts)
    pixels = sum(h * w for h, w in planes.sizes)
    shared: dict[str, Any] = {
        "batch": config.batch,
        "seed": config.seed,
        "hold_out": config.hold_out,
    }
    if config.steps is not None:
        needed = pixels <= config.steps * config.batch * config.patch**2
    else:
        needed = max(h * w for h, w in planes.sizes) <= TARGETS_AT_ONCE
    if needed and 4 * pixels * c * (1 + j) <= TARGETS_IN_MEMORY:
        joined = yield from _all_targets(
            teacher, planes, config, precision, recharged, record, clock
        )
        identity = Normalisation((0.0,) * c * (1 + j), (1.0,) * c * (1 + j))
        sampler = CropSampler(joined, identity, patch=config.patch, **shared)

        def split(values: Tensor) -> tuple[Tensor, Tensor]:
            return values[:, :c], values[:, c:].reshape(-1, j, c, *values.shape[2:])

        return _Pairs(sampler, split, (slice(None), slice(c)))

    margin = max(min(MARGIN, (min(map(min, planes.sizes)) - config.patch) // 2), 0)
    sampler = CropSampler(planes, teacher.normalisation, patch=config.patch + 2 * margin, **shared)
    network = cast(BlindSpot, teacher.network)
    centre = (..., slice(margin, margin + config.patch), slice(margin, margin + config.patch))

    def split_and_compute(values: Tensor) -> tuple[Tensor, Tensor]:
        spare = -values.shape[-1] % teacher.architecture.multiple
        with torch.no_grad(), autocast(values.device, precision):
            padded = F.pad(values, (0, spare, 0, spare), mode="reflect")
            targets = network.all_shifts(padded, config.shifts).float()
        if recharged is not None:
            targets = _given_back(targets, padded, recharged)
        return values[centre], targets[centre]

    return _Pairs(sampler, split_and_compute, centre)


def _given_back(targets: Tensor, noisy: Tensor, recharged: Share) -> Tensor:
    """`give_back` of the crops of a batch, (B, j, C, h, w) and (B, C, h, w)."""
    crops = zip(targets.float().cpu().numpy(), noisy.cpu().numpy(), strict=True)
    return torch.from_numpy(np.stack([give_back(*crop, recharged) for crop in crops])).to(targets)


def _all_targets(
    teacher: Denoiser,
    planes: Planes,
    config: SettledDistillation,
    precision: Precision,
    recharged: Share | None,
    record: dict[str, Any],
    clock: Clock,
) -> Generator[Progress, Signal | None, MemoryPlanes]:
    """Planes of (1 + j) C channels: the normalised noisy image, then its targets T.

    In any order; of a time budget they take no more than a share, and may then be fewer. The
    record says how many, so that a resumed distillation has the same.
    """
    begun, joined, total = clock.seconds, [], len(planes.sizes)
    allowed = math.inf if config.minutes is None else 60 * config.minutes * budget.TARGETS
    order = np.random.default_rng(config.seed).permutation(total)[: record.get("targets")]
    for done, index in enumerate(map(int, order), start=1):
        height, width = planes.sizes[index]
        image = planes.read(index, slice(0, height), slice(0, width))
        targets = teacher.targets(image, config.shifts, DenoiseConfig(), precision)
        noisy = teacher.normalisation.apply(image)
        if recharged is not None:
            targets = give_back(targets, noisy, recharged)
        joined.append(np.concatenate([noisy, targets.reshape(-1, height, width)]))
        late = done < total and (clock.seconds - begun) * (done + 1) / done > allowed
        enough = late and "targets" not in record
        note = (
            f"In this time, targets of {done} of the {total} planes have to do." if enough else ""
        )
        progress = Progress("Compute targets", done, total, clock.seconds, note=note)
        if (yield from report(progress, clock)) is STOP:
            raise UserError("Stopped before the first step of distillation: nothing to keep yet.")
        if enough:
            break
    record["targets"] = len(joined)
    return MemoryPlanes(joined)
