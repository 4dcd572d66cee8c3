"""Settings: bounds, presets, and what a user is told about a wrong one."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from napari_aprrd.core.config import Config, DenoiseConfig, DistillConfig, Preset, TrainConfig
from napari_aprrd.core.errors import UserError

PRESETS: tuple[Preset, ...] = get_args(Preset)
CONFIGS: tuple[type[Config], ...] = (TrainConfig, DistillConfig, DenoiseConfig)
SCHEDULES: tuple[type[TrainConfig] | type[DistillConfig], ...] = (TrainConfig, DistillConfig)


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_unknown_setting_is_named_beside_the_known_ones(kind: type[Config]) -> None:
    with pytest.raises(UserError, match="no setting 'stesp'") as error:
        kind.of(stesp=3)
    assert all(name in str(error.value) for name in kind.model_fields)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (TrainConfig, "steps", 0),
        (TrainConfig, "batch", 0),
        (TrainConfig, "patch", 16),
        (TrainConfig, "patch", "large"),
        (TrainConfig, "shift", 0),
        (TrainConfig, "shift", 33),
        (TrainConfig, "window", 1),
        (TrainConfig, "regularization", -1.0),
        (TrainConfig, "regularization", float("nan")),
        (TrainConfig, "learning_rate", 0.0),
        (TrainConfig, "learning_rate", float("inf")),
        (TrainConfig, "minutes", 0.0),
        (TrainConfig, "warmup", 0.95),
        (TrainConfig, "loss", "l3"),
        (TrainConfig, "hold_out", 0.6),
        (DistillConfig, "average", -0.1),
        (TrainConfig, "seed", -1),
        (TrainConfig, "device", "tpu"),
        (TrainConfig, "preset", "quick"),
        (TrainConfig, "width", 0),
        (TrainConfig, "depth", 1),
        (DistillConfig, "depth", 9),
        (DistillConfig, "shifts", ()),
        (DistillConfig, "student", "2M"),
        (DenoiseConfig, "tile", 8),
        (DenoiseConfig, "dtype", "int8"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(
    kind: type[Config], name: str, value: object
) -> None:
    with pytest.raises(UserError) as error:
        kind.of(**{name: value})
    assert str(error.value).startswith(f"Setting {name} = {value!r}: ")


def test_a_shift_out_of_bounds_is_refused_with_its_place() -> None:
    with pytest.raises(UserError, match=r"shifts\.1 = 99"):
        DenoiseConfig.of(shifts=(0, 99))


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_patch_must_be_a_multiple_of_the_poolings(kind: type[TrainConfig]) -> None:
    with pytest.raises(UserError, match=r"patch must be a multiple of 2 \*\* depth = 16.*got 40"):
        kind.of(patch=40, depth=4)
    assert kind.of(patch=40, depth=3).patch == 40


def test_an_even_window_is_refused() -> None:
    with pytest.raises(UserError, match="window must be odd"):
        TrainConfig.of(window=4)
    assert TrainConfig.of(window=5).window == 5


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_and_differ(kind: type[TrainConfig], preset: Preset) -> None:
    config = kind.of(preset=preset)
    assert config.preset == preset
    others = {kind(preset=other).steps for other in PRESETS if other != preset}
    assert config.steps not in others


@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_default_is_the_balanced_preset(kind: type[TrainConfig]) -> None:
    assert kind() == kind(preset="balanced")


@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_paper_preset_has_the_papers_numbers(kind: type[TrainConfig]) -> None:
    config = kind(preset="paper")
    assert (config.learning_rate, config.width, config.depth, config.batch) == (3e-4, 48, 5, 8)
    assert config.patch == (256 if kind is TrainConfig else 128)
    assert config.steps == (400_000 if kind is TrainConfig else 200_000)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("preset", PRESETS)
def test_given_values_win_over_the_preset(kind: type[TrainConfig], preset: Preset) -> None:
    others = [(kind(preset=other).steps, kind(preset=other).width) for other in PRESETS]
    for steps, width in [*others, (7, 5)]:
        config = kind.of(preset=preset, steps=steps, width=width)
        assert (config.steps, config.width) == (steps, width)
        rest = {"steps", "width"}
        assert config.model_dump(exclude=rest) == kind(preset=preset).model_dump(exclude=rest)


def test_a_change_of_preset_replaces_what_presets_set_and_nothing_else() -> None:
    config = TrainConfig.of(preset="thorough", shift=7)
    fast = TrainConfig(preset="fast")
    assert config.batch != fast.batch
    changed = TrainConfig.of(config, preset="fast", seed=2)
    assert changed.model_dump() == {**fast.model_dump(), "shift": 7, "seed": 2}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_minutes_and_steps_exclude_each_other(kind: type[TrainConfig]) -> None:
    with pytest.raises(UserError, match=r"^Give minutes or steps, not both\.$"):
        kind.of(minutes=1, steps=5)
    budget = kind.of(preset="thorough", minutes=1)
    assert budget.steps is None  # a budget replaces the preset's steps
    assert kind.of(budget, steps=5).minutes is None
    assert kind.of(kind.of(steps=5), minutes=1).steps is None


def test_what_is_not_set_is_automatic_and_the_default_can_be_pinned() -> None:
    automatic = TrainConfig()
    assert (automatic.shift, automatic.replace, automatic.loss) == (None, None, None)
    assert TrainConfig(shift=5).shift == 5
    assert TrainConfig.of(TrainConfig(shift=5), shift=None) == automatic


@pytest.mark.parametrize(
    ("given", "meant"),
    [(None, "automatic"), (True, "random"), (False, "off"), ("measured", "measured")],
)
def test_recharging_understands_yes_and_no(given: object, meant: str) -> None:
    assert DistillConfig.of(recharge=given).recharge == meant


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(preset="thorough", minutes=2.5),
        TrainConfig(preset="paper", width=8, window=5, device="cuda:1"),
        DistillConfig(preset="fast", shifts=(0, 2), recharge=False, student="1.02M"),
        DenoiseConfig(shifts=(1,), calibrate=False, dtype="float32"),
    ],
)
def test_settings_round_trip(config: Config) -> None:
    kind = type(config)
    assert kind.of(**config.model_dump()) == config
    assert kind.of(config) == config
    assert kind.model_validate_json(config.model_dump_json()) == config  # as in model files


def test_a_change_leaves_the_original_alone() -> None:
    config = TrainConfig(steps=3)
    changed = TrainConfig.of(config, steps=4)
    assert (config.steps, changed.steps) == (3, 4)


@pytest.mark.parametrize("kind", CONFIGS)
def test_settings_are_frozen(kind: type[Config]) -> None:
    config: Any = kind()
    with pytest.raises(ValidationError, match="frozen"):
        config.device = "cpu"


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_setting_has_a_description(kind: type[Config]) -> None:
    assert not [name for name, field in kind.model_fields.items() if not field.description]


def test_a_preset_that_is_no_name_is_refused_like_a_wrong_one() -> None:
    with pytest.raises(UserError, match="preset"):
        TrainConfig.of(preset=[])


def test_consoles_show_what_differs_from_the_defaults() -> None:
    assert repr(TrainConfig()) == "TrainConfig()"
    assert repr(TrainConfig(minutes=2, shift=3)) == "TrainConfig(minutes=2.0, shift=3)"
    assert repr(DistillConfig(preset="fast")) == "DistillConfig(preset='fast')"
    assert repr(TrainConfig(steps=7, batch=4)) == "TrainConfig(steps=7)"
