"""Automatic settings: chosen by the noise where they are not given."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import (
    ALL_SHIFTS,
    Config,
    DenoiseConfig,
    DistillConfig,
    SettledDistillation,
    SettledTraining,
    TrainConfig,
)
from ..data.planes import Image, Planes, in_random_order, some_windows
from ..jobs import Clock, Progress, Signal, report
from ..model.hardware import Precision
from ..model.pretrained import LEARNING_RATE as RATE_FROM_WEIGHTS
from ..model.pretrained import fits
from ..noise.report import NoiseReport
from ..noise.sure import squared_errors
from . import budget

if TYPE_CHECKING:
    from ..model.denoiser import Denoiser


# Measured: see docs/experiments.md.
_STRONG = 0.075  # noise against the range of the image, from which on L2 is the better loss
_WINDOW, _WINDOWS = 256, 8

# What automatic settings are without a measurement: the paper's values (section 4 and table 6).
PUBLISHED_TRAINING: dict[str, Any] = {"shift": 5, "replace": True, "loss": "l1"}
PUBLISHED_DISTILLATION: dict[str, Any] = {"shifts": ALL_SHIFTS, "recharge": "random", "loss": "l1"}
LEARNING_RATE = 3e-3  # of a teacher from random weights; see docs/experiments.md


def settle_training(
    config: TrainConfig, noise: NoiseReport | None, *, pretrained: bool
) -> tuple[SettledTraining, str]:
    """Choose the settings that were left automatic; say which and why.

    Parameters
    ----------
    config : TrainConfig
        Settings that are given stay as they are.
    noise : NoiseReport or None
        None where it was not or could not be measured: the paper's values are taken.
    pretrained : bool
        Whether the network starts from the starting weights.

    Returns
    -------
    SettledTraining
    str
        One sentence on what was chosen by the noise, empty if nothing was.
    """
    by_noise: dict[str, Any] = {}
    if noise is not None and config.adapt:
        white = noise.hardly_correlated
        # With few photons L1 learns medians, which are far from the means.
        loss = "l2" if white and noise.relative > _STRONG else "l1"
        by_noise = {"shift": noise.shift, "replace": not white, "loss": loss}
    chosen = {name: v for name, v in by_noise.items() if getattr(config, name) is None}
    rate = RATE_FROM_WEIGHTS if pretrained else LEARNING_RATE
    fallback = {**PUBLISHED_TRAINING, "learning_rate": rate, **chosen}
    settled = SettledTraining.model_validate(_filled_in(config, fallback))
    return settled, _why(chosen, noise) if noise is not None and chosen else ""


def _filled_in(config: Config, chosen: dict[str, Any]) -> dict[str, Any]:
    """The settings, with a choice for each that is automatic."""
    given = {n: v for n, v in config.model_dump().items() if v is not None and v != "automatic"}
    return {**chosen, **given}


def _why(chosen: dict[str, Any], noise: NoiseReport) -> str:
    reach, words = noise.reach, []
    if "shift" in chosen:
        words.append(f"shift {chosen['shift']}")
    if chosen.get("replace") is False:
        words.append("no pixels replaced, since there is hardly a correlation to break")
    if chosen.get("loss") == "l2":
        words.append("loss l2")
    look = "is white" if reach == 0 else f"spreads over {reach} pixel{'s' if reach > 1 else ''}"
    return f"The noise {look}: {', '.join(words)}." if words else ""


def channels_are_separate(config: TrainConfig, colours: bool) -> bool:
    """Whether each channel gets a network of its own.

    Stains show different things: one network for all of them learns more slowly and may carry
    structure from one channel into another. The colours of a picture show the same, and from
    random weights they learn better together; but the starting weights, which are for one channel,
    are worth more.
    """
    if config.channels != "auto":
        return config.channels == "separate"
    return not colours or fits(config)


def target_shifts(
    teacher: Denoiser, planes: Planes, noise: NoiseReport, config: SettledTraining, clock: Clock
) -> Generator[Progress, Signal | None, tuple[int, ...]]:
    """Find the shifts whose outputs are worth a mean.

    Small shifts keep detail, large ones remove more noise. Where noise is (nearly) white, the
    error of the mean over shifts 0..k is estimated for each k, and the best k >= 1 is taken.
    Where it is correlated, its faint tails, which no report sees, decide; all shifts up to the
    one of training are taken.

    Parameters
    ----------
    teacher : Denoiser
    planes : Planes
        What it was trained on; a few windows are looked at.
    noise : NoiseReport
    config : SettledTraining
        Of the training; its precision is settled.
    clock : Clock
        Of a time budget that is nearly spent, fewer windows have to do.
    """
    if not noise.hardly_correlated:
        return tuple(range(config.shift + 1))
    normalisation = teacher.normalisation
    precision: Precision = "float32" if config.precision == "auto" else config.precision
    errors = np.zeros(len(ALL_SHIFTS))

    def outputs(values: Image) -> Image:
        image = normalisation.undo(values)
        return teacher.targets(image, ALL_SHIFTS, DenoiseConfig(), precision)

    windows = in_random_order(some_windows(planes, _WINDOW, _WINDOWS))
    for done, place in enumerate(windows, start=1):
        noisy = normalisation.apply(planes.read(*place))
        errors += np.isfinite(noisy).sum() * squared_errors(noisy, outputs, noise, seed=done)
        yield from report(Progress("Choose shifts", done, len(windows), clock.seconds), clock)
        if clock.spent > budget.SHIFTS:
            break
    return ALL_SHIFTS[: int(np.argmin(errors[1:])) + 2]


def settle_distillation(
    config: DistillConfig, shifts: tuple[int, ...]
) -> tuple[SettledDistillation, str]:
    """Choose the settings that were left automatic, for a teacher that is best at some shifts.

    Random recharging spreads noise over the targets, which costs more than it saves where their
    shifts were chosen well; targets that are recharged by measurement are never far below their
    mean (see docs/experiments.md).

    Parameters
    ----------
    config : DistillConfig
        Settings that are given stay as they are.
    shifts : tuple of int
        At which the teacher's mean output is best.

    Returns
    -------
    SettledDistillation
    str
        One sentence on what was chosen, empty if nothing was.
    """
    chosen = dict(PUBLISHED_DISTILLATION)
    if config.adapt:
        recharge = "measured" if config.recharge == "automatic" else config.recharge
        # Random recharging makes one target of a pixel noisy: L1, whose optimum is a median,
        # passes over it. The mean of the targets is the optimum of L2.
        chosen = {
            "shifts": shifts,
            "recharge": recharge,
            "loss": "l1" if recharge == "random" else "l2",
        }
    settled = SettledDistillation.model_validate(_filled_in(config, chosen))
    if not config.adapt:
        return settled, ""
    words = []
    if config.shifts is None:
        words.append(f"targets T at shifts {', '.join(map(str, shifts))}")
    if config.recharge == "automatic":
        words.append("recharged by measurement")
    if config.loss is None:
        words.append(f"loss {settled.loss}")
    return settled, f"Chosen: {', '.join(words)}." if words else ""
