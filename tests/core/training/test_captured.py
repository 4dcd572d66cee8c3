"""Steps that a GPU records: here a recorder on the CPU does again what it was given."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.data import resident
from napari_aprrd.core.data.feed import Feed, PrefetchedCrops
from napari_aprrd.core.data.planes import MemoryPlanes, Planes
from napari_aprrd.core.jobs import Job, Progress
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training import captured, held_out, objective
from napari_aprrd.core.training import checkpoint as checkpoint_module
from napari_aprrd.core.training import train as train_module
from napari_aprrd.core.training.checkpoint import Checkpoint
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train

from ..makers import TINY, LazyPlanes, drive, noisy_image, random_denoiser, same_weights

Patch = pytest.MonkeyPatch
STEPS = 12


class Recorder:
    """Does again what was recorded, and counts it; may fail as it records, or in one replay."""

    def __init__(self, error: Exception | None = None, at: int = 0) -> None:
        self.warmed_up = self.recorded = self.replayed = 0
        self._error, self._at = error, at

    def send(self, numbers: NDArray[np.float64], to: Tensor) -> None:
        to.copy_(torch.from_numpy(numbers))

    def warm_up(self, work: captured.Work) -> None:
        self.warmed_up += 1
        work()

    def record(self, work: captured.Work) -> captured.Work:
        self.recorded += 1
        if self._error is not None and not self._at:
            raise self._error

        def replay() -> None:
            self.replayed += 1
            if self._error is not None and self.replayed == self._at:
                raise self._error
            work()

        return replay


@pytest.fixture(autouse=True)
def _few_pixels_held_out(monkeypatch: Patch) -> None:
    monkeypatch.setattr(held_out, "HELD_OUT_PIXELS", 4096)


@pytest.fixture
def recorder(monkeypatch: Patch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(captured, "recorder_for", lambda device: recorder)
    return recorder


def planes_of(kind: type[MemoryPlanes] = MemoryPlanes, count: int = 1) -> MemoryPlanes:
    images = [noisy_image(1, 64, 64, seed=seed) for seed in range(count)]
    return kind(images, stack_axes="T" if count > 1 else "")


def teacher_job(
    planes: Planes | None = None, checkpoint: Checkpoint | None = None, **settings: Any
) -> Job[Denoiser]:
    usual = {**TINY, "steps": STEPS, "batch": 2, "shift": 2, "adapt": False, "replace": False}
    config = TrainConfig(**{**usual, "precision": "float32", "device": "cpu", **settings})
    return train(planes or planes_of(), config, checkpoint=checkpoint)


def student_job(**settings: Any) -> Job[Denoiser]:
    usual = {**TINY, "steps": STEPS, "batch": 2, "shifts": (0, 1, 2), "recharge": "off"}
    config = DistillConfig(**{**usual, "precision": "float32", "device": "cpu", **settings})
    return distill(random_denoiser(), planes_of(), config)


def notes(reports: list[Progress]) -> str:
    return " ".join(report.note for report in reports)


@pytest.mark.parametrize("job", [teacher_job, student_job])
def test_recorded_steps_learn_what_the_usual_ones_do(
    job: Callable[[], Job[Denoiser]], monkeypatch: Patch
) -> None:
    usual, _ = drive(job())
    recorder = Recorder()
    monkeypatch.setattr(captured, "recorder_for", lambda device: recorder)
    found, _ = drive(job())
    warm_up = captured.WARM_UP
    assert recorder.__dict__.items() >= {
        ("warmed_up", warm_up), ("recorded", 1), ("replayed", STEPS - warm_up)
    }  # fmt: skip
    for mine, theirs in zip(found.network.parameters(), usual.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0.01, atol=2e-4)  # rounding


@pytest.mark.parametrize("settings", [{"replace": True}, {"replace": True, "window": 5}])
def test_the_seed_decides_what_is_drawn_on_the_device(
    settings: dict[str, Any], recorder: Recorder
) -> None:
    first, again, other = (
        drive(teacher_job(seed=seed, start="scratch", **settings))[0] for seed in (1, 1, 2)
    )
    assert same_weights(first, again)
    assert not same_weights(first, other)


@pytest.mark.parametrize("kind", [MemoryPlanes, LazyPlanes])
def test_interrupted_it_ends_with_the_same_weights(
    kind: type[MemoryPlanes], recorder: Recorder, tmp_path: Path, report_every_step: None
) -> None:
    whole, _ = drive(teacher_job(planes_of(kind), replace=True))
    path = tmp_path / "checkpoint"
    job = teacher_job(planes_of(kind), Checkpoint(path), replace=True)
    for progress in job:
        if progress.loss is not None and progress.step == 7:
            break
    job.close()
    resumed, reports = drive(teacher_job(planes_of(kind), Checkpoint(path), replace=True))
    assert "Going on after step 7." in notes(reports)
    assert same_weights(resumed, whole)


def test_steps_with_neighbours_and_without_are_recorded_each(recorder: Recorder) -> None:
    job = teacher_job(planes_of(count=3), neighbours=1, steps=40, start="scratch")
    teacher, _ = drive(job)
    assert teacher.neighbours == 1
    assert recorder.recorded == 2
    assert recorder.replayed + recorder.warmed_up == 40


def test_what_cannot_be_recorded_is_computed_step_by_step(
    recorder: Recorder, monkeypatch: Patch
) -> None:
    recorded, _ = drive(teacher_job(replace=True))
    failing = Recorder(RuntimeError("operation not permitted when stream is capturing"))
    monkeypatch.setattr(captured, "recorder_for", lambda device: failing)
    plain, reports = drive(teacher_job(replace=True))
    assert "Steps are computed one by one on this GPU" in notes(reports)
    assert (failing.recorded, failing.replayed) == (1, 0)
    assert same_weights(recorded, plain)


class Faulty:
    """The loss of a teacher, with a fault at one of its calls."""

    def __init__(self, monkeypatch: Patch, at: int, fault: Callable[[Tensor], Tensor]) -> None:
        plain, self.calls = train_module.mean_norm, 0

        def loss(*arguments: Any) -> Tensor:
            self.calls += 1
            value = plain(*arguments)
            return fault(value) if self.calls == at else value

        monkeypatch.setattr(train_module, "mean_norm", loss)


def _no_memory(loss: Tensor) -> Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.parametrize(("call", "recorded"), [(2, 1), (9, 2)])  # in warming up, in a replay
def test_out_of_memory_the_batch_shrinks_and_is_recorded_anew(
    call: int, recorded: int, recorder: Recorder, monkeypatch: Patch
) -> None:
    whole, _ = drive(teacher_job())
    Faulty(monkeypatch, call, _no_memory)
    parted, reports = drive(teacher_job())
    assert "each batch is now computed in 2 parts" in notes(reports)
    assert recorder.recorded == 1 + recorded
    for mine, theirs in zip(parted.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0.02, atol=2e-3)


def test_after_going_back_steps_are_recorded_anew(
    recorder: Recorder, monkeypatch: Patch, report_every_step: None
) -> None:
    Faulty(monkeypatch, 9, lambda loss: loss * torch.nan)
    teacher, reports = drive(teacher_job())
    assert "back to step 0, with half the learning rate" in notes(reports)
    assert recorder.recorded == 2
    assert all(bool(p.isfinite().all()) for p in teacher.network.parameters())


def test_a_device_lost_in_a_recorded_step_is_replaced_by_the_cpu(
    recorder: Recorder, monkeypatch: Patch, report_every_step: None
) -> None:
    monkeypatch.setattr(checkpoint_module, "EVERY", 0.0)
    monkeypatch.setattr(checkpoint_module, "SHARE", math.inf)
    whole, _ = drive(teacher_job(replace=True))
    failing = Recorder(RuntimeError("CUDA error: unspecified launch failure"), at=4)
    monkeypatch.setattr(captured, "recorder_for", lambda device: failing)
    teacher, reports = drive(teacher_job(replace=True))
    assert "going on from the last checkpoint on the CPU" in notes(reports)
    assert f"Going on after step {captured.WARM_UP + 3}." in notes(reports)
    assert same_weights(teacher, whole)


def test_another_error_of_a_recorded_step_is_not_hidden(monkeypatch: Patch) -> None:
    failing = Recorder(RuntimeError("shape mismatch"), at=4)
    monkeypatch.setattr(captured, "recorder_for", lambda device: failing)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        drive(teacher_job())


@pytest.mark.parametrize("job", [teacher_job, student_job])
def test_planes_are_moved_only_where_crops_show_about_all_of_them(
    job: Callable[..., Job[Denoiser]], recorder: Recorder, monkeypatch: Patch
) -> None:
    feeds = []

    def feed_for(*arguments: Any, **settings: Any) -> Feed:
        feeds.append(resident.feed_for(*arguments, **settings))
        return feeds[-1]

    monkeypatch.setattr(objective, "feed_for", feed_for)
    for steps in (1, STEPS):
        drive(job(steps=steps))
    assert list(map(type, feeds)) == [PrefetchedCrops, resident.ResidentCrops]
