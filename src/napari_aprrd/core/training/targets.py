"""Pairs of noisy crops and their targets T: computed once and stored, or computed per crop."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..config import DenoiseConfig, SettledDistillation
from ..data.constant import constant_channels, without_borders
from ..data.crops import Crops, CropSampler
from ..data.planes import CutPlanes, Image, MemoryPlanes, Planes
from ..data.scaling import Normalisation
from ..errors import StoppedEarlyError
from ..jobs import STOP, Clock, Progress, Signal, report_progress
from ..method.networks import Target
from ..model.denoiser import Denoiser
from ..model.hardware import Precision, autocast
from ..noise.report import NoiseReport
from . import budget
from .best_targets import blind_shifts
from .restore_detail import Share, restore_detail
from .weigh_neighbours import weigh_neighbours

# Bytes: small beside the memory of a laptop. Targets of a larger source are computed per crop.
TARGETS_IN_MEMORY = 512e6
# Within a time budget, targets are computed of parts of planes, of which the first may have to do.
# Pixels of a part for each minute, which is a quarter of what two cores do in the time for targets;
# and its side in pixels at least, so that it has more inner pixels than ones at its edge.
PART_OF_MINUTE, SMALLEST_PART = 600_000, 128
# Pixels of context around a crop whose targets are computed per crop. A teacher of the default
# size sees 78, but with so many a crop of 64 pixels costs 12 times what it does without context;
# with these, 4 times.
MARGIN = 32


@dataclass(frozen=True)
class TargetMaker:
    """Computes targets with a teacher, and recharges them by measurement where that is wanted.

    Parameters
    ----------
    teacher : Denoiser
    config : SettledDistillation
    precision : {"float32", "bfloat16", "float16"}
        Precision of the teacher's computations.
    recharged : Share or None
        Counts the pixels that are recharged; None where none are.
    """

    teacher: Denoiser
    config: SettledDistillation
    precision: Precision
    recharged: Share | None

    @property
    def is_measured(self) -> bool:
        """Whether outputs with neighbours and without are joined by measurement."""
        return self.config.targets == "measured"

    @property
    def outputs(self) -> list[Target]:
        """The teacher's outputs that T is made of: shifts, with neighbours, without, or both."""
        views = "both" if self.config.targets == "measured" else self.config.targets
        return self.teacher.targets_at(self.config.shifts, views)

    @property
    def count(self) -> int:
        """Number j of the targets."""
        return count_targets(self.config)

    def of_plane(self, image: Image) -> tuple[Image, Image]:
        """Normalised noisy plane, with its neighbours if it has any, and its targets (j, C, H, W).

        The plane and its neighbours are ((2 k + 1) C, H, W).
        """
        outputs = self.teacher.targets(image, self.outputs, DenoiseConfig(), self.precision)
        noisy = self.teacher.normalisation.apply(without_borders(image))
        return noisy, self._made_of(outputs, noisy[: self.teacher.channels])

    def of_crops(self, noisy: Tensor) -> Tensor:
        """Targets (B, j, C, h, w) of normalised crops (B, (2 k + 1) C, h, w)."""
        height, width = noisy.shape[2:]
        spare = -width % self.teacher.architecture.multiple
        with torch.no_grad(), autocast(noisy.device, self.precision):
            padded = F.pad(noisy, (0, spare, 0, spare), mode="reflect")
            targets = self.teacher.outputs(padded, self.outputs).float()
        if self.recharged is not None or self.is_measured:
            centre = padded[:, : self.teacher.channels]
            crops = zip(targets.cpu().numpy(), centre.cpu().numpy(), strict=True)
            made = np.stack([self._made_of(*crop) for crop in crops])
            targets = torch.from_numpy(made).to(targets)
        return targets[..., :height, :width]

    def _made_of(self, outputs: Image, noisy: Image) -> Image:
        """Targets (j, C, h, w), made of outputs of the teacher for a noisy plane (C, h, w)."""
        if self.is_measured:
            beside, alone = np.split(outputs, 2)
            outputs = weigh_neighbours(beside, alone, self._blind, noisy, self._shared)
        if self.recharged is not None:
            outputs = restore_detail(outputs, noisy, self.recharged)
        return outputs

    @cached_property
    def _noise(self) -> NoiseReport | None:
        noise = self.teacher.record.get("noise")
        return None if noise is None else NoiseReport.model_validate(noise)

    @property
    def _blind(self) -> NDArray[np.bool_]:
        """Which of the shifts hide the noise that pixels share."""
        return np.isin(self.config.shifts, blind_shifts(self.config.shifts, self._noise))

    @property
    def _shared(self) -> float:
        """Number of pixels that share the noise of one."""
        return 1.0 if self._noise is None else self._noise.shared_by


class Pairs(Protocol):
    """Where noisy crops and their targets come from."""

    sampler: CropSampler

    def draw(self) -> Crops:
        """The next crops; their masks are those of the noisy pixels to learn from."""

    def cut(self, crops: Crops) -> Crops:
        """Crops of the sampler with the masks that `draw` gives them."""

    def split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy crops (B, C, h, w) and targets (B, j, C, h, w) of the values of crops."""

    @property
    def on_device(self) -> bool:
        """Whether `split` stays on the device of the crops."""


class StoredTargets:
    """Targets that were computed once: crops hold them as channels after the noisy ones.

    Parameters
    ----------
    joined : MemoryPlanes
        Planes, normalised: the noisy image, its neighbours if there are any, then its targets.
    channels : int
        Number of image channels C.
    inputs : int
        Number of channels with those of the neighbours, (2 k + 1) C.
    config : SettledDistillation

    Attributes
    ----------
    planes : int
        Number of planes that have targets.
    """

    def __init__(
        self, joined: MemoryPlanes, channels: int, inputs: int, config: SettledDistillation
    ) -> None:
        self.planes, self._channels, self._inputs = len(joined.sizes), channels, inputs
        already_normalised = Normalisation((0.0,) * joined.channels, (1.0,) * joined.channels)
        self.sampler = _sampler(joined, already_normalised, config, config.patch)

    on_device = True

    def draw(self) -> Crops:
        """The next crops."""
        return self.cut(self.sampler.draw())

    def cut(self, crops: Crops) -> Crops:
        """The same crops; the masks are those of the noisy pixels."""
        return crops._replace(valid=crops.valid[:, : self._channels])

    def split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy crops and their targets."""
        noisy, targets = values[:, : self._inputs], values[:, self._inputs :]
        return noisy, targets.reshape(len(values), -1, self._channels, *values.shape[2:])


class ComputedTargets:
    """Targets that are computed for each crop, which is drawn with some context around it.

    Parameters
    ----------
    maker : TargetMaker
    planes : Planes
        The noisy images.
    """

    def __init__(self, maker: TargetMaker, planes: Planes) -> None:
        self._maker = maker
        patch = maker.config.patch
        wide = [least for least in map(min, planes.sizes) if least >= patch]
        margin = min(MARGIN, (min(wide) - patch) // 2) if wide else MARGIN
        inner = slice(margin, margin + patch)
        self._centre = (..., inner, inner)
        self._channels = maker.teacher.channels
        normalisation = maker.teacher.normalisation
        self.sampler = _sampler(planes, normalisation, maker.config, patch + 2 * margin)

    def draw(self) -> Crops:
        """The next crops with their context; the masks are without it."""
        return self.cut(self.sampler.draw())

    def cut(self, crops: Crops) -> Crops:
        """The same crops; the masks are without their context."""
        valid = crops.valid[:, : self._channels]
        return Crops(crops.values, valid[self._centre], crops.held_out[self._centre])

    @property
    def on_device(self) -> bool:
        """Whether targets need nothing that is computed on the CPU."""
        return self._maker.recharged is None and not self._maker.is_measured

    def split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy crops and their targets, both without the context."""
        return values[self._centre], self._maker.of_crops(values)[self._centre]


def _sampler(
    planes: Planes, normalisation: Normalisation, config: SettledDistillation, patch: int
) -> CropSampler:
    return CropSampler(
        planes,
        normalisation,
        batch=config.batch,
        patch=patch,
        seed=config.seed,
        hold_out=config.hold_out,
    )


def count_targets(config: SettledDistillation) -> int:
    """Number j of the targets of each plane."""
    return len(config.shifts) * (2 if config.targets == "both" else 1)


def are_stored(planes: Planes, config: SettledDistillation, neighbours: int = 0) -> bool:
    """True where targets of whole planes fit in memory and are worth computing."""
    pixels = sum(h * w for h, w in planes.sizes)
    count = 1 + 2 * neighbours + count_targets(config)
    if 4 * pixels * planes.channels * count > TARGETS_IN_MEMORY:
        return False
    # Within a number of steps, crops may not need all of the pixels.
    return config.steps is None or pixels <= config.steps * config.batch * config.patch**2


def in_parts(planes: Planes, config: SettledDistillation) -> Planes:
    """The planes whose targets are computed at once: where time is short, parts of them."""
    if config.minutes is None:
        return planes
    side = max(math.isqrt(round(PART_OF_MINUTE * config.minutes)), SMALLEST_PART)
    return CutPlanes.of(planes, side)


def compute_targets(
    maker: TargetMaker, planes: Planes, known: int | None, clock: Clock
) -> Generator[Progress, Signal | None, MemoryPlanes]:
    """Planes of the normalised noisy image, its neighbours if it has any, then its targets.

    Planes come in random order. Within a time budget their targets take no more than a share of
    it, and may then be of fewer planes. Constant planes, of which nothing can be learnt, are left
    out, unless there is nothing else.

    Parameters
    ----------
    maker : TargetMaker
    planes : Planes
    known : int or None
        Number of planes of an earlier run that is resumed, which must have the same ones.
    clock : Clock
    """
    config, started, total = maker.config, clock.seconds, len(planes.sizes)
    allowed = math.inf if config.minutes is None else 60 * config.minutes * budget.TARGETS
    order = np.random.default_rng(config.seed).permutation(total)
    joined: list[Image] = []
    for done, index in enumerate(map(int, order), start=1):
        height, width = planes.sizes[index]
        image = planes.read(index, slice(0, height), slice(0, width))
        constant = constant_channels(image[: maker.teacher.channels])
        if not constant.all() or (done == total and not joined):
            noisy, targets = maker.of_plane(image)
            joined.append(np.concatenate([noisy, targets.reshape(-1, height, width)]))
        time_with_next = (clock.seconds - started) * (done + 1) / done
        in_time = known is not None or done == total or time_with_next <= allowed
        ended_early = not in_time and len(joined) > 0
        note = ""
        if ended_early:
            parts = f"{len(joined)} of the {total} parts of the images"
            note = f"In this time, targets of {parts} have to do."
        progress = Progress("Compute targets", done, total, clock.seconds, note=note, expert=True)
        if (yield from report_progress(progress, clock)) is STOP:
            raise StoppedEarlyError(
                "Stopped before the first step of distillation: nothing to keep yet."
            )
        if ended_early or len(joined) == known:
            break
    return MemoryPlanes(joined)
