"""Choice of files: a line, buttons, drag and drop; what it names is looked up in the background."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...preferences import remember, remembered
from ...work.file_order import found
from ...work.workers import Failure
from ..common.latest import Latest
from .breakable import breakable

SEPARATOR = ";"  # between several names in the line
_LAST = "input_folder"


class FileInputs(QWidget):
    """The files to denoise.

    Attributes
    ----------
    changed : Signal
        Emitted when other files were found, or none.
    names : tuple of str
        Files, folders and patterns as they were given.
    paths : list of Path
        The files that they name.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names: tuple[str, ...] = ()
        self.paths: list[Path] = []
        self.line, self.said = QLineEdit(), QLabel()
        self.line.setPlaceholderText("Folder, files or *.tif; or drop them here")
        self.line.setToolTip("A folder, files, or a pattern such as cells_*.tif; several with ;")
        self.line.setMinimumWidth(80)
        self.line.editingFinished.connect(self._on_edited)
        self.said.setWordWrap(True)
        self.folder, self.files = QPushButton("Folder…"), QPushButton("Files…")
        self.folder.setToolTip("Denoise all images of a folder.")
        self.files.setToolTip("Denoise these files.")
        self.folder.clicked.connect(self._on_folder)
        self.files.clicked.connect(self._on_files)
        self.setAcceptDrops(True)
        self.line.setAcceptDrops(False)  # else a file that is dropped becomes text
        self._latest = Latest(self._on_found, self)
        layout, row = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (self.folder, self.files):
            row.addWidget(button)
        layout.addWidget(self.line)
        layout.addLayout(row)
        layout.addWidget(self.said)

    def choose(self, names: list[str]) -> None:
        """Take these names instead of those before."""
        self.names, self.paths = tuple(names), []
        self.line.setText(f"{SEPARATOR} ".join(names))
        if names:
            self.said.setText("Looking…")
            self._latest.do(partial(found, self.names))
        else:
            self.said.clear()
            self._latest.drop()
        self.changed.emit()

    def dragEnterEvent(self, event: Any) -> None:  # noqa: N802
        """Accept files."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:  # noqa: N802
        """Take the files that are dropped."""
        dropped = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if dropped:
            event.acceptProposedAction()
            self.choose(dropped)

    def _on_edited(self) -> None:
        text = self.line.text()
        if text != f"{SEPARATOR} ".join(self.names):
            self.choose([name.strip() for name in text.split(SEPARATOR) if name.strip()])

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.window(), "Folder to denoise", _last())
        if folder:
            remember(_LAST, folder)
            self.choose([folder])

    def _on_files(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self.window(), "Files to denoise", _last())
        if files:
            remember(_LAST, str(Path(files[0]).parent))
            self.choose(files)

    def _on_found(self, result: Any) -> None:
        if isinstance(result, Failure):
            self.said.setText(breakable(str(result.error)))
            return
        self.paths, left_out = result
        count = len(self.paths)
        said = f"{count} file{'s' * (count != 1)}. {left_out}"
        self.said.setText(breakable(said.rstrip()))
        self.changed.emit()


def _last() -> str:
    """The folder that the dialogs open in."""
    return str(remembered(_LAST, str(Path.home())))
