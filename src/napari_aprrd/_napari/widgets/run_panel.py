"""What a running job shows and hears: bar, numbers, notes, loss curve, pause, stop, cancel."""

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

    idle = Signal(bool)  # True when a job has ended, however; False when one has begun
    closed = Signal()  # a moment later: what was interrupted is kept

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run: Run | None = None
        self.preview: LivePreview
        self.bar, self.text, self.plot = QProgressBar(), QLabel(), LossPlot()
        self.notes = QLabel()
        for label in (self.text, self.notes):
            label.setWordWrap(True)
        self.pause = _button("Pause", "Stand still, to leave the machine to other work.")
        self.stop = _button("Stop and keep", "End now and keep the model as it is.")
        self.cancel = _button("Cancel", "End now without a model. Resume goes on from here.")
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
        """Run a job and show how it goes."""
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
        self._last = self.run  # a cancelled run still has to close its job
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
        """Show a note until the run ends; napari's own box fades, and cuts long ones off."""
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
        self.pause.setText("Go on" if self.run.paused else "Pause")

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
