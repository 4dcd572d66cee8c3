"""Training a teacher with APR and distilling it into a student with RD: two generators."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Generator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Config, DenoiseConfig, DistillConfig, TrainConfig
from .denoiser import Architecture, Denoiser, Kind
from .devices import pick_device
from .errors import UserError
from .losses import apr_loss, distillation_loss
from .networks import BlindSpotNetwork
from .patches import CropSampler, MemoryPlanes, Normalisation, Planes
from .progress import STOP, Clock, Job, Progress, Signal
from .recharge import recharge, recharge_masks
from .replace import replacer_maps

TARGETS_IN_MEMORY = 512e6  # bytes; a source that needs more has its targets computed per crop
MARGIN = 32  # pixels of context around a crop whose targets are computed on the way


def train(planes: Planes, config: TrainConfig | None = None) -> Job[Denoiser]:
    """Train a blind-spot network with the Adjacent Pixel Replacer, equation [6].

    Parameters
    ----------
    planes : Planes
        Noisy images.
    config : TrainConfig, optional

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
    config = config or TrainConfig()
    clock = Clock()
    normalisation = Normalisation.measure(planes, seed=config.seed)
    sampler = CropSampler(
        planes, normalisation, batch=config.batch, patch=config.patch, seed=config.seed
    )
    architecture = Architecture(
        kind="blind-spot", channels=planes.channels, width=config.width, depth=config.depth
    )
    teacher = _new_denoiser(architecture, normalisation, config)
    teacher.record = {"train": _describe(planes, config)}
    network = cast(BlindSpotNetwork, teacher.network)
    generator = torch.Generator().manual_seed(config.seed)

    def loss() -> Tensor:
        noisy = _on_device_of(network, sampler.draw())  # (B, C, H, W)
        maps = replacer_maps(
            *(config.batch, config.patch, config.patch),
            window=config.window,
            generator=generator,
        )
        return apr_loss(
            lambda image: network(image, config.shift),
            noisy,
            maps.to(noisy.device),
            regularization=config.regularization,
            norm=config.loss,
        )

    yield from _optimise("Train APR", teacher, loss, config, clock)
    yield from _calibrate(teacher, planes, clock)
    return teacher


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
    teacher = teacher.copy().to(config.device)
    architecture = Architecture(
        kind=cast(Kind, f"student-{config.student}"),
        channels=planes.channels,
        width=config.width,
        depth=config.depth,
    )
    student = _new_denoiser(architecture, teacher.normalisation, config)
    student.record = {**teacher.record, "distill": _describe(planes, config)}
    generator = torch.Generator().manual_seed(config.seed)
    draw = yield from _target_source(teacher, planes, config, clock)

    def loss() -> Tensor:
        noisy, targets = draw()  # (B, C, H, W), (B, j, C, H, W)
        if config.recharge:
            b, j, _, h, w = targets.shape
            masks = recharge_masks(b, j, h, w, generator=generator)
            targets = recharge(targets, noisy, masks.to(noisy.device))
        return distillation_loss(student.network(noisy), targets, norm=config.loss)

    yield from _optimise("Distill (RD)", student, loss, config, clock)
    yield from _calibrate(student, planes, clock)
    return student


def learning_rate(config: TrainConfig | DistillConfig, fraction: float) -> float:
    """Linear warm-up, then half a cosine down to 0; `fraction` of the schedule is done."""
    if fraction < config.warmup:
        return config.learning_rate * fraction / config.warmup
    falling = (fraction - config.warmup) / (1 - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(falling, 1.0)))


def _optimise(
    stage: str,
    denoiser: Denoiser,
    loss: Callable[[], Tensor],
    config: TrainConfig | DistillConfig,
    clock: Clock,
) -> Generator[Progress, Signal | None, None]:
    """Minimise the loss over the schedule and record how far it went."""
    optimizer = torch.optim.Adam(denoiser.network.parameters(), betas=(0.9, 0.999))
    budget = config.minutes * 60 if config.minutes else None
    step, fraction, recent = 0, 0.0, []
    while fraction < 1:
        # The middle of the step to come; a budget's step has no known length.
        middle = fraction + (0.5 / config.steps if budget is None else 0.0)
        optimizer.param_groups[0]["lr"] = learning_rate(config, middle)
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        recent.append(value.detach())
        step += 1
        fraction = step / config.steps if budget is None else clock.seconds / budget
        if not (clock.report_due() or fraction >= 1):
            continue
        mean_loss = float(torch.stack(recent).mean())
        if not math.isfinite(mean_loss):
            raise UserError(
                "The loss is no longer a number; train again with a lower learning rate."
            )
        recent.clear()
        total = max(step, round(step / fraction)) if budget else config.steps
        progress = Progress(stage, step, total, clock.seconds, mean_loss, snapshot=denoiser.copy)
        if (yield from _report(progress, clock)) is STOP:
            break
    done = {"steps": step, "stopped": fraction < 1, "seconds": round(clock.seconds, 1)}
    denoiser.record["distill" if "distill" in denoiser.record else "train"].update(done)


def _target_source(
    teacher: Denoiser, planes: Planes, config: DistillConfig, clock: Clock
) -> Generator[Progress, Signal | None, Callable[[], tuple[Tensor, Tensor]]]:
    """How to draw (noisy, targets): computed once where they fit in memory, else per crop."""
    c, j = planes.channels, len(config.shifts)
    pixels = sum(h * w for h, w in planes.sizes)
    crops = {"batch": config.batch, "seed": config.seed}
    needed = config.minutes is not None or pixels <= config.steps * config.batch * config.patch**2
    if needed and 4 * pixels * c * (1 + j) <= TARGETS_IN_MEMORY:
        joined = yield from _all_targets(teacher, planes, config, clock)
        identity = Normalisation((0.0,) * c * (1 + j), (1.0,) * c * (1 + j))
        sampler = CropSampler(joined, identity, patch=config.patch, **crops)

        def draw() -> tuple[Tensor, Tensor]:
            batch = _on_device_of(teacher.network, sampler.draw())
            noisy, targets = batch[:, :c], batch[:, c:]
            return noisy, targets.reshape(-1, j, c, *targets.shape[2:])

        return draw

    margin = max(min(MARGIN, (min(map(min, planes.sizes)) - config.patch) // 2), 0)
    sampler = CropSampler(planes, teacher.normalisation, patch=config.patch + 2 * margin, **crops)
    network = cast(BlindSpotNetwork, teacher.network)
    centre = (..., slice(margin, margin + config.patch), slice(margin, margin + config.patch))

    def draw_and_compute() -> tuple[Tensor, Tensor]:
        noisy = _on_device_of(network, sampler.draw())
        spare = -noisy.shape[-1] % teacher.architecture.multiple
        with torch.no_grad():
            padded = F.pad(noisy, (0, spare, 0, spare), mode="reflect")
            return noisy[centre], network.all_shifts(padded, config.shifts)[centre]

    return draw_and_compute


def _all_targets(
    teacher: Denoiser, planes: Planes, config: DistillConfig, clock: Clock
) -> Generator[Progress, Signal | None, MemoryPlanes]:
    """Planes of (1 + j) C channels: the normalised noisy image, then its targets T."""
    joined = []
    for index, (height, width) in enumerate(planes.sizes):
        image = planes.read(index, slice(0, height), slice(0, width))
        targets = teacher.targets(image, config.shifts, DenoiseConfig())
        noisy = teacher.normalisation.apply(image)
        joined.append(np.concatenate([noisy, targets.reshape(-1, height, width)]))
        progress = Progress("Compute targets", index + 1, len(planes.sizes), clock.seconds)
        if (yield from _report(progress, clock)) is STOP:
            raise UserError("Stopped before the first step of distillation: nothing to keep yet.")
    return MemoryPlanes(joined)


def _calibrate(
    denoiser: Denoiser, planes: Planes, clock: Clock
) -> Generator[Progress, Signal | None, None]:
    windows = 16
    for done in denoiser.calibrate(planes, windows=windows):
        yield from _report(Progress("Calibrate", done + 1, windows, clock.seconds), clock)


def _report(progress: Progress, clock: Clock) -> Generator[Progress, Signal | None, Signal | None]:
    clock.pause()
    answer = yield progress
    clock.resume()
    return answer


def _new_denoiser(
    architecture: Architecture, normalisation: Normalisation, config: TrainConfig | DistillConfig
) -> Denoiser:
    with torch.random.fork_rng(devices=[]):  # leave the caller's random state alone
        torch.manual_seed(config.seed)
        network = architecture.build()
    return Denoiser(network, architecture, normalisation).to(config.device)


def _on_device_of(network: nn.Module, batch: Tensor) -> Tensor:
    device = next(network.parameters()).device
    return batch.to(device, memory_format=torch.channels_last, non_blocking=True)


def _describe(planes: Planes, config: Config) -> dict[str, Any]:
    sizes = planes.sizes
    return {
        "config": config.model_dump(mode="json"),
        "planes": len(sizes),
        "megapixels": round(sum(h * w for h, w in sizes) / 1e6, 3),
        "device": str(pick_device(cast(TrainConfig, config).device)),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("napari-aprrd", "torch", "numpy")},
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
