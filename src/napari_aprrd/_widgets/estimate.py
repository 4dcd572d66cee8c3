"""How long it will take and on what device, in plain words, before it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.qt.threading import FunctionWorker, create_worker
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QWidget

from .run_panel import duration

Trial = Callable[[], tuple[str, float]]


class Estimate(QLabel):
    """A line that runs a trial in the background, a moment after the last change."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self._trial: Trial | None = None
        self._worker: FunctionWorker[Any] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(400)
        self._timer.timeout.connect(self._run)

    def of(self, trial: Trial) -> None:
        """Show a trial's device and seconds."""
        self._trial = trial
        self.setText("Estimating the time…")
        self._timer.start()

    def say(self, text: str) -> None:
        """Show a text instead."""
        self._timer.stop()
        self._trial = None
        self.setText(text)

    def _run(self) -> None:
        if self._worker is not None:
            return  # one at a time; the end of that one starts the next
        trial, self._trial = self._trial, None
        if trial is None:
            return
        self._worker = create_worker(trial, _start_thread=False)
        self._worker.returned.connect(self._on_returned)
        self._worker.errored.connect(self._on_errored)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_returned(self, result: tuple[str, float]) -> None:
        device, seconds = result
        if self._trial is None:
            self.setText(f"{device}. About {duration(seconds)}.")

    def _on_errored(self, error: Exception) -> None:
        self.setText(str(error))

    def _on_finished(self) -> None:
        self._worker = None
        if self._trial is not None:
            self._timer.start()
