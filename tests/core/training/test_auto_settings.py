"""Automatic settings follow the noise; those that were given stay."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_aprrd.core.config import (
    ALL_SHIFTS,
    DenoiseConfig,
    DistillConfig,
    SettledDistillation,
    SettledTraining,
    TrainConfig,
)
from napari_aprrd.core.data.planes import Image, MemoryPlanes, Planes
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.core.jobs import Clock
from napari_aprrd.core.method.networks import Target
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.noise.autocorrelation import noise_field
from napari_aprrd.core.noise.report import LAGS, NoiseReport
from napari_aprrd.core.training.auto_settings import (
    channels_are_separate,
    settle_distillation,
    settle_training,
)
from napari_aprrd.core.training.best_targets import best_targets
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train

from ..makers import BRIEF, drive, noisy_planes


def noise(
    reach_x: int = 0,
    reach_y: int = 0,
    relative: float = 0.05,
    to_peak: float = 0.05,
    correlated: float = 0.5,
) -> NoiseReport:
    """A report of noise that spreads so far."""
    return NoiseReport(
        sigma=1,
        read=1,
        shot=0,
        correlation={"x": (correlated,) * reach_x, "y": (correlated,) * reach_y},
        reach_x=reach_x,
        reach_y=reach_y,
        relative=relative,
        to_peak=to_peak,
        clipped_low=0,
        clipped_high=0,
        stripes="",
    )


def settled(report: NoiseReport | None, **given: Any) -> tuple[SettledTraining, str]:
    automatic = settle_training(TrainConfig.of(**given), report, pretrained=True)
    assert all(choice.why for choice in automatic.choices)
    return automatic.config, automatic.sentence


WEAK, STRONG = 0.002, 0.3  # far below and far above every bound between weak and strong noise
REACHES = range(LAGS + 1)
STRENGTHS = np.geomspace(WEAK, STRONG, 20)


def shift_for(reach_x: int, reach_y: int, to_peak: float) -> int:
    """The automatic shift, which is told and has a reason."""
    config, told = settled(noise(reach_x, reach_y, to_peak=to_peak))
    assert f"shift {config.shift}" in told
    return config.shift


def test_white_noise_hides_two_pixels_however_strong_it_is() -> None:
    assert {shift_for(0, 0, strength) for strength in STRENGTHS} == {2}


def test_the_farther_noise_spreads_the_more_is_hidden() -> None:
    for strength in (WEAK, 0.05, STRONG):
        shifts = [shift_for(reach, reach, strength) for reach in REACHES]
        assert shifts == sorted(shifts)
    assert shifts[-1] > shifts[0]


def test_the_stronger_noise_is_the_more_of_its_faint_tails_is_hidden() -> None:
    for reach in REACHES[1:]:
        shifts = [shift_for(reach, reach, strength) for strength in STRENGTHS]
        assert shifts == sorted(shifts)
        assert shifts[0] <= max(reach, 2) < shifts[-1]  # of weak noise a little is left
        assert shifts[-1] <= 2 * LAGS


@pytest.mark.parametrize("axis", ["x", "y"])
def test_noise_along_one_axis_hides_no_more_than_it_must(axis: str) -> None:
    for reach in REACHES[1:]:
        reaches = (reach, 0) if axis == "x" else (0, reach)
        along = {shift_for(*reaches, strength) for strength in STRENGTHS}
        assert along == {max(reach, 2)}
        assert max(along) <= shift_for(reach, reach, STRONG)


def test_few_photons_ask_for_means_not_medians() -> None:
    assert settled(noise(relative=STRONG))[0].loss == "l2"
    assert settled(noise(relative=WEAK))[0].loss == "l1"
    assert settled(noise(2, 2, relative=STRONG))[0].loss == "l1"


def test_pixels_are_replaced_where_there_is_a_correlation_to_break() -> None:
    config, why = settled(noise())
    assert not config.replace
    assert "no pixels replaced" in why
    config, why = settled(noise(1, 0))
    assert config.replace
    assert "replaced" not in why
    hardly, _ = settled(noise(1, 0, correlated=0.1))
    assert not hardly.replace


@pytest.mark.parametrize("given", [{"shift": 1, "loss": "l1", "replace": True}, {"shift": 5}])
def test_what_was_given_stays_also_where_it_is_the_papers_value(given: dict[str, Any]) -> None:
    config, why = settled(noise(relative=0.1), **given)
    assert config.model_dump(include=set(given)) == given
    assert "shift" not in why


@pytest.mark.parametrize("given", [{"adapt": False}, {"preset": "paper"}])
def test_without_a_measurement_the_papers_values_are_taken(given: dict[str, Any]) -> None:
    for report in (noise(relative=0.1), None):
        config, why = settled(report, **given)
        assert (config.shift, config.replace, config.loss, why) == (5, True, "l1", "")
    unknown, _ = settled(None)
    assert (unknown.shift, unknown.replace, unknown.loss) == (5, True, "l1")


def test_the_learning_rate_follows_the_start_unless_it_is_given() -> None:
    def rate(*, pretrained: bool, **given: Any) -> float:
        config = TrainConfig.of(**given)
        return settle_training(config, None, pretrained=pretrained).config.learning_rate

    assert rate(pretrained=True) < rate(pretrained=False)
    assert rate(pretrained=True, learning_rate=3e-3) == 3e-3
    assert rate(pretrained=False, preset="paper") == 3e-4


SETTLED, _ = settled(None)


class Blurs:
    """Stands in for a teacher: the larger the shift, the less noise and the less detail."""

    normalisation = Normalisation((0.0,), (1.0,))

    channels, neighbours = 1, 0
    network = torch.nn.Linear(1, 1)

    def __init__(self, start: str = "scratch") -> None:
        self.record = {"train": {"start": start}}

    def stacked(self, planes: Planes) -> Planes:
        return planes

    def targets_at(self, shifts: tuple[int, ...], _: str = "") -> list[Target]:
        return [(shift, False) for shift in shifts]

    def targets(
        self, image: Image, targets: list[Target], config: DenoiseConfig, precision: str
    ) -> Image:
        return np.stack([ndimage.convolve(image, _ring(s)) for s, _ in targets])


def _ring(radius: int) -> NDArray[np.float64]:
    """Weights (1, h, w) of the neighbours of a pixel, of sum 1; of itself only for radius 0."""
    y, x = np.mgrid[-2 * radius - 1 : 2 * radius + 2, -2 * radius - 1 : 2 * radius + 2]
    weights = np.exp(-(y**2 + x**2) / (2 * max(radius, 1) ** 2))
    weights *= (radius == 0) | (y != 0) | (x != 0)
    return np.asarray(weights / weights.sum())[None]


@pytest.mark.parametrize(("wave", "last"), [(0.02, 5), (0.6, 1)])  # radians per pixel
def test_smooth_images_get_large_shifts_and_detailed_ones_small(wave: float, last: int) -> None:
    y, x = np.mgrid[:128, :128] * wave
    image = np.sin(x) + np.sin(y) + np.random.default_rng(0).normal(0, 0.3, x.shape)
    planes = MemoryPlanes([image[None].astype("f4")])
    best, _ = drive(best_targets(cast(Denoiser, Blurs()), planes, noise(), SETTLED, Clock()))
    assert best.shifts == tuple(range(last + 1))


def test_a_time_budget_that_is_spent_leaves_one_window_to_choose_shifts_by() -> None:
    planes, config = noisy_planes(*[(64, 64)] * 5), SETTLED
    for minutes, looked_at in [(60.0, 5), (1e-9, 1)]:
        job = best_targets(cast(Denoiser, Blurs()), planes, noise(), config, Clock(minutes))
        assert len(drive(job)[1]) == looked_at


@pytest.mark.parametrize("shift", [4, 6])
def test_correlated_noise_gets_all_shifts_up_to_that_of_training(shift: int) -> None:
    planes = MemoryPlanes([np.zeros((1, 64, 64), np.float32)])
    config = SettledTraining.of(SETTLED, shift=shift)
    best, _ = drive(best_targets(cast(Denoiser, Blurs()), planes, noise(2, 2), config, Clock()))
    assert best.shifts == tuple(range(shift + 1))


@pytest.mark.parametrize(("wave", "last"), [(0.02, 6), (0.6, 1)])  # radians per pixel
def test_so_it_is_where_noise_is_correlated(wave: float, last: int) -> None:
    y, x = np.mgrid[:128, :128] * wave
    report = NoiseReport.of(noise(1, 1, correlated=0.3), sigma=0.3)
    field = noise_field((128, 128), report.correlation, np.random.default_rng(0))
    planes = MemoryPlanes([(np.sin(x) + np.sin(y) + 0.3 * field)[None].astype("f4")])
    teacher = cast(Denoiser, Blurs("starter"))
    best, _ = drive(best_targets(teacher, planes, report, SETTLED, Clock()))
    assert best.shifts == tuple(range(last + 1))
    # What networks leave is no noise where a report found far less of it.
    calm = NoiseReport.of(report, sigma=0.01)
    best, _ = drive(best_targets(teacher, planes, calm, SETTLED, Clock()))
    assert best.shifts == tuple(range(SETTLED.shift + 1))


def distilled(config: DistillConfig, shifts: tuple[int, ...]) -> tuple[SettledDistillation, str]:
    automatic = settle_distillation(config, shifts)
    assert all(choice.why for choice in automatic.choices)
    return automatic.config, automatic.sentence


@pytest.mark.parametrize("shifts", [(0, 1, 2), (0, 1, 2, 3, 4)])
def test_the_student_learns_the_mean_of_the_targets(shifts: tuple[int, ...]) -> None:
    config, why = distilled(DistillConfig(), shifts)
    assert (config.shifts, config.recharge, config.loss) == (shifts, "measured", "l2")
    assert str(shifts)[1:-1] in why
    assert "recharged by measurement" in why


def test_recharging_is_as_asked_for() -> None:
    config, why = distilled(DistillConfig.of(recharge=True), (0, 1, 2))
    assert (config.shifts, config.recharge, config.loss) == ((0, 1, 2), "random", "l1")
    assert "recharg" not in why
    given = DistillConfig(shifts=ALL_SHIFTS, targets="alone", recharge="off", loss="l1")
    config, why = distilled(given, (0, 1, 2))
    assert (config.model_dump(), why) == (given.model_dump(), "")
    for paper in (DistillConfig(preset="paper"), DistillConfig(adapt=False)):
        config, why = distilled(paper, (0, 1, 2))
        assert (config.shifts, config.recharge, config.loss) == (ALL_SHIFTS, "random", "l1")
        assert why == ""


def test_a_model_remembers_noise_and_choices() -> None:
    image, _ = noisy_cells((256, 256), kind="blobby")
    planes = MemoryPlanes([image[None].astype("f4")])
    teacher, reports = drive(train(planes, TrainConfig(**BRIEF)))
    assert teacher.record["noise"]["reach_x"] == 2
    shift = teacher.record["train"]["config"]["shift"]
    assert shift > 2
    assert teacher.shifts == tuple(range(max(teacher.shifts) + 1))
    assert f"spreads over 2 pixels: shift {shift}" in reports[0].note
    student, reports = drive(distill(teacher, planes, DistillConfig(**BRIEF)))
    assert student.record["distill"]["config"]["shifts"] == list(teacher.shifts)
    assert str(teacher.shifts)[1:-1] in reports[0].note
    assert student.record["noise"] == teacher.record["noise"]


def test_images_whose_noise_cannot_be_measured_are_still_learnt_from() -> None:
    image = noisy_cells((64, 64), kind="white")[0].astype("f4")
    image[::8] = np.nan  # no block is whole
    teacher, reports = drive(train(MemoryPlanes([image[None]]), TrainConfig(**BRIEF)))
    assert "measure its noise" in reports[0].note
    assert "noise" not in teacher.record
    assert teacher.record["train"]["config"]["shift"] == 5


@pytest.mark.parametrize(
    ("settings", "colours", "separate"),
    [
        *(({}, False, True), ({}, True, True)),
        *(({"start": "scratch"}, True, False), ({"width": 24}, True, False)),
        *(({"preset": "paper"}, True, False), ({"start": "scratch"}, False, True)),
        *(({"channels": "together"}, True, False), ({"channels": "separate"}, True, True)),
    ],
)
def test_colours_learn_together_only_from_random_weights(
    settings: dict[str, Any], colours: bool, separate: bool
) -> None:
    assert channels_are_separate(TrainConfig.of(**settings), colours) is separate
