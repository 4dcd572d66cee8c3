"""Settings from the noise report: what nobody wants to tune."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import starter
from .config import ALL_SHIFTS, DenoiseConfig, DistillConfig, TrainConfig
from .noise import NoiseReport
from .patches import Image, Planes, in_random_order, some_windows
from .precision import Precision
from .progress import Clock, Progress, Signal, report
from .sure import squared_errors

if TYPE_CHECKING:
    from .denoiser import Denoiser

# Measured: see docs/experiments.md.
_STRONG = 0.075  # noise against the range of the image, from which on L2 is the better loss
_WINDOW, _WINDOWS = 256, 8
_ENOUGH = 0.97  # of a time budget: no more windows are looked at then
_WORDS = {"replace": "no pixels replaced, since there is hardly a correlation to break"}


def adapt_training(config: TrainConfig, noise: NoiseReport) -> tuple[TrainConfig, str]:
    """Choose what was not given; say what and why.

    Parameters
    ----------
    config : TrainConfig
        Settings that were given stay as they are.
    noise : NoiseReport

    Returns
    -------
    TrainConfig
    str
        One sentence, empty if nothing was changed.
    """
    reach = noise.reach
    wanted: dict[str, Any] = {"shift": noise.shift}
    if noise.hardly_correlated:
        wanted["replace"] = False
        if noise.relative > _STRONG:
            wanted["loss"] = "l2"  # few photons: L1 learns medians, far from the mean
    changes = {name: value for name, value in wanted.items() if name not in config.given()}
    if not config.adapt or not changes:
        return config, ""
    look = "is white" if reach == 0 else f"spreads over {reach} pixel{'s' * (reach > 1)}"
    chosen = ", ".join(_WORDS.get(name, f"{name} {value}") for name, value in changes.items())
    return TrainConfig.of(config, **changes), f"The noise {look}: {chosen}."


def channels_are_separate(config: TrainConfig, colours: bool) -> bool:
    """Whether each channel gets a network of its own.

    Stains show different things: one network for all of them learns more slowly and may carry
    structure from one channel into another. The colours of a picture show the same, and from
    random weights they learn better together; but the starting weights, which are for one channel,
    are worth more.
    """
    if config.channels != "auto":
        return config.channels == "separate"
    return not colours or starter.fits(config)


def target_shifts(
    teacher: Denoiser, planes: Planes, noise: NoiseReport, config: TrainConfig, clock: Clock
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
    config : TrainConfig
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
        if clock.spent > _ENOUGH:
            break
    return ALL_SHIFTS[: int(np.argmin(errors[1:])) + 2]


def adapt_distillation(config: DistillConfig, shifts: tuple[int, ...]) -> tuple[DistillConfig, str]:
    """Choose what was not given for a teacher whose outputs are best at some shifts.

    A student of the targets' mean is never far below it; recharging spreads noise over the
    targets, which on all data that was tried costs more than it saves.
    """
    wanted: dict[str, Any] = {"shifts": shifts, "recharge": False, "loss": "l2"}
    if not config.given().get("recharge"):  # which gives detail back in its own way
        wanted["give_back"] = True
    changes = {name: value for name, value in wanted.items() if name not in config.given()}
    if not config.adapt or not changes:
        return config, ""
    chosen = [f"targets T at shifts {', '.join(map(str, shifts))}"] * ("shifts" in changes)
    chosen += ["no recharging"] * ("recharge" in changes)
    chosen += ["loss l2"] * ("loss" in changes)
    chosen += ["lost detail given back"] * ("give_back" in changes)
    return DistillConfig.of(config, **changes), f"Chosen: {'; '.join(chosen)}."
