"""The widget "Denoise files": many files, one after the other, with the command line's engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton

from ...core.errors import UserError
from ...core.jobs import BAR
from ..docks import settle
from ..layers.source import learn_axes, learn_sizes
from ..models.session import session
from ..work.at_work import at_work
from ..work.file_order import Done, fulfil
from ..work.workers import Run
from .common.heading import Heading
from .common.scrolled import Scrolled
from .common.words import describe
from .files.breakable import breakable
from .files.inputs import FileInputs
from .files.options import FileOptions
from .files.table import FileTable

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.jobs import Job
    from ...files.batch import FileProgress

TITLE = "Denoise files"
_START = "Denoise the files, or go on where it was stopped."


class DenoiseFilesWidget(Scrolled):
    """Denoise the images of a folder, or some files."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.run: Run | None = None
        self._name = ""  # of the model that learns from the files
        self.inputs, self.options, self.files = FileInputs(), FileOptions(), FileTable()
        self.bar, self.text = QProgressBar(), QLabel()
        self.text.setWordWrap(True)
        self.start = _button("Start", _START)
        self.pause = _button("Pause", "Pause to free the computer for other work.")
        self.stop = _button("Stop", "Stop, and keep what is done: Start goes on from there.")
        self.open = _button("Open result", "Open the denoised image of the file chosen above.")
        self._arrange()
        self._connect()
        self._enable()

    def _arrange(self) -> None:
        work = QHBoxLayout()
        for button in (self.start, self.pause, self.stop):
            work.addWidget(button)
        self.content.addWidget(Heading("Files to denoise", "files/#many-files-from-napari"))
        for widget in (self.inputs, self.options):
            self.content.addWidget(widget)
        self.content.addLayout(work)
        for widget in (self.bar, self.text, self.files, self.open):
            self.content.addWidget(widget)
        self.content.addStretch()
        self.bar.hide()
        self.bar.setRange(0, BAR)

    def _connect(self) -> None:
        settle(self, TITLE, lambda: self.run is not None)
        self.inputs.changed.connect(self._on_files)
        self.options.changed.connect(self._enable)
        self.files.chosen.connect(self._enable)
        self.start.clicked.connect(self.begin)
        self.pause.clicked.connect(self._on_pause)
        self.stop.clicked.connect(self._on_stop)
        self.open.clicked.connect(self._on_open)
        at_work.changed.connect(self._enable)
        self.destroyed.connect(lambda: at_work.changed.disconnect(self._enable, missing_ok=True))

    def _on_files(self) -> None:
        self.files.show_files(self.inputs.paths)
        self.options.suggest_folder(self.inputs.paths)
        self.text.clear()
        self._enable()

    def _enable(self) -> None:
        running = self.run is not None
        self.start.setEnabled(bool(self.inputs.paths) and not at_work.title)
        self.start.setToolTip(at_work.reason or _START)
        for button in (self.pause, self.stop):
            button.setEnabled(running)
        for widget in (self.inputs, self.options):
            widget.setEnabled(not running)
        self.open.setEnabled(self._result() is not None)

    def begin(self, *_: object) -> None:
        """Start, or go on where it was stopped."""
        try:
            order = self.options.order(self.inputs.paths)
        except UserError as error:
            self.text.setText(str(error))
            return
        self._name = self.inputs.paths[0].absolute().parent.name
        self.files.show_files(self.inputs.paths)
        self.text.setText("Starting…")
        self.bar.setValue(0)
        self.bar.show()
        at_work.begin(TITLE)
        self.run = Run(
            _told_here(fulfil(order)),
            TITLE,
            on_report=self._on_report,
            on_result=self._on_result,
            on_end=self._on_end,
        )
        self.destroyed.connect(self.run.abandon)
        self.destroyed.connect(lambda: at_work.end(TITLE))
        self._enable()

    def _on_report(self, report: FileProgress) -> None:
        self.bar.setValue(round(BAR * report.fraction))
        self.files.show_report(report)
        if self.run is not None and self.run.paused:
            return
        number = 1 + self.inputs.paths.index(report.path)
        place = f"File {number} of {len(self.inputs.paths)}. "
        self.text.setText(f"{place}{describe(report)}")

    def _on_result(self, done: Done) -> None:
        if done.learnt is not None:
            count = len(self.inputs.paths)
            images = f"{count} file{'s' * (count != 1)} of {self._name}"
            session.add(self._name, done.learnt, images=images)
        self.text.setText(breakable(done.wrong) or _summary(done))

    def _on_end(self) -> None:
        self.run = None
        at_work.end(TITLE)
        self.bar.hide()
        self.pause.setText("Pause")
        if self.text.text() in ("Starting…", "Stopping…"):  # it was cancelled in the activity dock
            self.text.setText("Stopped. What is done is kept: Start goes on.")
        self._enable()

    def _on_pause(self) -> None:
        if self.run is None:
            return
        if self.run.paused:
            self.run.resume()
            self.text.setText("Going on…")
        else:
            self.run.pause()
            self.text.setText("Paused.")
        self.pause.setText("Continue" if self.run.paused else "Pause")

    def _on_stop(self) -> None:
        if self.run is not None:
            self.text.setText("Stopping…")
            self.pause.setEnabled(False)
            self.stop.setEnabled(False)
            self.run.stop()

    def _result(self) -> Any:
        """The output of the file that is chosen, or else of the one that was done last."""
        there = [r for r in self.files.results.values() if r.status in ("done", "skipped")]
        chosen = self.files.chosen_path()
        if chosen is not None:
            there = [result for result in there if result.input == chosen]
        return there[-1].output if there else None

    def _on_open(self) -> None:
        """Open an output with the reader that napari has for it."""
        path = self._result()
        try:
            layers = self.viewer.open(str(path), plugin=None)
        except Exception as error:  # readers raise what they like
            self.text.setText(breakable(f"napari cannot open {path}: {error}"))
            return
        for layer in layers:
            learn_axes(layer)
            learn_sizes(layer)
        if len(layers) == len(self.viewer.layers):
            self.viewer.reset_view()  # napari fitted it before the sizes were known


def _told_here(job: Job[Done]) -> Job[Done]:
    """Pass on a job's reports; what is wrong with the order is for the widget to show."""
    try:
        return (yield from job)
    except UserError as error:
        return Done([], wrong=str(error))


def _summary(done: Done) -> str:
    """One sentence on what became of the files."""
    counts = dict.fromkeys(("done", "skipped", "failed"), 0)
    for result in done.results:
        counts[result.status] = counts.get(result.status, 0) + 1
    parts = [f"{counts['done']} denoised"]
    parts += [f"{counts['skipped']} were there already"] if counts["skipped"] else []
    parts += [f"{counts['failed']} failed"] if counts["failed"] else []
    said = f"{', '.join(parts)}."
    return f"Stopped. {said} What is done is kept: Start goes on." if done.stopped else said


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
