"""Display and control of a running job: bar, what it does, pause, finish, cancel; details."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ....core.jobs import BAR, Progress
from ...layers.preview import LivePreview
from ...work.at_work import at_work
from ...work.previews import Preview, with_preview
from ...work.workers import Run
from ..common.folded import Folded
from ..common.words import describe, numbers
from ..plots.loss_plot import LossPlot


class RunPanel(QWidget):
    """Runs one job at a time."""

    idle = Signal(bool)  # True when a job has ended for whatever reason, False when one starts
    failed = Signal(str)  # the sentence on what went wrong; `idle` follows
    closed = Signal()  # emitted a moment later, when an interrupted job has written its checkpoint

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run: Run | None = None
        self.preview: LivePreview
        self.bar, self.text, self.plot = QProgressBar(), _label(), LossPlot()
        self.away, self.warning = _label(), _label()
        self.numbers, self.notes = _label(), _label()
        self.pause = _button("Pause", "Pause to free the computer for other work.")
        self.stop = _button("Finish now", "End the learning now and keep what is learnt so far.")
        self.cancel = _button("Cancel", "End now without a result.")
        self.pause.clicked.connect(self._on_pause)
        self.stop.clicked.connect(self._on_stop)
        self.cancel.clicked.connect(self._on_cancel)
        self._arrange()
        self.setVisible(False)

    def _arrange(self) -> None:
        buttons, details = QHBoxLayout(), QWidget()
        for button in (self.pause, self.stop, self.cancel):
            buttons.addWidget(button)
        inside = QVBoxLayout(details)
        inside.setContentsMargins(0, 0, 0, 0)
        for widget in (self.numbers, self.plot, self.notes):
            inside.addWidget(widget)
        tip = "Steps, loss and the settings that were chosen."
        self.details = Folded("Details", details, tip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar)
        for label in (self.text, self.away, self.warning):
            layout.addWidget(label)
        layout.addLayout(buttons)
        layout.addWidget(self.details)

    def start(
        self,
        job: Generator[Any, Any, Any],
        title: str,
        on_result: Callable[[Any], None],
        preview: LivePreview,
        *,
        learns: bool = True,
    ) -> None:
        """Run a job and show its progress; one that learns can be finished early."""
        self.stop.setVisible(learns)
        self.preview = preview
        self.plot.clear()
        self.bar.setRange(0, 0)
        self.text.setText("Starting…")
        for label in (self.warning, self.numbers, self.notes):
            label.clear()
        for label in (self.away, self.warning):
            label.hide()
        self.pause.setText("Pause")
        for button in (self.pause, self.stop, self.cancel):
            button.setEnabled(True)
        self.setVisible(True)
        self._title = title
        at_work.begin(title)
        self.run = Run(
            with_preview(job, preview.view),
            title,
            on_report=self._on_report,
            on_result=on_result,
            on_end=self._on_end,
            on_closed=self.closed.emit,
            on_error=self.failed.emit,
        )
        self._last = self.run  # keeps a cancelled run alive until it has closed its job
        self.destroyed.connect(self.run.abandon)
        self.destroyed.connect(preview.close)
        self.destroyed.connect(lambda: at_work.end(title))
        self.idle.emit(False)

    def _on_report(self, report: Progress | Preview) -> None:
        if isinstance(report, Preview):
            self.preview.show(report)
            return
        self.bar.setRange(0, BAR)
        self.bar.setValue(round(BAR * report.fraction))
        self.plot.add(report)
        self.numbers.setText(numbers(report))
        if self.run is None or not self.run.paused:  # what was on its way when it was paused
            self.text.setText(describe(report))
        self.away.setText(self.preview.about)
        self.away.setVisible(bool(self.preview.about))
        if report.note:
            self._note(report.note, self.notes if report.expert else self.warning)

    def _note(self, note: str, label: QLabel) -> None:
        label.setText("\n".join(filter(None, (label.text(), note))))
        label.show()

    def _on_pause(self) -> None:
        if self.run is None:
            return
        if self.run.paused:
            self.run.resume()
        else:
            self.run.pause()
        self.pause.setText("Continue" if self.run.paused else "Pause")
        if self.run.paused:
            self.text.setText("Paused.")

    def _on_stop(self) -> None:
        if self.run is not None:
            self.text.setText("Finishing…")
            self.stop.setEnabled(False)
            self.pause.setEnabled(False)
            self.run.stop()

    def _on_cancel(self) -> None:
        if self.run is not None:
            self.run.cancel()

    def _on_end(self) -> None:
        self.run = None
        at_work.end(self._title)
        self.preview.close()
        self.setVisible(False)
        self.idle.emit(True)


def _label() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
