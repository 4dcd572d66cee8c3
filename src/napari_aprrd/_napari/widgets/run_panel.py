"""Display and control of a running job: bar, numbers, notes, loss, pause, stop, cancel."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from napari.utils.notifications import show_info
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ...core.jobs import Progress
from ..preview import LivePreview
from ..workers import Preview, Run, with_preview
from .loss_plot import LossPlot
from .words import describe


class RunPanel(QWidget):
    """Runs one job at a time."""

    idle = Signal(bool)  # True when a job has ended for whatever reason, False when one starts
    closed = Signal()  # emitted a moment later, when an interrupted job has written its checkpoint

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run: Run | None = None
        self.preview: LivePreview
        self.bar, self.text, self.plot = QProgressBar(), QLabel(), LossPlot()
        self.notes = QLabel()
        for label in (self.text, self.notes):
            label.setWordWrap(True)
        self.pause = _button("Pause", "Pause to free the computer for other work.")
        self.stop = _button("Stop and keep", "End now and keep the model as it is.")
        self.cancel = _button("Cancel", "End now without a model. You can resume later.")
        self.pause.clicked.connect(self._on_pause)
        self.stop.clicked.connect(self._on_stop)
        self.cancel.clicked.connect(self._on_cancel)
        buttons = QHBoxLayout()
        for button in (self.pause, self.stop, self.cancel):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.bar, self.text, self.notes, self.plot):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        self.setVisible(False)

    def start(
        self,
        job: Generator[Any, Any, Any],
        title: str,
        on_result: Callable[[Any], None],
        preview: LivePreview,
    ) -> None:
        """Run a job and show its progress."""
        self.preview = preview
        self.plot.clear()
        self.bar.setRange(0, 0)
        self.text.setText("Starting…")
        self.notes.clear()
        self.notes.hide()
        self.pause.setText("Pause")
        for button in (self.pause, self.stop, self.cancel):
            button.setEnabled(True)
        self.setVisible(True)
        self.run = Run(
            with_preview(job, preview.view),
            title,
            on_report=self._on_report,
            on_result=on_result,
            on_end=self._on_end,
            on_closed=self.closed.emit,
        )
        self._last = self.run  # keeps a cancelled run alive until it has closed its job
        self.destroyed.connect(self.run.abandon)
        self.destroyed.connect(preview.close)
        self.idle.emit(False)

    def _on_report(self, report: Progress | Preview) -> None:
        if isinstance(report, Preview):
            self.preview.show(report)
            return
        self.bar.setRange(0, report.total)
        self.bar.setValue(report.step)
        self.plot.add(report)
        self.text.setText(describe(report))
        if report.note:
            self._note(report.note)

    def _note(self, note: str) -> None:
        """Show a note until the run ends: napari's own box fades and truncates long notes."""
        show_info(note)
        self.notes.setText("\n".join(filter(None, (self.notes.text(), note))))
        self.notes.show()

    def _on_pause(self) -> None:
        if self.run is None:
            return
        if self.run.paused:
            self.run.resume()
        else:
            self.run.pause()
        self.pause.setText("Continue" if self.run.paused else "Pause")

    def _on_stop(self) -> None:
        if self.run is not None:
            self.text.setText("Stopping…")
            self.stop.setEnabled(False)
            self.pause.setEnabled(False)
            self.run.stop()

    def _on_cancel(self) -> None:
        if self.run is not None:
            self.run.cancel()

    def _on_end(self) -> None:
        self.run = None
        self.preview.close()
        self.setVisible(False)
        self.idle.emit(True)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
