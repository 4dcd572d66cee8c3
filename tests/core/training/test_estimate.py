"""How long a job will take, told before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_aprrd.core import jobs as progress
from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.jobs import Job, Progress
from napari_aprrd.core.method.unet import UNet
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training import estimate
from napari_aprrd.core.training.estimate import (
    denoise_seconds,
    describe_device,
    distill_seconds,
    train_seconds,
)

from ..makers import TINY, neighbour_denoiser, random_denoiser

Patch = pytest.MonkeyPatch


class Trial:
    """Stands in for `train` and `distill`: gives prepared reports, remembers its settings."""

    def __init__(self, reports: Sequence[Progress]) -> None:
        self.reports, self.closed = reports, False

    def __call__(self, *args: Any) -> Job[Denoiser]:
        self.config = args[-1]
        return self.job()

    def job(self) -> Job[Denoiser]:
        try:
            yield from self.reports
            raise AssertionError("the trial went on after its last step")
        finally:
            self.closed = True


@pytest.fixture
def trial(monkeypatch: Patch) -> Trial:
    """A first step of 5 s, then 11 of 0.1 s."""
    reports = [Progress("Train", 1, 12, 5.0, 0.3), Progress("Train", 12, 12, 6.1, 0.2)]
    trial = Trial(reports)
    monkeypatch.setattr(estimate, "train", trial)
    monkeypatch.setattr(estimate, "distill", trial)
    return trial


@pytest.fixture
def crops(monkeypatch: Patch) -> Iterator[None]:
    """Time goes by the crops of 64 x 64 pixels that networks compute: 1 s each."""
    now = [0.0]
    forward = UNet.forward

    def counted(self: UNet, image: Tensor, *args: Any) -> Tensor:
        now[0] += image.numel() / image.shape[1] / 64**2
        return forward(self, image, *args)

    monkeypatch.setattr(UNet, "forward", counted)
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("crops")
@pytest.mark.parametrize(
    ("channels", "colours", "networks"), [(1, False, 1), (3, True, 1), (3, False, 3)]
)
def test_the_estimate_of_training_is_about_right(
    channels: int, colours: bool, networks: int
) -> None:
    config = TrainConfig.of(**TINY | {"steps": 400, "batch": 4, "patch": 64})
    work = 400 * 4 * 2 * 4  # the loss computes each crop twice, the network four views of it
    seconds = train_seconds(config, channels, colours=colours)
    assert 0.5 < seconds / (work * networks) < 2


@pytest.mark.usefixtures("crops")
def test_the_estimate_of_distillation_is_about_right() -> None:
    config = DistillConfig.of(**TINY | {"steps": 500, "batch": 8, "patch": 64})
    assert 0.5 < distill_seconds(random_denoiser(), config) / (500 * 8) < 2


@pytest.mark.usefixtures("crops")
def test_deep_networks_have_trials_of_their_size() -> None:
    config = TrainConfig(width=1, depth=7, patch=128, steps=1, batch=1, hold_out=0)
    work = 2 * 4 * (128 / 64) ** 2  # the loss computes the crop twice, the network four views of it
    assert 0.5 < train_seconds(config, 1) / work < 2


def test_networks_that_see_neighbours_have_trials_with_them() -> None:
    config = TrainConfig.of(**TINY, steps=3, neighbours=2)
    assert train_seconds(config, 1) > 0
    teacher = neighbour_denoiser("blind-spot", axis="Z")
    assert distill_seconds(teacher, DistillConfig.of(**TINY, steps=3, targets="both")) > 0
    assert denoise_seconds(teacher, 64**2, device="cpu") > 0


def test_a_time_budget_is_its_own_estimate() -> None:
    teacher = random_denoiser()
    assert train_seconds(TrainConfig(minutes=2.5), 1) == 150
    assert distill_seconds(teacher, DistillConfig(minutes=2)) == 120


def test_steps_crops_and_pixels_count_but_not_the_first_step(trial: Trial) -> None:
    config = TrainConfig(steps=100, batch=1, patch=64)
    assert train_seconds(config, 1) == pytest.approx(10)
    assert trial.closed
    for changes, factor in [({"steps": 300}, 3), ({"batch": 5}, 5), ({"patch": 128}, 4)]:
        assert train_seconds(TrainConfig.of(config, **changes), 1) == pytest.approx(10 * factor)


def test_the_trial_is_small_but_has_the_network_asked_for(trial: Trial) -> None:
    train_seconds(TrainConfig(preset="paper", shift=7, loss="l2", device="cpu"), 1)
    config = trial.config
    assert (config.width, config.depth, config.shift, config.loss) == (48, 5, 7, "l2")
    assert config.device == "cpu"
    assert config.steps * config.batch * config.patch**2 < 100_000


def test_a_trial_too_fast_for_two_reports_counts_too(trial: Trial) -> None:
    trial.reports = [Progress("Train", 12, 12, 1.2, 0.2)]
    assert train_seconds(TrainConfig(steps=100, batch=1), 1) == pytest.approx(10)


def test_the_targets_of_distillation_are_not_counted(trial: Trial) -> None:
    teacher, targets = random_denoiser(), Progress("Compute targets", 1, 1, 30.0)
    config = DistillConfig(steps=100, batch=1)
    trial.reports = [
        targets,
        Progress("Distill", 1, 12, 35.0, 0.3),
        Progress("Distill", 12, 12, 36.1, 0.2),
    ]
    assert distill_seconds(teacher, config) == pytest.approx(10)
    trial.reports = [targets, Progress("Distill", 12, 12, 31.2, 0.2)]  # a fast machine
    assert distill_seconds(teacher, config) == pytest.approx(10)


@pytest.mark.usefixtures("crops")
@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M"])
def test_the_estimate_of_denoising_is_about_right(kind: Any) -> None:
    estimate._seconds_of_pixel.cache_clear()
    views = 4 if kind == "blind-spot" else 1
    assert 0.5 < denoise_seconds(random_denoiser(kind), 1000 * 64**2) / (1000 * views) < 2


def test_denoising_without_a_model_is_that_of_the_default_student() -> None:
    estimate._seconds_of_pixel.cache_clear()
    assert 0 < denoise_seconds(None, 512 * 512) < 60
    assert denoise_seconds(None, 0) == 0
    assert denoise_seconds(None, 2000) == 2 * denoise_seconds(None, 1000)  # timed once


def test_the_device_asked_for_is_described(monkeypatch: Patch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Fake {device.index}")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert describe_device("cuda:1") == "GPU (Fake 1)"
    assert describe_device("mps").startswith("Apple GPU")
    assert describe_device("cpu").startswith("CPU")
