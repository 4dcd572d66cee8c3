"""How long it will take and on what device, in plain words, before it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QWidget

from .._jobs import Failure, Task
from ..core.errors import UserError
from .words import duration

Trial = Callable[[], tuple[str, float]]


WAITING = "Estimating the time…"


class Estimate(QLabel):
    """A line that runs a trial in the background, a moment after the last change."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self._trial: Trial | None = None
        self._task: Task | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(400)
        self._timer.timeout.connect(self._run)

    def of(self, make_trial: Callable[[], Trial]) -> None:
        """Show a trial's device and seconds, or why there can be none."""
        try:
            self._trial = make_trial()
        except UserError as error:
            self.say(str(error))
            return
        self.setText(WAITING)
        self._timer.start()

    def say(self, text: str) -> None:
        """Show a text instead."""
        self._timer.stop()
        self._trial = None
        self.setText(text)

    def _run(self) -> None:
        if self._task is not None:
            return  # one at a time; the end of that one starts the next
        trial, self._trial = self._trial, None
        if trial is not None:
            self._task = Task(trial, self._on_done, owner=self)

    def _on_done(self, result: Any) -> None:
        self._task = None
        if self._trial is not None:
            self._timer.start()
        elif self.text() == WAITING:  # nobody has said something else meanwhile
            if isinstance(result, Failure):
                self.setText(str(result.error))
            else:
                device, seconds = result
                self.setText(f"{device}. About {duration(seconds)}.")
