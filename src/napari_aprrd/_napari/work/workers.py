"""Jobs of the engine as threads of napari; only `errand` starts other ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar

from napari.qt.threading import FunctionWorker, GeneratorWorker, create_worker
from napari.utils.notifications import show_error

from ...core.errors import UserError
from ...core.jobs import BAR, STOP, Progress
from .previews import Preview
from .quiet_workers import Activity, QuietFunction, QuietGenerator, still_wanted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """Exception of a job. A worker would swallow a RuntimeError and raise others again in Qt."""

    error: Exception


class Run:
    """A job in a background thread, shown in napari's activity dock, which can cancel it.

    All callbacks are called in the thread that made it.

    Parameters
    ----------
    job : generator
        Yields `Progress` (and `Preview`).
    title : str
        For the activity dock.
    on_report : callable
        Receives what the job yields.
    on_result : callable
        Receives what it returns, also when it was stopped and kept; not after a cancel.
    on_end : callable
        Called when there is nothing more to show, for whatever reason.
    on_closed : callable, optional
        Called last, when the job has released everything.
    on_error : callable
        Receives the sentence on what went wrong; by default napari shows it.
    """

    def __init__(
        self,
        job: Generator[Any, Any, Any],
        title: str,
        *,
        on_report: Callable[[Any], None],
        on_result: Callable[[Any], None],
        on_end: Callable[[], None],
        on_closed: Callable[[], None] | None = None,
        on_error: Callable[[str], None] = show_error,
    ) -> None:
        self._on_closed = on_closed
        self._listening = True
        self._callbacks, self._on_error = (on_report, on_result, on_end), on_error
        self._activity: Any = Activity(total=0, desc=title)
        self._activity.on_cancel = self.cancel
        self.paused = False
        self._worker: GeneratorWorker[Any, Any, Any] = create_worker(
            _with_errors_returned, job, _start_thread=False, _worker_class=QuietGenerator
        )
        self._worker.yielded.connect(self._on_yielded)
        self._worker.returned.connect(self._on_returned)
        self._worker.finished.connect(self._on_finished)
        self._worker.paused.connect(self._on_paused)
        self._worker.start()

    def pause(self) -> None:
        """Pause after the present step."""
        self.paused = True
        self._worker.pause()

    def resume(self) -> None:
        """Continue."""
        self.paused = False
        self._worker.resume()

    def stop(self) -> None:
        """Stop after the present step and keep what is there."""
        self._worker.send(STOP)
        self.resume()

    def cancel(self) -> None:
        """Forget the job; `on_end` is called at once."""
        if self._listening:
            self._leave()
            self._callbacks[2]()

    def abandon(self, *_: object) -> None:
        """Cancel the job without any callback, because their owners are gone."""
        self._on_closed = None
        self._leave()

    def _leave(self) -> None:
        self._listening = False
        self._activity.close()
        self._worker.quit()

    def _on_paused(self) -> None:
        if not self.paused:  # resumed before the pause took effect
            self._worker.resume()

    def _on_yielded(self, report: Progress | Preview) -> None:
        if not self._listening:
            return
        self._callbacks[0](report)
        if isinstance(report, Progress):
            self._activity.total = BAR
            self._activity.update(round(BAR * report.fraction) - self._activity.n)

    def _on_returned(self, result: Any) -> None:
        if not self._listening:
            return
        if isinstance(result, Failure):
            self._on_error(str(result.error) or type(result.error).__name__)
        else:
            self._callbacks[1](result)

    def _on_finished(self) -> None:
        if self._listening:
            self._listening = False
            self._activity.close()
            self._callbacks[2]()
        if self._on_closed is not None:
            self._on_closed()


class Task:
    """A function in a background thread.

    Parameters
    ----------
    function : callable
    on_done : callable
        Receives its result or the `Failure`, in the thread that made the task.
    owner : QObject
        After it is destroyed, the callback is no longer called.
    """

    running: ClassVar[set[Task]] = set()  # keeps them alive until they have told their end

    def __init__(
        self, function: Callable[[], Any], on_done: Callable[[Any], None], owner: Any
    ) -> None:
        self._on_done: Callable[[Any], None] | None = on_done
        worker: FunctionWorker[Any] = create_worker(
            _caught, function, _start_thread=False, _worker_class=QuietFunction
        )
        worker.returned.connect(self._on_returned)
        worker.finished.connect(self._on_finished)
        owner.destroyed.connect(self._forget)
        self._worker = worker
        self.running.add(self)
        worker.start()

    def _on_returned(self, result: Any) -> None:
        if self._on_done is not None:
            self._on_done(result)

    def _on_finished(self) -> None:
        self.running.discard(self)

    def _forget(self, *_: object) -> None:
        self._on_done = None


def _caught(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception as error:
        if not isinstance(error, UserError):
            logger.exception("A task failed")
        return Failure(error)


def _with_errors_returned(job: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    from ...core.model.interrupt import interruptible_job  # here, since it takes long to import

    try:
        return (yield from interruptible_job(job, still_wanted))
    except UserError as error:
        return Failure(error)
    except Exception as error:
        if not still_wanted():
            return None  # it was interrupted
        logger.exception("A job failed")
        return Failure(error)
