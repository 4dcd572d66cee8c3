"""The session's models: choose, save, load, rename, delete."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...core.errors import UserError
from ..preferences import model_folder
from ..session import session

FILTER = "Models (*.aprrd)"


class ModelList(QWidget):
    """Chooser of the session's models, with buttons to save, load, rename and delete."""

    def __init__(self, *, teachers_only: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.teachers_only = teachers_only
        self.chooser = QComboBox()
        self.chooser.setToolTip("Models of this session. A model that is not saved ends with it.")
        layout, buttons = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.chooser)
        layout.addLayout(buttons)
        self.buttons = {}
        for text, tip, slot in (
            ("Save…", "Write the model to a file.", self._on_save),
            ("Load…", "Read a model from a file.", self._on_load),
            ("Rename…", "Give the model another name.", self._on_rename),
            ("Delete", "Forget the model; its file stays.", self._on_delete),
        ):
            self.buttons[text] = button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(slot)
            buttons.addWidget(button)
        session.changed.connect(self.refresh)
        self.destroyed.connect(lambda: session.changed.disconnect(self.refresh, missing_ok=True))
        self.refresh()

    @property
    def name(self) -> str:
        """The chosen model's name; empty if there is none."""
        return self.chooser.currentText()

    def choose(self, name: str) -> None:
        """Choose a model by name."""
        self.chooser.setCurrentText(name)

    def refresh(self) -> None:
        """Follow the session's models."""
        names = session.teachers() if self.teachers_only else list(session)
        chosen = self.name
        self.chooser.blockSignals(True)
        self.chooser.clear()
        self.chooser.addItems(names)
        self.chooser.setCurrentText(chosen if chosen in names else (names or [""])[-1])
        self.chooser.blockSignals(False)
        self.chooser.currentTextChanged.emit(self.name)
        for text, button in self.buttons.items():
            button.setEnabled(bool(names) or text == "Load…")

    def _on_save(self) -> None:
        start = str(model_folder() / f"{self.name}.aprrd")
        path, _ = QFileDialog.getSaveFileName(self, "Save model", start, FILTER)
        if path:
            target = Path(path)
            if target.suffix.lower() != ".aprrd":  # "cells.v2" becomes "cells.v2.aprrd"
                target = target.with_name(f"{target.name}.aprrd")
            try:
                if str(target) != path and target.exists():  # the dialog asked about another name
                    raise UserError(f"{target.name} is there already; choose it to replace it.")
                session[self.name].save(target)
            except UserError as error:
                show_error(str(error))
            else:
                show_info(f"Saved {target.name}.")

    def _on_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load model", str(model_folder()), FILTER)
        if path:
            try:
                self.choose(session.load(Path(path)))
            except UserError as error:
                show_error(str(error))

    def _on_rename(self) -> None:
        new, ok = QInputDialog.getText(self, "Rename model", "Name:", text=self.name)
        if ok:
            self.choose(session.rename(self.name, new.strip()))

    def _on_delete(self) -> None:
        session.remove(self.name)
