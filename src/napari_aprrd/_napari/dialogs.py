"""Questions and dialogs for files: in napari's colours, above its window, in the last folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QInputDialog,
    QMainWindow,
    QMessageBox,
    QWidget,
)

from .preferences import remember, remembered

MODELS = "Models (*.aprrd)"


def ask(parent: Any, title: str, text: str, buttons: list[str], default: int = 0) -> str:
    """Ask a question; return the text of the button that was pressed, "" for a cancel.

    Parameters
    ----------
    parent : QWidget or viewer
        Whose window the dialog belongs to.
    title, text : str
    buttons : list of str
        Answers; a button "Cancel" follows them, and is not one of them.
    default : int
        Index of the answer that the enter key gives.
    """
    box = QMessageBox(parent_of(parent))
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setText(text)
    answers = [button for button in buttons if button != "Cancel"]
    made = {box.addButton(a, QMessageBox.ButtonRole.AcceptRole): a for a in answers}
    box.setEscapeButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.setDefaultButton(list(made)[default])
    box.exec()
    answer = made.get(box.clickedButton(), "")
    box.deleteLater()
    return answer


def ask_text(parent: Any, title: str, label: str, text: str) -> str:
    """Ask for a text; return it without spaces around it, "" for a cancel."""
    new, ok = QInputDialog.getText(parent_of(parent), title, label, text=text)
    return new.strip() if ok else ""


def open_file(parent: Any, title: str, kinds: str = MODELS) -> Path | None:
    """Ask for a file to read; None for a cancel."""
    path, _ = QFileDialog.getOpenFileName(parent_of(parent), title, str(_folder(kinds)), kinds)
    return _chosen(path, kinds)


def save_file(parent: Any, title: str, name: str, kinds: str = MODELS) -> Path | None:
    """Ask for a file to write, which the dialog lets nobody replace unasked; None for a cancel."""
    start = str(_folder(kinds) / name)
    path, _ = QFileDialog.getSaveFileName(parent_of(parent), title, start, kinds)
    return _chosen(path, kinds)


def open_folder(parent: Any, title: str, kinds: str) -> Path | None:
    """Ask for a folder, of things of a kind; None for a cancel."""
    path = QFileDialog.getExistingDirectory(parent_of(parent), title, str(_folder(kinds)))
    if path:
        remember(_key(kinds), path)
    return Path(path) if path else None


def parent_of(owner: Any) -> QWidget | None:
    """The window that a dialog belongs to, whose colours it takes."""
    if isinstance(owner, QWidget):
        return owner.window()
    menu = getattr(getattr(owner, "window", None), "main_menu", None)
    if menu is not None:
        return menu.window()
    windows = [QApplication.activeWindow(), *QApplication.topLevelWidgets()]
    return next((w for w in windows if isinstance(w, QMainWindow) and w.isVisible()), None)


def _folder(kinds: str) -> Path:
    """The last folder of such files, as long as it is there; at first the user's home."""
    last = Path(remembered(_key(kinds), ""))
    return last if last.name and last.is_dir() else Path.home()


def _chosen(path: str, kinds: str) -> Path | None:
    if not path:
        return None
    remember(_key(kinds), str(Path(path).parent))
    return Path(path)


def _key(kinds: str) -> str:
    return f"folder of {kinds}"
