"""Long jobs: how they report progress, and how they are stopped.

A long job is a generator: it yields `Progress` several times a second. When it is sent `STOP`, it
returns what it has so far. Closing it cancels; not advancing it pauses.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar


class Signal(Enum):
    """What may be sent to a job."""

    STOP = "stop and keep what is there"


STOP = Signal.STOP
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
        Loss on pixels that are not learnt from, where this report brings a new value.
    note : str
        Something the user must know; else empty.
    expert : bool
        Whether the note is about the method's settings, which only some want to read.
    snapshot : callable or None
        Makes a `Denoiser` from the weights so far (a copy). Call it between two steps of the
        job, in the job's thread.
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

    @property
    def speed(self) -> float:
        """Steps per second."""
        return self.step / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimated time to the end, in seconds."""
        return (self.total - self.step) / self.speed if self.speed > 0 else float("nan")


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


def run(job: Job[R], listen: Callable[[Progress], Any] | None = None) -> R:
    """Run a job to its end and return its result.

    The first Ctrl-C stops the job and keeps what was learnt; a second one interrupts.

    Parameters
    ----------
    job : generator
    listen : callable, optional
        Gets each `Progress`; may return `STOP`.
    """
    answer: Signal | None = None
    with _stop_on_interrupt() as interrupted:
        while True:
            try:
                progress = job.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            heard = listen(progress) if listen is not None else None
            answer = STOP if interrupted.is_set() or heard is STOP else None


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    # None: installed by something that is not Python
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def on_interrupt(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
