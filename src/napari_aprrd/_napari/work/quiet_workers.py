"""napari's workers and bars: work that ends when nobody wants it, and without a traceback."""

from __future__ import annotations

import atexit
import inspect
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from napari.qt.threading import FunctionWorker, GeneratorWorker
from napari.utils import cancelable_progress
from qtpy.QtCore import QThreadPool, QTimer

LONGEST_WAIT = 1.0  # seconds that leaving Python waits for the workers; chosen, not measured

_here = threading.local()  # the worker that a thread runs
_all: WeakSet[Any] = WeakSet()


def still_wanted() -> bool:
    """Whether the work that the calling thread does is still wanted; asked between two layers."""
    worker = getattr(_here, "worker", None)
    return worker is None or not worker.abort_requested


def end_all() -> None:
    """Ask all workers to end and wait a moment for them."""
    for worker in list(_all):
        worker.quit()
    QThreadPool.globalInstance().waitForDone(round(1000 * LONGEST_WAIT))


class _Quiet:
    """Runs a worker; if Qt has deleted its signals meanwhile, nobody is left to be told."""

    def start(self) -> None:
        """Wait for a free thread; it may have to end before there is one."""
        _all.add(self)
        super().start()  # type: ignore[misc]

    def run(self) -> None:
        """Called in the thread."""
        _here.worker = self
        try:
            super().run()  # type: ignore[misc]
        except RuntimeError as error:
            if not _is_deleted(error):
                raise
        finally:
            _here.worker = None


class QuietFunction(_Quiet, FunctionWorker[Any]):
    """Runs a function."""


class QuietGenerator(_Quiet, GeneratorWorker[Any, Any, Any]):
    """Runs a generator, and closes it if it has not come to its end."""

    def work(self) -> Any:
        """Close it in this thread: a job then writes its last checkpoint, also as napari ends."""
        try:
            result = super().work()
            # The worker's signals are gone, of which Qt would warn.
            return None if _is_deleted(result) else result
        finally:
            self._gen.close()

    def _next_value(self) -> Any:
        """What was sent; a generator that has not begun takes nothing, so it waits for the next."""
        begun = inspect.getgeneratorstate(self._gen) != inspect.GEN_CREATED
        return super()._next_value() if begun else None


def _is_deleted(result: object) -> bool:
    """Whether it is the error of an object that Qt has deleted."""
    return isinstance(result, RuntimeError) and "deleted" in str(result)


class Activity(cancelable_progress):
    """A bar of the activity dock whose button acts at once, not at the next report."""

    on_cancel: Callable[[], None] = staticmethod(lambda: None)

    def cancel(self) -> None:
        """Called by the button."""
        super().cancel()
        QTimer.singleShot(0, self.on_cancel)  # the button still works on the bar


# Python's end deletes the signals of workers that still run.
atexit.register(end_all)
