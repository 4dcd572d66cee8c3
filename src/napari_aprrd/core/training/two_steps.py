"""Both steps of the method in one job: a teacher is trained, then distilled into a student."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..config import DistillConfig, TrainConfig
from ..data.planes import Planes
from ..errors import StoppedEarlyError
from ..jobs import Job, OneBar, Parts, Progress
from ..model.denoiser import Denoiser
from . import budget
from .checkpoint import Checkpoint
from .distill import distill
from .train import train


class Learnt(NamedTuple):
    """What was learnt from some images.

    Parameters
    ----------
    teacher : Denoiser
    student : Denoiser or None
        None where it was stopped, or time was up, before there was one that is of use.
    stopped : bool
        Whether the user ended it early.
    """

    teacher: Denoiser
    student: Denoiser | None
    stopped: bool = False

    @property
    def model(self) -> Denoiser:
        """The student, or the teacher where there is none."""
        return self.teacher if self.student is None else self.student


def configs_of(settings: Mapping[str, Any]) -> tuple[TrainConfig, DistillConfig]:
    """The settings of both steps; each gets those that it has.

    Raises
    ------
    UserError
        As for `Config.of`.
    """
    first, second = (
        {name: value for name, value in settings.items() if name in config.model_fields}
        for config in (TrainConfig, DistillConfig)
    )
    return TrainConfig.of(**first), DistillConfig.of(**second)


def learn(
    planes: Planes,
    train_config: TrainConfig | None = None,
    distill_config: DistillConfig | None = None,
    *,
    minutes: float | None = None,
    bar: Parts | None = None,
    share: float = 1.0,
    teacher: Denoiser | None = None,
    checkpoints: tuple[Checkpoint | None, Checkpoint | None] = (None, None),
    on_teacher: Callable[[Denoiser], object] = lambda _: None,
) -> Job[Learnt]:
    """Train a teacher on noisy images and distil it.

    Parameters
    ----------
    planes : Planes
        Noisy images.
    train_config : TrainConfig, optional
    distill_config : DistillConfig, optional
    minutes : float, optional
        Time budget of both steps together, in place of what the settings say.
    bar : Parts, optional
        Where this is a part of something longer: what reports go through. By default one bar
        from 0 to 1000; `Parts()` keeps the steps of each job.
    share : float
        Share of that bar.
    teacher : Denoiser, optional
        Trained already, within the same budget: it is distilled.
    checkpoints : tuple of Checkpoint, optional
        Of the training and of the distillation.
    on_teacher : callable
        Gets the teacher when it is done and was not stopped.

    Yields
    ------
    Progress
        Send `STOP` to end now with what is there.

    Returns
    -------
    Learnt

    Raises
    ------
    UserError
        As for `train` and `distill`.
    """
    bar = bar or OneBar()
    first, second = train_config or TrainConfig(), distill_config or DistillConfig()
    part = 0.0
    if teacher is None:
        if minutes is not None:
            first = TrainConfig.of(first, minutes=minutes * budget.TEACHER)
        part = budget.TEACHER if minutes is not None else _share_of_teacher(first, second)
        training = train(planes, first, checkpoint=checkpoints[0])
        teacher = yield from bar.part(training, share * part)
        if bar.stopped:
            return Learnt(teacher, None, stopped=True)
        on_teacher(teacher)
    if minutes is not None:
        left = minutes - teacher.record["train"]["seconds"] / 60
        least = minutes * budget.STUDENT_AT_LEAST
        if left + budget.late(minutes) / 60 < least:
            yield from bar.part(_without_student(60 * (minutes - left)), share * (1 - part))
            return Learnt(teacher, None)
        second = DistillConfig.of(second, minutes=max(left, least))
    try:
        distilling = distill(teacher, planes, second, checkpoints[1])
        student = yield from bar.part(distilling, share * (1 - part))
    except StoppedEarlyError:
        return Learnt(teacher, None, stopped=True)
    if bar.stopped and student.record["distill"]["steps"] < budget.STUDENT_STEPS:
        return Learnt(teacher, None, stopped=True)
    return Learnt(teacher, student, bar.stopped)


def _without_student(seconds: float) -> Job[None]:
    """Tell that there is none."""
    note = "Time was up before a student could learn: its teacher denoises, which is slower."
    yield Progress("Distil student", 1, 1, seconds, note=note)


def _share_of_teacher(first: TrainConfig, second: DistillConfig) -> float:
    """Share of the bar that the training takes, about."""
    if first.minutes is not None and second.minutes is not None:
        return first.minutes / (first.minutes + second.minutes)
    if first.steps is None or second.steps is None:
        return budget.TEACHER
    teacher = budget.TEACHER_STEP * first.steps * first.batch * first.patch**2
    return teacher / (teacher + second.steps * second.batch * second.patch**2)
