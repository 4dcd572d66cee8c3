"""Training a teacher, a blind-spot network, with the Adjacent Pixel Replacer (APR)."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..config import SettledTraining, TrainConfig
from ..data.crops import Crops, CropSampler, check_sizes
from ..data.planes import Planes
from ..data.scaling import Normalisation
from ..errors import UserError
from ..jobs import Clock, Job, Parts, Progress, Signal, report_progress
from ..method.apr import apr_loss, hashed_maps, replacer_maps
from ..method.norms import mean_norm
from ..model import pretrained
from ..model.architecture import Architecture, OwnArchitecture
from ..model.denoiser import Denoiser
from ..model.hardware import pick_device
from ..model.provenance import describe
from ..model.trials import Trial, pick_precision
from ..noise.report import NoiseReport, inspect
from .auto_settings import (
    channels_are_separate,
    max_steps,
    settle_neighbours,
    settle_training,
)
from .best_targets import best_targets
from .calibrate import Hurry, calibrate
from .checkpoint import Checkpoint, despite_lost_device
from .held_out import blind_spot_loss, held_out_crops
from .loop import optimise
from .objective import Batch, Objective, pixels_shown
from .plan import TrainingPlan, with_facts
from .processes import SINGLE, Processes
from .shares import TrainingShares

ALONE = 0.25  # share of the steps in which a network with neighbours learns without them


def train(
    planes: Planes,
    config: TrainConfig | None = None,
    processes: Processes = SINGLE,
    architecture: OwnArchitecture | None = None,
    checkpoint: Checkpoint | None = None,
) -> Job[Denoiser]:
    """Train a blind-spot network with the Adjacent Pixel Replacer, equation [6].

    Parameters
    ----------
    planes : Planes
        Noisy images. NaN and infinite pixels are not learnt from.
    config : TrainConfig, optional
    processes : Processes
        Processes to train with, each on a batch of `config.batch` crops of its own; all of them
        return the same teacher.
    architecture : OwnArchitecture, optional
        Of another blind-spot network; width and depth are then its own.
    checkpoint : Checkpoint, optional
        Where to keep the training, and what to resume.

    Yields
    ------
    Progress
        Several times a second. Send `STOP` to stop and keep.

    Returns
    -------
    Denoiser
        The teacher.

    Raises
    ------
    UserError
        If the images are too small or constant, or the device is not there.
    """
    kept = checkpoint or Checkpoint()
    job = partial(_train, planes, processes=processes, architecture=architecture, checkpoint=kept)
    config = config or TrainConfig()
    if processes.size > 1:  # The processes would not all go back to the same step.
        return (yield from Parts().part(job(config), 1.0))
    return (yield from Parts().part(despite_lost_device(job, config), 1.0))


def _train(
    planes: Planes,
    config: TrainConfig,
    *,
    processes: Processes,
    architecture: OwnArchitecture | None,
    checkpoint: Checkpoint,
) -> Job[Denoiser]:
    clock, parts = Clock(config.minutes), Parts()
    check_sizes(planes)
    teacher = checkpoint.denoiser("train", planes, config)
    if teacher is None:
        fresh = _fresh_teacher(planes, config, architecture, clock)
        teacher, plan = yield from parts.part(fresh, 0.0)
    else:
        plan = TrainingPlan.resumed(teacher.record, config.device)
    teacher.to(config.device)
    objective = _Replacing(teacher.stacked(planes), teacher.normalisation, plan.config, processes)
    if plan.config.hold_out:
        objective.hold_out(plan.noise)
    shares = TrainingShares.of(plan, planes)
    parts.done = min(clock.spent, shares.learning)  # of a time budget
    learning = optimise(teacher, objective, plan.config, clock, checkpoint)
    done = yield from parts.part(learning, shares.learning - parts.done)
    waiting = round(objective.waited / max(done["seconds"], 1e-9), 3)
    measured = yield from _measure(teacher, planes, plan, (parts, shares), clock)
    done["stopped"] |= parts.stopped
    facts = {**done, "waiting": waiting, **measured, "seconds": round(clock.seconds, 1)}
    teacher.record = with_facts(teacher.record, "train", facts)
    return teacher


def _measure(
    teacher: Denoiser,
    planes: Planes,
    plan: TrainingPlan,
    bar: tuple[Parts, TrainingShares],
    clock: Clock,
) -> Generator[Progress, Signal | None, dict[str, Any]]:
    """Choose the targets of a teacher that has learnt, and calibrate it; facts for its record."""
    parts, shares = bar
    config = plan.config
    if plan.noise is not None:
        ending = best_targets(teacher, planes, plan.noise, config, clock, stopped=parts.stopped)
        best = yield from parts.part(ending, shares.shifts)
        # This makes them the targets of `teacher`, at which it is calibrated.
        teacher.record = {**teacher.record, "target_shifts": list(best.shifts)}
        if teacher.neighbours:
            teacher.record["target_views"] = best.views
    how = Hurry.of(config.minutes, stopped=parts.stopped)
    measuring = calibrate(teacher, teacher, config.shift, planes, clock, how)
    return (yield from parts.part(measuring, shares.calibration))


def _at_bsn(planes: Planes, config: TrainConfig, neighbours: int) -> Architecture:
    return Architecture(
        kind="blind-spot",
        channels=planes.channels,
        width=config.width,
        depth=config.depth,
        separate=planes.channels > 1 and channels_are_separate(config, planes.colours),
        neighbours=neighbours,
    )


def _fresh_teacher(
    planes: Planes, config: TrainConfig, own: OwnArchitecture | None, clock: Clock
) -> Generator[Progress, Signal | None, tuple[Denoiser, TrainingPlan]]:
    """An untrained teacher, and its settings with those that were automatic."""
    normalisation = Normalisation.measure(planes, seed=config.seed)
    noise, note = _noise_of(planes, config)
    stack = settle_neighbours(config, planes.stack_axes, noise, own is not None)
    network = own or _at_bsn(planes, config, stack.neighbours)
    teacher = Denoiser.fresh(network, normalisation, config.seed)
    started = pretrained.begin(teacher, config)
    automatic = settle_training(config, noise, stack, pretrained=started)
    chosen = (note or automatic.sentence, pretrained.sentence(started))
    for said in filter(None, (*chosen, _about_constant(normalisation))):
        progress = Progress("Inspect noise", 1, 1, clock.seconds, note=said, expert=said in chosen)
        yield from report_progress(progress, clock)
    trial = Trial.of_steps(network, automatic.config)
    precision = pick_precision(pick_device(config.device), config.precision, trial)
    settled = SettledTraining.of(automatic.config, precision=precision)
    teacher.record = {
        "train": {
            **describe(planes, settled),
            "method": "APR" if settled.replace else "blind-spot training",
            **pretrained.record(started),
            **({"stack_axis": stack.axis} if stack.neighbours else {}),
        }
    }
    if noise is not None:
        teacher.record["noise"] = noise.model_dump(mode="json")
    return teacher, TrainingPlan(settled, noise)


def _about_constant(normalisation: Normalisation) -> str:
    """Sentence for users on channels that nothing can be learnt from; empty if there is none."""
    numbers = normalisation.not_learnt
    if not numbers:
        return ""
    which = " and ".join(map(str, numbers))
    if len(numbers) == 1:
        return f"Channel {which} (from 0) is constant: it is not learnt and stays as it is."
    return f"Channels {which} (from 0) are constant: they are not learnt and stay as they are."


class _Replacing(Objective):
    """The APR loss, or the blind-spot loss alone."""

    stage = "Train teacher"
    on_device = True

    def __init__(
        self,
        planes: Planes,
        normalisation: Normalisation,
        config: SettledTraining,
        processes: Processes,
    ) -> None:
        sampler = CropSampler(
            planes,
            normalisation,
            batch=config.batch * processes.size,
            patch=config.patch,
            seed=config.seed,
            hold_out=config.hold_out,
        )
        super().__init__(sampler, config.seed, processes)
        self._config, self._channels = config, len(normalisation.offset)
        self._has_neighbours, self._alone = planes.channels > self._channels, False
        pixels = sum(height * width for height, width in planes.sizes)
        pixels_of_a_step = config.batch * processes.size * config.patch**2
        self.max_steps = max_steps(pixels, pixels_of_a_step)
        self.shown = pixels_shown(config)

    def draw(self) -> Batch:
        """Crops, and the replacer's index maps."""
        crops, config = self.sampler.draw(), self._config
        self.draw_kind()
        maps = None
        if config.replace:
            size = (len(crops.values), config.patch, config.patch)
            maps = replacer_maps(*size, window=config.window, generator=self.generator)
        return Batch(*map(self.processes.shard, self._batch(crops, maps)))

    def draw_kind(self) -> bool:
        """In some steps crops come without their neighbours.

        So one network also denoises planes alone, and its outputs with neighbours and without err
        in different ways: often their mean is the best.
        """
        if self._has_neighbours:
            self._alone = bool(torch.rand(1, generator=self.generator) < ALONE)
        return self._alone

    def batch_of(self, crops: Crops, seed: Tensor) -> Batch:
        """Crops, and the replacer's index maps, on the device."""
        config, maps = self._config, None
        if config.replace:
            size = (len(crops.values), config.patch, config.patch)
            maps = hashed_maps(*size, window=config.window, seed=seed)
        return self._batch(crops, maps)

    def _batch(self, crops: Crops, maps: Tensor | None) -> Batch:
        """Crops (B, (2 k + 1) C, H, W), or without their neighbours, with maps (2, B, H * W)."""
        values = crops.values[:, : self._channels] if self._alone else crops.values
        draws = values.new_empty(len(values), 0) if maps is None else maps.transpose(0, 1)
        return Batch(values, crops.valid[:, : self._channels] & ~crops.held_out, draws)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Equation [6]."""
        values, mask, maps = batch.to(network)
        config = self._config
        noisy, neighbours = values[:, : self._channels], values[:, self._channels :]
        if not config.replace:  # as AT-BSN is trained
            return mean_norm(network(values, config.shift) - noisy, config.loss, mask)
        # The neighbours are not replaced: both passes of equation [6] share what they contribute.
        at = cast(Any, network).among(neighbours) if neighbours.shape[1] else network
        return apr_loss(
            lambda image: at(image, config.shift),
            noisy,
            maps.transpose(0, 1),
            regularization=config.regularization,
            norm=config.loss,
            mask=mask,
        )

    def hold_out(self, noise: NoiseReport | None) -> None:
        """Watch for over-training on the first crops."""
        crops = held_out_crops(self.sampler, self._config.patch)
        self.held_out_loss = blind_spot_loss(crops, self._config, noise) if crops else None


def _noise_of(planes: Planes, config: TrainConfig) -> tuple[NoiseReport | None, str]:
    """The noise of the images, if settings are to follow it, or why it is not known."""
    if not config.adapt:
        return None, ""
    try:
        return inspect(planes), ""
    except UserError as error:  # Training needs no measurement of the noise.
        return None, str(error)
