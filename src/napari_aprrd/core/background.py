"""A job in its own thread, for consoles and notebooks."""

from __future__ import annotations

import atexit
import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .jobs import STOP, Job, Progress

R = TypeVar("R")


class CancelledError(Exception):
    """Raised for a job without result: it was cancelled, or stopped before it had one."""


class Background(Generic[R]):
    """Handle on a running job.

    Parameters
    ----------
    job : generator
    while_waiting : callable, optional
        Called about twenty times a second while `result` waits, to keep a window live.
    """

    def __init__(self, job: Job[R], while_waiting: Callable[[], None] = lambda: None) -> None:
        self._job = job
        self._while_waiting = while_waiting
        self._result: R | None = None
        self._error: BaseException | None = None
        self._cancelled, self._stopped = threading.Event(), threading.Event()
        self.progress: Progress | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        _handles.add(self)

    def __repr__(self) -> str:
        if not self.done:
            return f"<{_how_far(self.progress)}>"
        if isinstance(self._error, CancelledError):
            return "<cancelled>"
        return "<done, see .result()>" if self._error is None else f"<failed: {self._error}>"

    @property
    def done(self) -> bool:
        """True when the job has ended, for whatever reason."""
        return not self._thread.is_alive()

    def result(self, timeout: float | None = None) -> R:
        """Wait for the job and return its result.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            If it takes longer.
        CancelledError
            If it was cancelled, or stopped before it had a result.
        """
        started = time.monotonic()
        while not self.done:
            if timeout is not None and time.monotonic() - started >= timeout:
                raise TimeoutError("The job is still running.")
            self._thread.join(0.05)
            self._while_waiting()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def cancel(self) -> None:
        """End the job after its present step and forget it."""
        self._cancelled.set()

    def stop(self) -> None:
        """End the job after its present step and keep what is there."""
        self._stopped.set()

    def _work(self) -> None:
        try:
            self.progress = next(self._job)
            while not self._cancelled.is_set():
                self.progress = self._job.send(STOP if self._stopped.is_set() else None)
            self._job.close()
            self._error = CancelledError("The job was cancelled.")
        except StopIteration as end:
            self._result = end.value
            if self._cancelled.is_set():
                self._error = CancelledError("The job was cancelled.")
        except BaseException as error:  # raised again by `result`
            self._error = error


def _how_far(progress: Progress | None) -> str:
    """One line on a running job, for consoles."""
    if progress is None:
        return "starting"
    left = progress.seconds_left
    told = f", {left:.0f} s left" if left < 90 else f", {left / 60:.0f} min left"
    share = f"{100 * progress.fraction:.0f} %"
    return f"{progress.stage}: {share}{told if math.isfinite(left) else ''}"


_handles: weakref.WeakSet[Background[Any]] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End running jobs when Python exits: torch in a dying thread would abort the process."""
    running = [handle for handle in _handles if not handle.done]
    for handle in running:
        handle.cancel()
    for handle in running:
        handle._thread.join()
