"""Recharged Distillation (RD): from a teacher to a plain, fast student."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..config import DistillConfig, SettledDistillation
from ..data.crops import Crops
from ..data.planes import Planes
from ..errors import UserError
from ..jobs import Clock, Job, Parts, Progress, Signal, report_progress
from ..method.rd import distillation_loss, hashed_masks, recharge, recharge_masks
from ..model import pretrained
from ..model.architecture import Architecture, NetworkKind
from ..model.denoiser import Denoiser
from ..model.hardware import pick_device
from ..model.provenance import describe
from ..model.trials import Trial, pick_precision
from .auto_settings import PUBLISHED_TRAINING, settle_distillation
from .calibrate import Hurry, calibrate
from .checkpoint import Checkpoint, despite_lost_device
from .loop import optimise
from .objective import Batch, Objective, pixels_shown
from .plan import DistillationPlan, with_facts
from .restore_detail import Share
from .shares import DistillationShares
from .targets import (
    ComputedTargets,
    Pairs,
    StoredTargets,
    TargetMaker,
    are_stored,
    compute_targets,
    in_parts,
)

ALONE = 0.1  # share of the steps in which a student of a stack learns without neighbours
HELD_OUT_BATCHES = 4  # for the held-out loss: enough to compare weights, a small part of the time


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
        Where to keep the distillation, and what to resume. Targets are computed again.

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
    if config is not None and config.targets != "automatic" and not teacher.neighbours:
        raise UserError(
            f"The setting targets = {config.targets!r} has no effect: "
            "this teacher sees no neighbouring planes."
        )
    kept = checkpoint or Checkpoint()
    job = partial(_distill, teacher.copy().to("cpu"), planes, checkpoint=kept)
    return (yield from Parts().part(despite_lost_device(job, config or DistillConfig()), 1.0))


def _distill(
    teacher: Denoiser, planes: Planes, config: DistillConfig, *, checkpoint: Checkpoint
) -> Job[Denoiser]:
    clock, parts = Clock(config.minutes), Parts()
    # Targets are made by a blind-spot network, for which another precision may be the faster one.
    targets = Trial.of_targets(teacher.architecture)
    precision = pick_precision(pick_device(config.device), config.precision, targets)
    student = checkpoint.denoiser("distill", planes, config, teacher)
    if student is None:
        fresh = _fresh_student(teacher, planes, config, clock)
        student, plan = yield from parts.part(fresh, 0.0)
    else:
        plan = DistillationPlan.resumed(student.record, config.device)
    student.to(config.device)
    settled = plan.config
    teacher = teacher.copy().to(config.device)
    recharged = Share() if settled.recharge == "measured" else None
    maker = TargetMaker(teacher, settled, precision, recharged)
    shares = DistillationShares.of(settled, planes, teacher.neighbours)
    pairs = yield from parts.part(_pairs(maker, planes, plan.targets, clock), shares.targets)
    if isinstance(pairs, StoredTargets):
        # Checkpoints hold the record: a resumed distillation has as many targets.
        student.record = with_facts(student.record, "distill", {"targets": pairs.planes})
    objective = _Recharging(pairs, maker, student.network)
    learning = optimise(student, objective, settled, clock, checkpoint)
    done = yield from parts.part(learning, shares.learning)
    how = Hurry.of(settled.minutes, stopped=parts.stopped)
    measuring = calibrate(student, teacher, _training_shift(teacher), planes, clock, how)
    clipped = yield from parts.part(measuring, shares.calibration)
    if recharged is not None and recharged.changed:
        progress = Progress("Calibrate", 1, 1, clock.seconds, note=recharged.sentence, expert=True)
        yield from report_progress(progress, clock)
    done["stopped"] |= parts.stopped
    facts = {**done, **_method(settled, recharged), **clipped}
    student.record = with_facts(student.record, "distill", facts)
    return student


def _fresh_student(
    teacher: Denoiser, planes: Planes, config: DistillConfig, clock: Clock
) -> Generator[Progress, Signal | None, tuple[Denoiser, DistillationPlan]]:
    """An untrained student, and its settings with those that were automatic."""
    automatic = settle_distillation(config, teacher.shifts, teacher.views)
    architecture = Architecture(
        kind=cast(NetworkKind, f"student-{config.student}"),
        channels=planes.channels,
        width=config.width,
        depth=config.depth,
        separate=teacher.architecture.separate,
        neighbours=teacher.neighbours,
    )
    student = Denoiser.fresh(architecture, teacher.normalisation, config.seed)
    started = pretrained.begin(student, config)
    for said in (automatic.sentence, pretrained.sentence(started, teacher.record)):
        progress = Progress("Compute targets", 0, len(planes.sizes), 0.0, note=said, expert=True)
        yield from report_progress(progress, clock)
    trial = Trial.of_steps(architecture, automatic.config)
    precision = pick_precision(pick_device(config.device), config.precision, trial)
    settled = SettledDistillation.of(automatic.config, precision=precision)
    about = {**describe(planes, settled), **pretrained.record(started)}
    student.record = {**teacher.record, "distill": about}
    return student, DistillationPlan(settled)


def _pairs(
    maker: TargetMaker, planes: Planes, known: int | None, clock: Clock
) -> Generator[Progress, Signal | None, StoredTargets | ComputedTargets]:
    """Noisy images with their targets, which are computed now if there is memory and time."""
    stacked = maker.teacher.stacked(planes)
    if not are_stored(planes, maker.config, maker.teacher.neighbours):
        return ComputedTargets(maker, stacked)
    parts = in_parts(stacked, maker.config)
    joined = yield from compute_targets(maker, parts, known, clock)
    return StoredTargets(joined, planes.channels, stacked.channels, maker.config)


def _training_shift(teacher: Denoiser) -> int:
    """The shift that a teacher was trained at, as its file says."""
    trained = teacher.record.get("train", {}).get("config", {})
    return int(trained.get("shift", PUBLISHED_TRAINING["shift"]))


def _method(config: SettledDistillation, recharged: Share | None) -> dict[str, Any]:
    """For the record: whether targets were recharged (RD) or not (D), and at how many pixels."""
    if recharged is None:
        return {"method": "RD, random masks" if config.recharge == "random" else "D"}
    return {
        "method": "RD, measured" if recharged.changed else "D",
        "recharged": float(f"{recharged.value:.3g}"),
    }


class _Recharging(Objective):
    """Distance to the targets, recharged or as they are."""

    stage = "Distil student"

    def __init__(self, pairs: Pairs, maker: TargetMaker, student: nn.Module) -> None:
        super().__init__(pairs.sampler, maker.config.seed)
        self.shown = pixels_shown(maker.config)
        self._pairs, self._config, self._recharged = pairs, maker.config, maker.recharged
        self._targets, self._alone = maker.count, False
        self._neighbours, self.on_device = maker.teacher.neighbours, pairs.on_device
        self.held_out_loss = self._on_held_out(student)

    def draw(self) -> Batch:
        """Crops, and the masks that recharge their targets.

        In some steps the student of a stack sees planes without their neighbours, so that it also
        denoises single ones.
        """
        crops = self._pairs.draw()
        mask = crops.valid & ~crops.held_out
        (b, _, h, w), j = mask.shape, self._targets
        if self._config.recharge == "random":
            recharged_at = recharge_masks(b, j, h, w, generator=self.generator)
        else:
            recharged_at = torch.empty(b, 0)
        self.draw_kind()
        return Batch(crops.values, mask, recharged_at)

    def draw_kind(self) -> bool:
        """Whether the student of a stack sees the next crops without their neighbours."""
        if self._neighbours:
            self._alone = bool(torch.rand(1, generator=self.generator) < ALONE)
        return self._alone

    def batch_of(self, crops: Crops, seed: Tensor) -> Batch:
        """Crops, and the masks that recharge their targets, on the device."""
        crops = self._pairs.cut(crops)
        mask = crops.valid & ~crops.held_out
        b, _, h, w = mask.shape
        recharged_at = mask.new_empty(b, 0)
        if self._config.recharge == "random":
            recharged_at = hashed_masks(b, self._targets, h, w, seed=seed)
        return Batch(crops.values, mask, recharged_at)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Equation [9], or [3]."""
        values, mask, recharged_at = batch.to(network)
        noisy, targets = self._pairs.split(values)
        plane = noisy[:, : targets.shape[2]]
        if self._config.recharge == "random":
            targets = recharge(targets, plane, recharged_at)
        output = network(plane if self._alone else noisy)
        return distillation_loss(output, targets, norm=self._config.loss, mask=mask)

    def state(self) -> dict[str, Any]:
        """The random state, and how many pixels were recharged so far."""
        if self._recharged is None:
            return super().state()
        counted = [self._recharged.changed, self._recharged.seen]
        return {**super().state(), "recharged": counted}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a random state and its count, which older checkpoints do not have."""
        super().restore(state)
        if self._recharged is not None and "recharged" in state:
            self._recharged.changed, self._recharged.seen = map(int, state["recharged"])

    def _on_held_out(self, student: nn.Module) -> Callable[[nn.Module], float] | None:
        """Distance to the targets, as they are, on pixels that are not learnt from."""
        batches = []
        for _ in range(HELD_OUT_BATCHES):
            crops = self._pairs.draw()
            if (crops.valid & crops.held_out).any():
                crops = crops.to(student)
                batches.append((*self._pairs.split(crops.values), crops.valid & crops.held_out))

        def loss(network: nn.Module) -> float:
            with torch.no_grad():
                losses = [
                    distillation_loss(network(noisy), targets, norm=self._config.loss, mask=mask)
                    for noisy, targets, mask in batches
                ]
                return float(torch.stack(losses).mean())

        return loss if batches else None
