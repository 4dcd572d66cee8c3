"""The table of files: what is done, what failed and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ..common.words import STAGES, duration
from .breakable import breakable

if TYPE_CHECKING:
    from ....files.batch import FileProgress, Result

COLUMNS = ("File", "State", "Time")
HEIGHT = 150  # pixels: some rows; the list scrolls
MOST = 3  # sentences on failures that are shown at once
_STATES = {"done": "done", "skipped": "was there", "failed": "failed", "interrupted": "stopped"}


class FileTable(QWidget):
    """One row for each file, and below it the sentences on those that failed.

    Attributes
    ----------
    chosen : Signal
        Emitted when another row is chosen.
    """

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.results: dict[Path, Result] = {}
        self._rows: dict[Path, int] = {}
        self._notes: dict[Path, str] = {}
        self.table, self.messages = QTableWidget(0, len(COLUMNS)), QLabel()
        self.messages.setWordWrap(True)
        self.messages.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._arrange()
        self.table.itemSelectionChanged.connect(self._on_chosen)

    def _arrange(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels(COLUMNS)
        table.verticalHeader().hide()
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.setToolTip("Choose a file to read what there is to say about it, or to open it.")
        header = table.horizontalHeader()
        header.setMinimumSectionSize(40)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        table.setFixedHeight(HEIGHT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(table)
        layout.addWidget(self.messages)

    def show_files(self, paths: Sequence[Path]) -> None:
        """List other files, of which nothing is done."""
        self.results.clear()
        self._notes.clear()
        self._rows = {path: row for row, path in enumerate(paths)}
        self.table.setRowCount(len(paths))
        for path, row in self._rows.items():
            for column, text in enumerate((path.name, "waiting", "")):
                self.table.setItem(row, column, QTableWidgetItem(text))
            self.table.item(row, 0).setToolTip(str(path))
        self.messages.clear()

    def show_report(self, report: FileProgress) -> None:
        """Show how far a file is, or what became of it."""
        row = self._rows.get(report.path)
        if row is None:  # the folder has changed meanwhile
            return
        if report.note:
            said = self._notes.get(report.path, "")
            self._notes[report.path] = f"{said} {report.note}".strip()
        if report.result is None:
            stage = STAGES.get(report.stage, report.stage)
            self._say(row, f"{100 * report.share:.0f} %", "", stage)
            return
        self.results[report.path] = result = report.result
        seconds = duration(result.seconds) if result.status == "done" else ""
        self._say(row, _STATES[result.status], seconds, self.message(report.path))
        self._on_chosen()

    def message(self, path: Path) -> str:
        """What there is to say about a file, by its name; empty if there is nothing."""
        result = self.results.get(path)
        own = result.message if result is not None else ""
        said = " ".join(filter(None, (own, self._notes.get(path, "")))).replace(
            str(path), path.name
        )
        return said if path.name in said or not said else f"{path.name}: {said}"

    def chosen_path(self) -> Path | None:
        """The file of the row that is chosen."""
        row = self.table.currentRow() if self.table.selectedItems() else -1
        return next((path for path, at in self._rows.items() if at == row), None)

    def _say(self, row: int, state: str, seconds: str, tip: str) -> None:
        for column, text in ((1, state), (2, seconds)):
            item = self.table.item(row, column)
            item.setText(text)
            item.setToolTip(tip)

    def _on_chosen(self) -> None:
        """Show what there is to say about the chosen file, else about those that failed."""
        chosen = self.chosen_path()
        if chosen is not None:
            self.messages.setText(breakable(self.message(chosen)))
        else:
            failed = [r for r in self.results.values() if r.status == "failed"]
            lines = [self.message(result.input) for result in failed[:MOST]]
            more = len(failed) - MOST
            lines += [f"{more} more failed; choose a file to read why."] if more > 0 else []
            self.messages.setText(breakable("\n".join(lines)))
        self.chosen.emit()
