"""Training a teacher, a blind-spot network, with the Adjacent Pixel Replacer (APR)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import cast

import torch
from torch import Tensor, nn

from .adapt import adapt_training, channels_are_separate, target_shifts
from .calibration import calibrate
from .config import TrainConfig
from .denoiser import Architecture, Denoiser
from .errors import UserError
from .losses import apr_loss, mean_norm
from .networks import BlindSpot
from .noise import NoiseReport, inspect
from .optimise import optimise
from .own_network import OwnArchitecture
from .patches import Crops, Normalisation, Planes, check_sizes
from .progress import Clock, Job, Progress, Signal, report
from .reading import CropSampler
from .record import describe
from .replace import replacer_maps
from .team import ALONE, Team

HELD_OUT_PIXELS = 65_536  # of the crops on which the held-out loss is computed


def train(
    planes: Planes,
    config: TrainConfig | None = None,
    team: Team = ALONE,
    architecture: OwnArchitecture | None = None,
) -> Job[Denoiser]:
    """Train a blind-spot network with the Adjacent Pixel Replacer, equation [6].

    Parameters
    ----------
    planes : Planes
        Noisy images. NaN and infinite pixels are not learnt from.
    config : TrainConfig, optional
    team : Team
        Processes to train with, each on a batch of `config.batch` crops of its own; all of them
        return the same teacher.
    architecture : OwnArchitecture, optional
        Of another blind-spot network; width and depth are then its own.

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
    clock = Clock()
    config = config or TrainConfig()
    check_sizes(planes, config.patch)
    normalisation = Normalisation.measure(planes, seed=config.seed)
    config, noise = yield from _look_at_noise(planes, config, clock)
    sampler = CropSampler(
        planes,
        normalisation,
        batch=config.batch * team.size,
        patch=config.patch,
        seed=config.seed,
        hold_out=config.hold_out,
    )
    teacher = Denoiser.fresh(
        architecture or _at_bsn(planes, config), normalisation, config.seed
    ).to(config.device)
    teacher.record = {"train": describe(planes, config)}
    if noise is not None:
        teacher.record["noise"] = noise.model_dump(mode="json")
    generator = torch.Generator().manual_seed(config.seed)

    def loss(network: nn.Module) -> Tensor:
        crops = Crops(*map(team.part_of, sampler.draw())).to(network)
        learnt = crops.valid & ~crops.held_out
        if not config.replace:  # as AT-BSN is trained
            error = network(crops.values, config.shift) - crops.values
            return mean_norm(error, config.loss, learnt)
        size = (config.batch * team.size, config.patch, config.patch)
        maps = replacer_maps(*size, window=config.window, generator=generator)
        maps = team.part_of(maps, axis=1)
        return apr_loss(
            lambda image: network(image, config.shift),
            crops.values,
            maps.to(crops.values.device),
            regularization=config.regularization,
            norm=config.loss,
            mask=learnt,
        )

    held_out = held_out_crops(sampler, config.patch) if config.hold_out else []
    done = yield from optimise(
        "Train APR",
        teacher,
        loss,
        _blind_spot_loss(held_out, config, noise) if held_out else None,
        config,
        clock,
        team,
    )
    done["waiting"] = round(sampler.waited / max(done["seconds"], 1e-9), 3)
    teacher.record["train"].update(done)
    if noise is not None:
        shifts = yield from target_shifts(teacher, planes, noise, config.shift, clock)
        teacher.record["target_shifts"] = list(shifts)
    yield from calibrate(teacher, teacher, config.shift, planes, clock)
    return teacher


def _at_bsn(planes: Planes, config: TrainConfig) -> Architecture:
    return Architecture(
        kind="blind-spot",
        channels=planes.channels,
        width=config.width,
        depth=config.depth,
        separate=planes.channels > 1 and channels_are_separate(config, planes.colours),
    )


def _look_at_noise(
    planes: Planes, config: TrainConfig, clock: Clock
) -> Generator[Progress, Signal | None, tuple[TrainConfig, NoiseReport | None]]:
    """Adapt the settings to the noise."""
    if not config.adapt:
        return config, None
    try:
        noise = inspect(planes)
    except UserError as error:  # too little to measure is still enough to learn from
        yield from report(Progress("Inspect noise", 1, 1, clock.seconds, note=str(error)), clock)
        return config, None
    config, why = adapt_training(config, noise)
    yield from report(Progress("Inspect noise", 1, 1, clock.seconds, note=why), clock)
    return config, noise


def held_out_crops(sampler: CropSampler, patch: int) -> list[Crops]:
    """Batches to watch for over-training, always the same."""
    batches = [sampler.draw()]
    pixels = batches[0].values.shape[0] * patch**2
    batches += [sampler.draw() for _ in range(HELD_OUT_PIXELS // pixels - 1)]
    return batches if any((b.held_out & b.valid).any() for b in batches) else []


def _blind_spot_loss(
    batches: list[Crops], config: TrainConfig, noise: NoiseReport | None
) -> Callable[[nn.Module], float]:
    """How badly a network predicts pixels that it neither sees nor learnt from.

    The prediction is the mean over the shifts that are blind to the noise, which is closer to
    what a user gets than the training shift alone.
    """
    first = config.shift if noise is None else min(noise.reach + 1, config.shift)
    shifts = range(first, config.shift + 1)

    def loss(network: nn.Module) -> float:
        bsn = cast(BlindSpot, network)
        with torch.no_grad():
            losses = []
            for batch in batches:
                crops = batch.to(network)
                error = bsn.all_shifts(crops.values, shifts).mean(1) - crops.values
                losses.append(mean_norm(error, config.loss, crops.held_out & crops.valid))
            return float(torch.stack(losses).mean())

    return loss
