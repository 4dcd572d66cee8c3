"""Long jobs: how they report progress, and how they are stopped.

A long job is a generator that yields `Progress` several times a second. When it is sent `STOP`, it
returns what it has so far. Closing it cancels; not advancing it pauses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeVar

from .ctrl_c import stop_on_interrupt


class Signal(Enum):
    """What may be sent to a job."""

    STOP = "stop and keep what is there"


STOP = Signal.STOP
BAR = 1000  # steps of a bar that stands for several jobs
YIELD_EVERY = 0.1  # seconds: often enough for a progress bar to move smoothly


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Parameters
    ----------
    stage : str
        What is being done, for people: "Train teacher".
    step : int
        Steps done.
    total : int
        Steps in all; with a time budget an estimate that gets better.
    seconds : float
        Time worked, without pauses.
    loss : float or None
        Mean loss since the last report, in training.
    held_out : float or None
        Loss on pixels that are not learnt from, where this report has a new one.
    note : str
        Something the user must know; else empty.
    expert : bool
        Whether the note is about the method's settings, which only some want to read.
    snapshot : callable or None
        Makes a `Denoiser` from the weights so far (a copy). Call it between two steps of the
        job, in the job's thread.
    done : float or None
        Share of the whole job that is done, where the steps are those of a stage.
    """

    stage: str
    step: int
    total: int
    seconds: float
    loss: float | None = None
    held_out: float | None = None
    note: str = ""
    expert: bool = False
    snapshot: Callable[[], Any] | None = field(default=None, repr=False, compare=False)
    done: float | None = None

    @property
    def fraction(self) -> float:
        """Share of the whole job that is done, from 0 to 1: what a bar shows."""
        if self.done is not None:
            return self.done
        return self.step / self.total if self.total else 0.0

    @property
    def speed(self) -> float:
        """Steps per second."""
        return self.step / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimated time to the end, in seconds."""
        left = self.seconds * (1 - self.fraction)
        return left / self.fraction if self.fraction * self.seconds > 0 else float("nan")


R = TypeVar("R")
Tell = Callable[[str], object]  # takes a sentence that the user must hear
Job = Generator[Progress, Signal | None, R]


class Clock:
    """Time worked on a job; stands still while the job is suspended.

    Parameters
    ----------
    minutes : float, optional
        Time budget of the job.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self._budget = math.inf if minutes is None else 60 * minutes
        self._worked = 0.0
        self._since = time.perf_counter()
        self._reported = 0.0

    @property
    def seconds(self) -> float:
        """Seconds worked so far."""
        return self._worked + time.perf_counter() - self._since

    @property
    def spent(self) -> float:
        """Share of the time budget that is spent, 0 without one."""
        return self.seconds / self._budget

    @property
    def late(self) -> float:
        """Seconds worked after the end of the time budget; negative before it."""
        return self.seconds - self._budget

    def report_due(self) -> bool:
        """True when the consumer has heard nothing for `YIELD_EVERY` seconds of work."""
        return self.seconds - self._reported >= YIELD_EVERY

    def pause(self) -> None:
        """Call just before a yield."""
        self._worked = self._reported = self.seconds

    def resume(self) -> None:
        """Call just after a yield."""
        self._since = time.perf_counter()

    def go_on_from(self, seconds: float) -> None:
        """Restore the elapsed time of an interrupted run, without the time spent restoring it."""
        self._worked = self._reported = seconds
        self.resume()


def report_progress(
    progress: Progress, clock: Clock
) -> Generator[Progress, Signal | None, Signal | None]:
    """Yield a report; the clock stands still meanwhile."""
    clock.pause()
    answer = yield progress
    clock.resume()
    return answer


class Parts:
    """Parts of a job, done in a row: the share of the whole that is done never falls.

    A part that was told to stop is told so at each further report, since not all are heard.
    """

    def __init__(self) -> None:
        self.stopped = False  # whether any part was told to stop
        self.done = 0.0  # share of the whole, as reported last

    def part(self, job: Job[R], share: float, stage: str = "") -> Job[R]:
        """Pass on a job's reports, as a part of the whole.

        Parameters
        ----------
        job : generator
        share : float
            Of the whole. The shares of all parts sum to 1; a part that ends early jumps to its end.
        stage : str
            To tell in place of the job's own stages.
        """
        begun, answer = self.done, None
        try:
            while True:
                try:
                    progress = job.send(answer)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                reached = begun + share * min(progress.fraction, 1.0)
                self.done = min(max(self.done, reached), 1.0)
                told = replace(progress, stage=stage or progress.stage, done=self.done)
                if (yield self._as_told(told)) is STOP:
                    self.stopped, answer = True, STOP
        finally:
            job.close()
            self.done = min(begun + share, 1.0)

    def _as_told(self, progress: Progress) -> Progress:
        return progress


class OneBar(Parts):
    """Several jobs in a row as one bar of `BAR` steps; seconds are those of all jobs so far."""

    def __init__(self) -> None:
        super().__init__()
        self._earlier = self._seconds = 0.0  # worked: in parts that have ended, and in all

    def part(self, job: Job[R], share: float, stage: str = "") -> Job[R]:
        """See `Parts.part`."""
        self._earlier = self._seconds
        return (yield from super().part(job, share, stage))

    def _as_told(self, progress: Progress) -> Progress:
        self._seconds = max(self._seconds, self._earlier + progress.seconds)
        step = round(BAR * progress.fraction)
        return replace(progress, step=step, total=BAR, seconds=self._seconds)


def run(job: Job[R], listen: Callable[[Progress], Any] | None = None) -> R:
    """Run a job to its end and return its result.

    The first Ctrl-C stops the job and keeps what was learnt; a second one interrupts.

    Parameters
    ----------
    job : generator
    listen : callable, optional
        Gets each `Progress`; may return `STOP`.
    """
    passing_on = heard(job, listen or (lambda _: None))
    while True:
        try:
            next(passing_on)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def heard(job: Job[R], listen: Callable[[Progress], Any]) -> Job[R]:
    """Run a job as a part of another one, as `run` does, and pass on its reports.

    Parameters
    ----------
    job : generator
    listen : callable
        Gets each `Progress`; may return `STOP`.
    """
    answer: Signal | None = None
    with stop_on_interrupt() as interrupted:
        try:
            while True:
                try:
                    progress = job.send(answer)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                told = listen(progress)
                answer = yield progress
                if told is STOP or interrupted.is_set():
                    answer = STOP
        finally:
            job.close()
