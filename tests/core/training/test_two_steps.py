"""Both steps in one job: one bar, one budget, and an end at any time with what is there."""

from __future__ import annotations

from typing import Any

import pytest

from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.jobs import BAR, STOP, Job, Parts, Progress
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.provenance import was_stopped
from napari_aprrd.core.training import budget, two_steps
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train
from napari_aprrd.core.training.two_steps import Learnt, learn

from ..makers import BRIEF, drive, noisy_planes, random_denoiser, same_weights

FIRST, SECOND = TrainConfig(**BRIEF, shift=2), DistillConfig(**BRIEF)


def test_it_learns_what_both_steps_learn_one_after_the_other() -> None:
    planes, taught = noisy_planes(), list[Denoiser]()
    learnt, reports = drive(learn(planes, FIRST, SECOND, on_teacher=taught.append))
    teacher = drive(train(planes, FIRST))[0]
    student = drive(distill(teacher, planes, SECOND))[0]
    assert same_weights(learnt.teacher, teacher)
    assert same_weights(learnt.student, student)
    assert learnt.model is learnt.student
    assert taught == [learnt.teacher]
    assert not learnt.stopped
    steps = [report.step for report in reports]
    assert steps == sorted(steps)
    assert {report.total for report in reports} == {BAR}
    assert steps[0] == 0
    assert steps[-1] == BAR


@pytest.mark.parametrize("stage", ["Inspect noise", "Train teacher", "Calibrate"])
def test_stopped_before_there_is_a_student_it_ends_with_the_teacher(stage: str) -> None:
    learnt, reports = drive(learn(noisy_planes(), FIRST, SECOND), stop_at=stage)
    assert learnt.stopped
    assert learnt.student is None
    assert learnt.model is learnt.teacher
    assert was_stopped(learnt.teacher.record)
    assert not any(report.stage == "Compute targets" for report in reports)


def test_stopped_among_the_targets_it_ends_with_the_teacher() -> None:
    learnt, _ = drive(learn(noisy_planes(), FIRST, SECOND), stop_at="Compute targets")
    assert learnt.stopped
    assert learnt.student is None
    assert not was_stopped(learnt.teacher.record)


def test_stopped_when_the_student_has_hardly_learnt_it_ends_with_the_teacher() -> None:
    learnt, _ = drive(learn(noisy_planes(), FIRST, SECOND), stop_at="Distil student")
    assert learnt.stopped
    assert learnt.model is learnt.teacher


def test_stopped_later_in_the_distillation_it_ends_with_the_student(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "STUDENT_STEPS", 1)
    learnt, _ = drive(learn(noisy_planes(), FIRST, SECOND), stop_at="Distil student")
    assert learnt.stopped
    assert learnt.model is learnt.student
    assert was_stopped(learnt.model.record)


def test_a_teacher_that_is_there_is_distilled(teacher: Denoiser) -> None:
    learnt, reports = drive(learn(noisy_planes(), FIRST, SECOND, teacher=teacher, bar=Parts()))
    assert learnt.teacher is teacher
    assert learnt.student is not None
    assert not any(report.stage == "Train teacher" for report in reports)
    assert reports[-1].fraction == pytest.approx(1)


@pytest.mark.parametrize(("spent", "left"), [(180.0, 7.0), (480.0, 2.0), (570.0, None)])
def test_a_student_gets_what_is_left_of_the_budget(
    monkeypatch: pytest.MonkeyPatch, spent: float, left: float | None
) -> None:
    given: list[float | None] = []

    def job(model: Denoiser, config: Any) -> Job[Denoiser]:
        given.append(config.minutes)
        yield Progress("Learn", 1, 1, spent)
        return model

    teacher, student = random_denoiser(), random_denoiser("student-1.00M")
    teacher.record = {"train": {"seconds": spent}}
    monkeypatch.setattr(two_steps, "train", lambda _, config, **__: job(teacher, config))
    monkeypatch.setattr(two_steps, "distill", lambda *a: job(student, a[2]))
    learnt, reports = drive(learn(noisy_planes(), minutes=10))
    assert given[0] == pytest.approx(10 * budget.TEACHER)
    if left is None:  # a busy machine: there is no time for a student that is of use
        assert learnt == Learnt(teacher, None)
        assert learnt.model is teacher
        assert len(given) == 1
        assert "Time was up before a student could learn" in reports[-1].note
        assert reports[-1].step == BAR
        return
    assert learnt == Learnt(teacher, student)
    assert given[1] == pytest.approx(left)
    assert [report.step for report in reports] == [round(BAR * budget.TEACHER), BAR]


def test_closing_it_closes_the_step_that_runs() -> None:
    job = learn(noisy_planes(), FIRST, SECOND)
    while next(job).loss is None:
        pass
    job.close()
    with pytest.raises(StopIteration):
        job.send(STOP)
