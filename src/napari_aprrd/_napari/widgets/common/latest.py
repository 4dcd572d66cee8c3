"""Background work that follows the user's changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

from ...work.workers import Task


class Latest(QObject):
    """Runs the latest of the functions it is given, one at a time, a moment after the last.

    Parameters
    ----------
    on_done : callable
        Receives the result or the `Failure`, unless another function was given meanwhile.
    parent : QObject
        After it is destroyed, the callback is no longer called.
    """

    def __init__(self, on_done: Callable[[Any], None], parent: QObject) -> None:
        super().__init__(parent)
        self._on_result = on_done
        self._wanted: Callable[[], Any] | None = None
        self._task: Task | None = None
        self._outdated = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(400)  # ms: about the pause between two changes of a form
        self._timer.timeout.connect(self._run)

    def do(self, function: Callable[[], Any]) -> None:
        """Run this one instead of those before it."""
        self._wanted, self._outdated = function, True
        self._timer.start()

    def drop(self) -> None:
        """Run nothing, and ignore a result that is still to come."""
        self._wanted, self._outdated = None, True
        self._timer.stop()

    def _run(self) -> None:
        if self._task is not None or self._wanted is None:
            return  # the end of the one that runs starts the next
        function, self._wanted, self._outdated = self._wanted, None, False
        self._task = Task(function, self._on_done, owner=self)

    def _on_done(self, result: Any) -> None:
        self._task = None
        if not self._outdated:
            self._on_result(result)
        elif self._wanted is not None:
            self._timer.start()
