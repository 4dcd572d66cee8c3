"""Refusal of options that would have no effect together with others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..core.config import DistillConfig, TrainConfig
from ..core.errors import UserError

Given = Mapping[str, Any]  # values of the options that were given, by name

_SCHEDULES: dict[str, tuple[type[TrainConfig] | type[DistillConfig], ...]] = {
    "train": (TrainConfig,),
    "distill": (DistillConfig,),
    "denoise": (TrainConfig, DistillConfig),
    "benchmark": (TrainConfig, DistillConfig),
}
_SETTINGS = tuple({**TrainConfig.model_fields, **DistillConfig.model_fields})
_SIZE = {name: TrainConfig.model_fields[name].default for name in ("width", "depth")}


class Rule(NamedTuple):
    """Options that have no effect under a condition, and the reason."""

    options: tuple[str, ...]
    when: Callable[[Given], bool]
    why: str


def _several_processes(given: Given) -> bool:
    return bool(given.get("devices", 1) * given.get("num_nodes", 1) > 1)


def _starts_from_the_starter(given: Given) -> bool:
    return bool(given.get("start") == "starter")


_BUDGET = Rule(
    ("steps",), lambda g: "minutes" in g, "with --minutes, which decides the number of steps"
)
_REPLACING = Rule(
    ("window", "regularization"),
    lambda g: g.get("replace") is False,
    "with --no-replace, which replaces no pixels",
)
_STARTER_SIZE = Rule(
    ("start",),
    lambda g: _starts_from_the_starter(g) and any(g.get(n, v) != v for n, v in _SIZE.items()),
    "with another --width or --depth, which the starting weights do not fit",
)
_STARTER_KIND = Rule(
    ("start",),
    lambda g: _starts_from_the_starter(g) and g.get("student") == "1.02M",
    "with --student 1.02M, which the starting weights do not fit",
)
_STARTER_PAPER = Rule(
    ("start",),
    lambda g: _starts_from_the_starter(g) and g.get("preset") == "paper" and not {*_SIZE} <= {*g},
    "with --preset paper, whose networks the starting weights do not fit",
)
_NO_STACKS = Rule(
    ("neighbours", "targets"), lambda _: True, "in a benchmark, whose images are no stacks"
)
_OF_LEARNING = ("preset", "minutes", "seed", "start", "neighbours")
_TRAINED = "with --model, which is trained already"
_RULES: dict[str, tuple[Rule, ...]] = {
    "train": (
        *(_BUDGET, _REPLACING, _STARTER_SIZE, _STARTER_PAPER),
        Rule(
            ("channels",),
            lambda g: g.get("image_channels") == 1 and g["channels"] != "auto",
            "on images of one channel",
        ),
        Rule(
            ("start",),
            lambda g: (
                _starts_from_the_starter(g)
                and g.get("channels") == "together"
                and g.get("image_channels", 1) > 1
            ),
            "with --channels together, which the starting weights do not fit",
        ),
        Rule(
            ("device",),
            lambda g: _several_processes(g) and ":" in g["device"],
            "as the name of one GPU with --devices or --num-nodes; use cuda",
        ),
    ),
    "distill": (_BUDGET, _STARTER_SIZE, _STARTER_KIND, _STARTER_PAPER),
    "denoise": (
        Rule((*_OF_LEARNING, "each"), lambda g: "model" in g, _TRAINED),
        Rule(
            ("shifts",),
            lambda g: "model" not in g,
            "without --model: a student is trained, which has no shifts",
        ),
        Rule(("workers",), lambda g: "scheduler" in g, "with --scheduler, whose workers are used"),
        _STARTER_PAPER,
    ),
    "benchmark": (
        Rule(_SETTINGS, lambda g: "model" in g, _TRAINED),
        *(_BUDGET, _REPLACING, _STARTER_SIZE, _STARTER_KIND, _STARTER_PAPER, _NO_STACKS),
    ),
    "info": (Rule(("json",), lambda g: "methods" in g, "with --methods, which prints text"),),
}


def refuse_without_effect(command: str, options: Given) -> None:
    """Refuse options that have no effect in this combination.

    Parameters
    ----------
    command : str
    options : mapping
        Values by name; None means that an option was not given. "image_channels" is the number
        of channels of the images, once they are read.

    Raises
    ------
    UserError
        One sentence that names them.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for rule in (*_RULES[command], *_preset_rules(command, given)):
        idle = [name for name in rule.options if name in given]
        if idle and rule.when(given):
            raise UserError(f"{_listed(idle)} {_have(idle)} no effect {rule.why}.")


def _preset_rules(command: str, given: Given) -> list[Rule]:
    """Rules that refuse presets whose values are all replaced by other options."""
    if command not in _SCHEDULES or "preset" not in given:
        return []
    budget = {"steps"} if {"steps", "minutes"} & given.keys() else set()
    sets: set[str] = set()
    for config in _SCHEDULES[command]:
        sets |= config._presets().get(given["preset"], {}).keys()
    if not sets or not sets <= given.keys() | budget:
        return []
    by = _listed([name for name in ("minutes", *sorted(sets)) if name in given])
    return [Rule(("preset",), lambda _: True, f"with {by}, which replaces all that it sets")]


def _listed(names: list[str]) -> str:
    options = [f"--{name.replace('_', '-')}" for name in names]
    return " and ".join(filter(None, (", ".join(options[:-1]), options[-1])))


def _have(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"
