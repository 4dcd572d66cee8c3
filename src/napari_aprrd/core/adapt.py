"""Settings from the noise report: what nobody wants to tune."""

from __future__ import annotations

from typing import Any

from .config import ALL_SHIFTS, DistillConfig, TrainConfig
from .noise import NoiseReport

# Measured: see docs/experiments.md.
_STRONG = 0.07  # noise against the range of the image, from which on L2 is the better loss
_WHITE_TARGETS = (0, 1, 2)


def adapt_training(config: TrainConfig, report: NoiseReport) -> tuple[TrainConfig, str]:
    """Choose what was not given; say what and why.

    Parameters
    ----------
    config : TrainConfig
        Settings that were given stay as they are.
    report : NoiseReport

    Returns
    -------
    TrainConfig
    str
        One sentence, empty if nothing was changed.
    """
    reach = report.reach
    wanted: dict[str, Any] = {"shift": report.shift}
    if reach == 0 and report.relative > _STRONG:
        wanted["loss"] = "l2"  # few photons: L1 learns medians, far from the mean
    changes = {name: value for name, value in wanted.items() if name not in config.given()}
    if not config.adapt or not changes:
        return config, ""
    noise = "is white" if reach == 0 else f"spreads over {reach} pixel{'s' * (reach > 1)}"
    chosen = ", ".join(f"{name} {value}" for name, value in changes.items())
    return TrainConfig.of(config, **changes), f"The noise {noise}: {chosen}."


def target_shifts(report: NoiseReport) -> tuple[int, ...]:
    """Shifts whose outputs are worth a mean: small for white noise, more where it spreads."""
    return ALL_SHIFTS[: report.shift + 1] if report.reach else _WHITE_TARGETS


def adapt_distillation(config: DistillConfig, shifts: tuple[int, ...]) -> tuple[DistillConfig, str]:
    """Choose what was not given for a teacher whose outputs are best at some shifts.

    Recharging wants targets that still hold some noise and at least four of them; for few
    targets plain distillation is the better one.
    """
    wanted: dict[str, Any] = {"shifts": shifts}
    if len(shifts) < 4:
        wanted |= {"recharge": False, "loss": "l2"}
    changes = {name: value for name, value in wanted.items() if name not in config.given()}
    if not config.adapt or not changes:
        return config, ""
    chosen = f"Targets T at shifts {', '.join(map(str, shifts))}"
    plain = " without recharging, which wants at least four" if "recharge" in changes else ""
    return DistillConfig.of(config, **changes), f"{chosen}{plain}."
