"""Settings follow the noise, unless they were given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_aprrd.core.adapt import adapt_distillation, adapt_training, target_shifts
from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.distill import distill
from napari_aprrd.core.noise import NoiseReport
from napari_aprrd.core.patches import MemoryPlanes
from napari_aprrd.core.synthetic import noisy_cells
from napari_aprrd.core.train import train

from .conftest import TINY
from .makers import drive


def noise(reach_x: int = 0, reach_y: int = 0, relative: float = 0.05) -> NoiseReport:
    """A report of noise that spreads so far."""
    return NoiseReport(
        sigma=1,
        read=1,
        shot=0,
        correlation={"x": (0.5,) * reach_x, "y": (0.5,) * reach_y},
        reach_x=reach_x,
        reach_y=reach_y,
        relative=relative,
        clipped_low=0,
        clipped_high=0,
        stripes="",
    )


@pytest.mark.parametrize(("reaches", "shift"), [((0, 0), 2), ((1, 1), 3), ((2, 2), 4), ((0, 3), 5)])
def test_the_blind_spot_is_wider_than_the_noise(reaches: tuple[int, int], shift: int) -> None:
    config, why = adapt_training(TrainConfig(), noise(*reaches))
    assert config.shift == shift
    assert f"shift {shift}" in why
    assert config.shift > max(reaches) + 1  # APR moves pixels by one


def test_few_photons_ask_for_means_not_medians() -> None:
    assert adapt_training(TrainConfig(), noise(relative=0.1))[0].loss == "l2"
    assert adapt_training(TrainConfig(), noise(relative=0.01))[0].loss == "l1"
    assert adapt_training(TrainConfig(), noise(2, 2, relative=0.1))[0].loss == "l1"


@pytest.mark.parametrize(
    "given", [{"shift": 1, "loss": "l1"}, {"adapt": False}, {"preset": "paper"}]
)
def test_what_was_given_stays(given: dict[str, Any]) -> None:
    config = TrainConfig.of(**given)
    assert adapt_training(config, noise(relative=0.1)) == (config, "")


def test_targets_reach_as_far_as_the_training_shift() -> None:
    assert target_shifts(noise()) == (0, 1, 2)
    assert target_shifts(noise(2, 1)) == (0, 1, 2, 3, 4)


def test_few_targets_are_distilled_without_recharging() -> None:
    few, why = adapt_distillation(DistillConfig(), (0, 1, 2))
    assert (few.shifts, few.recharge, few.loss) == ((0, 1, 2), False, "l2")
    assert "0, 1, 2 without recharging" in why
    many, why = adapt_distillation(DistillConfig(), (0, 1, 2, 3, 4))
    assert (many.shifts, many.recharge) == ((0, 1, 2, 3, 4), True)
    assert "without" not in why
    given = DistillConfig(shifts=(0, 1, 2, 3, 4, 5), recharge=True, loss="l1")
    assert adapt_distillation(given, (0, 1, 2)) == (given, "")


def test_a_model_remembers_noise_and_choices() -> None:
    image, _ = noisy_cells((256, 256), kind="blobby")
    planes = MemoryPlanes([image[None].astype("f4")])
    teacher, reports = drive(train(planes, TrainConfig(**TINY)))
    assert teacher.record["noise"]["reach_x"] == 2
    assert teacher.record["train"]["config"]["shift"] == 4
    assert teacher.shifts == (0, 1, 2, 3, 4)
    assert "spreads over 2 pixels: shift 4" in reports[0].note
    student, reports = drive(distill(teacher, planes, DistillConfig(**TINY)))
    assert student.record["distill"]["config"]["shifts"] == [0, 1, 2, 3, 4]
    assert "0, 1, 2, 3, 4" in reports[0].note
    assert student.record["noise"] == teacher.record["noise"]


def test_images_whose_noise_cannot_be_measured_are_still_learnt_from() -> None:
    image = noisy_cells((64, 64), kind="white")[0].astype("f4")
    image[::8] = np.nan  # no block is whole
    teacher, reports = drive(train(MemoryPlanes([image[None]]), TrainConfig(**TINY)))
    assert "measure its noise" in reports[0].note
    assert "noise" not in teacher.record
    assert teacher.record["train"]["config"]["shift"] == TrainConfig().shift
