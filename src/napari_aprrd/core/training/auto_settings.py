"""Automatic settings: chosen by the noise where they are not given, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ..config import (
    ALL_SHIFTS,
    Config,
    DistillConfig,
    SettledDistillation,
    SettledTraining,
    TrainConfig,
)
from ..errors import UserError
from ..model.pretrained import LEARNING_RATE as RATE_FROM_WEIGHTS
from ..model.pretrained import fits
from ..noise.report import NoiseReport

if TYPE_CHECKING:
    from ..model.denoiser import Views

# What automatic settings are without a measurement: the paper's values (section 4 and table 6).
PUBLISHED_TRAINING: dict[str, Any] = {"shift": 5, "replace": True, "loss": "l1"}
PUBLISHED_DISTILLATION: dict[str, Any] = {"shifts": ALL_SHIFTS, "recharge": "random", "loss": "l1"}

# Of a teacher from random weights: docs/experiments.md#kept, "Learning rate 3e-3".
LEARNING_RATE = 3e-3
# Noise against the range of the image, from which on L2 is the better loss. Chosen; what is lost by
# the choice is measured in docs/benchmarks-diary.md#chosen-settings-against-a-grid.
_STRONG = 0.075
# Within a time budget a teacher sees each pixel so many times, and small images more often: with
# more steps it overfits (docs/experiments.md#kept, "Overfitting").
PASSES, FEWEST_STEPS = 60, 1000
S = TypeVar("S", SettledTraining, SettledDistillation)


@dataclass(frozen=True)
class Choice:
    """The value of a setting that was left automatic.

    Parameters
    ----------
    name : str
        The setting's.
    value : object
    why : str
        The reason.
    words : str
        How users are told; empty where they need not know.
    """

    name: str
    value: Any
    why: str
    words: str = ""


@dataclass(frozen=True)
class AutoSettings(Generic[S]):
    """Settings of which none is automatic any more, and how those that were got their values.

    Parameters
    ----------
    config : SettledTraining or SettledDistillation
    choices : tuple of Choice
        For each setting that was left automatic.
    opening : str
        What the sentence for users starts with.
    """

    config: S
    choices: tuple[Choice, ...]
    opening: str

    @property
    def sentence(self) -> str:
        """What was chosen, for users; empty if there is nothing to tell."""
        words = [choice.words for choice in self.choices if choice.words]
        return f"{self.opening}: {', '.join(words)}." if words else ""


class Stack(NamedTuple):
    """Which neighbouring planes a network sees."""

    axis: str  # along which planes are neighbours; empty where they are not used
    neighbours: int  # k on either side
    why: str


PLANES_ALONE = Stack("", 0, "nothing was measured between planes")


def settle_neighbours(
    config: TrainConfig, axes: str, noise: NoiseReport | None, is_own: bool = False
) -> Stack:
    """Choose the neighbours that a network sees, if that was left automatic.

    Parameters
    ----------
    config : TrainConfig
    axes : str
        Letters of the axes along which planes may be neighbours.
    noise : NoiseReport or None
        With what was measured between planes.
    is_own : bool
        Whether the network is one of the user's own, which sees planes alone.

    Raises
    ------
    UserError
        If neighbours are asked for where there are none.
    """
    measured = noise.stack if noise is not None and config.adapt else None
    if config.neighbours is None:
        if measured is None or is_own:
            return PLANES_ALONE
        return Stack(measured.axis, measured.neighbours, measured.sentence)
    if config.neighbours and (is_own or not axes):
        raise UserError(
            f"The setting neighbours = {config.neighbours} has no effect: "
            + ("a network of your own sees" if is_own else "there is no stack, so it sees")
            + " planes alone."
        )
    axis = measured.axis if measured is not None else axes[:1]
    return Stack(axis if config.neighbours else "", config.neighbours, "")


def settle_training(
    config: TrainConfig,
    noise: NoiseReport | None,
    stack: Stack = PLANES_ALONE,
    *,
    pretrained: bool,
) -> AutoSettings[SettledTraining]:
    """Choose the settings of a training that were left automatic.

    Parameters
    ----------
    config : TrainConfig
        Settings that are given stay as they are.
    noise : NoiseReport or None
        None where it was not or could not be measured: the paper's values are taken.
    stack : Stack
        The neighbours, see `settle_neighbours`.
    pretrained : bool
        Whether the network starts from the starting weights.
    """
    opening = ""
    if noise is not None and config.adapt:
        candidates = _by_noise(noise)
        opening = _describe(noise)
    else:
        candidates = _published(PUBLISHED_TRAINING)
    words = f"{stack.neighbours} neighbours on either side" if stack.neighbours else ""
    neighbours = Choice("neighbours", stack.neighbours, stack.why, words)
    choices = _automatic(config, [*candidates, neighbours, _learning_rate(pretrained)])
    settled = SettledTraining.model_validate(_filled_in(config, choices))
    return AutoSettings(settled, choices, opening)


def _by_noise(noise: NoiseReport) -> list[Choice]:
    white, shift = noise.hardly_correlated, noise.shift
    why = "the blind spot hides the noise that pixels share, and little more"
    choices = [Choice("shift", shift, why, f"shift {shift}")]
    if white:
        why = "there is hardly a correlation to break"
        choices.append(Choice("replace", False, why, f"no pixels replaced, since {why}"))
    else:
        choices.append(Choice("replace", True, "it breaks the correlation of the noise"))
    if white and noise.relative > _STRONG:
        why = "with few photons L1 learns medians, which are far from the means"
        choices.append(Choice("loss", "l2", why, "loss l2"))
    else:
        choices.append(Choice("loss", "l1", "L2 is better only for strong white noise"))
    return choices


def _describe(noise: NoiseReport) -> str:
    reach = noise.reach
    if reach == 0:
        return "The noise is white"
    return f"The noise spreads over {reach} pixel{'s' if reach > 1 else ''}"


def _learning_rate(pretrained: bool) -> Choice:
    if pretrained:
        why = "at a higher one the network forgets what its starting weights know"
        return Choice("learning_rate", RATE_FROM_WEIGHTS, why)
    return Choice("learning_rate", LEARNING_RATE, "random weights are far from where they end")


def _published(values: dict[str, Any]) -> list[Choice]:
    why = "the paper's value, since nothing was measured"
    return [Choice(name, value, why) for name, value in values.items()]


def _automatic(config: Config, candidates: Iterable[Choice]) -> tuple[Choice, ...]:
    """The choices for settings that were left automatic."""
    return tuple(c for c in candidates if getattr(config, c.name) in (None, "automatic"))


def _filled_in(config: Config, choices: Iterable[Choice]) -> dict[str, Any]:
    """The settings, with a choice for each that is automatic."""
    given = {n: v for n, v in config.model_dump().items() if v is not None and v != "automatic"}
    return {**{choice.name: choice.value for choice in choices}, **given}


def max_steps(pixels: int, pixels_of_a_step: int) -> float:
    """Upper limit on the steps that a time budget pays for.

    Parameters
    ----------
    pixels : int
        All pixels to learn from.
    pixels_of_a_step : int
        Pixels of a batch.
    """
    return max(PASSES * pixels / pixels_of_a_step, FEWEST_STEPS)


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


def settle_distillation(
    config: DistillConfig, shifts: tuple[int, ...], views: Views = "alone"
) -> AutoSettings[SettledDistillation]:
    """Choose the settings of a distillation that were left automatic.

    Parameters
    ----------
    config : DistillConfig
        Settings that are given stay as they are.
    shifts : tuple of int
        At which the teacher's mean output is best.
    views : {"with", "alone", "both"}
        Whether that is with neighbouring planes, alone, or the mean of both.
    """
    candidates = _published(PUBLISHED_DISTILLATION)
    if config.adapt:
        candidates = _for_targets(config, shifts)
    candidates.append(_views(views))
    choices = _automatic(config, candidates)
    settled = SettledDistillation.model_validate(_filled_in(config, choices))
    return AutoSettings(settled, choices, "Chosen")


def _views(views: Views) -> Choice:
    if views == "alone":
        return Choice("targets", views, "the teacher's mean is best without neighbours")
    why = "what moves is drawn less towards the neighbours then, and what stands still is clear"
    return Choice("targets", "measured", why, "neighbours weighed by measurement")


def _for_targets(config: DistillConfig, shifts: tuple[int, ...]) -> list[Choice]:
    """Choices for targets at shifts that were chosen well (see docs/experiments.md)."""
    at = ", ".join(map(str, shifts))
    choices = [
        Choice(
            "shifts",
            shifts,
            "the estimated error of the teacher's mean is the least at them",
            f"targets T at shifts {at}",
        ),
        Choice(
            "recharge",
            "measured",
            "random recharging spreads noise over the targets, which costs more than it saves; "
            "by measurement, targets are never far below their mean",
            "recharged by measurement",
        ),
    ]
    if config.recharge == "random":
        why = "one target of a pixel is noisy, and L1, whose optimum is a median, passes over it"
        choices.append(Choice("loss", "l1", why, "loss l1"))
    else:
        why = "the optimum of L2 is the mean of the targets"
        choices.append(Choice("loss", "l2", why, "loss l2"))
    return choices
