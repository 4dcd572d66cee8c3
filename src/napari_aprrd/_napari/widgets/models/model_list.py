"""The session's models: choose, save, load, rename, export, delete."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ...models import store as model_store
from ...models import words as model_words
from ...models.loading import load_in_background
from ...models.session import session
from . import actions as model_actions
from .actions import told
from .two_lines import DETAIL, TwoLines, row_height

MOST_ROWS = 4  # that are seen at once
OF_THE_CHOSEN = ("Rename…", "Export for bioimage.io…", "Delete…")
EMPTY = "No model yet: train one, or load one."


class ModelList(QWidget):
    """The models, newest first, with buttons; the one that is selected is the one that is used.

    Parameters
    ----------
    parent : QWidget, optional

    Attributes
    ----------
    changed : Signal
        Emits the chosen model's name after any change of the models or of the choice.
    """

    changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.chooser = QListWidget()
        self.chooser.setItemDelegate(TwoLines(self.chooser))
        self.chooser.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.chooser.setToolTip("Models of this session. The selected one is used.")
        self.chooser.setAccessibleName("Models")
        self.buttons = {text: QPushButton(text) for text in ("Save…", "Load…", "More")}
        self.actions: dict[str, QAction] = {}
        self._shown: list[str] | None = None  # the names in the rows
        # Its rows belong together, however high the dock is.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._arrange()
        self._add_actions()
        self.chooser.currentRowChanged.connect(self._on_row)
        session.changed.connect(self.refresh)
        self.destroyed.connect(lambda: session.changed.disconnect(self.refresh, missing_ok=True))
        self.refresh()

    @property
    def name(self) -> str:
        """The chosen model's name; empty if there is none."""
        return session.chosen

    def choose(self, name: str) -> None:
        """Choose a model by name, here and in every other list."""
        session.choose(name)

    def save(self) -> None:
        """Ask for a file, and write the chosen model to it."""
        told(lambda: model_actions.save(self))

    def refresh(self) -> None:
        """Follow the session's models."""
        names = list(reversed(list(session)))
        self.chooser.blockSignals(True)
        if names != self._shown:  # a click on a row must not make all rows anew beneath it
            self._shown = names
            self.chooser.clear()
            self.chooser.addItems(names or [EMPTY])
        for row, name in enumerate(names):
            entry, item = session.entry(name), self.chooser.item(row)
            item.setData(DETAIL, model_words.short(entry))
            item.setToolTip(model_words.long(entry))
            if name == session.chosen:
                self.chooser.setCurrentRow(row)
        if not names:
            self.chooser.item(0).setFlags(Qt.ItemFlag.NoItemFlags)
        self.chooser.blockSignals(False)
        self._fit()
        self._enable()
        self.changed.emit(self.name)

    def _arrange(self) -> None:
        layout, row = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.chooser)
        layout.addLayout(row)
        tips = (
            "Write the selected model to a file.",
            "Read a model from a file, or one that was used lately.",
            "Rename, export or delete the selected model; where models are kept.",
        )
        for button, tip in zip(self.buttons.values(), tips, strict=True):
            button.setToolTip(tip)
            row.addWidget(button)
        self.buttons["Save…"].clicked.connect(self.save)

    def _add_actions(self) -> None:
        load, more = QMenu(self), QMenu(self)
        load.setToolTipsVisible(True)
        load.aboutToShow.connect(lambda: self._offer_recent(load))
        self._add(load, "From a file…", model_actions.load)
        self._add(more, "Rename…", model_actions.rename, "F2")
        self._add(more, "Export for bioimage.io…", model_actions.export)
        self._add(more, "Delete…", model_actions.delete, "Del")
        more.addSeparator()
        self._add(more, "Show folder of models", model_actions.show_folder)
        self._add(more, "Choose folder of models…", model_actions.choose_folder)
        self._add(more, "Delete autosaved models…", model_actions.delete_copies)
        self.buttons["Load…"].setMenu(load)
        self.buttons["More"].setMenu(more)
        self.chooser.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.chooser.addActions([self.actions[t] for t in OF_THE_CHOSEN])

    def _add(self, menu: QMenu, text: str, act: Callable[[QWidget], object], key: str = "") -> None:
        self.actions[text] = action = menu.addAction(text)
        if key:
            action.setShortcut(key)
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)  # while the list has focus
        action.triggered.connect(lambda: told(lambda: act(self)))

    def _fit(self) -> None:
        """As high as its rows, of which at most a few are seen at once."""
        rows = min(max(self.chooser.count(), 1), MOST_ROWS)
        frame = 2 * self.chooser.frameWidth()
        self.chooser.setFixedHeight(rows * row_height(self.chooser.font()) + frame)

    def _enable(self) -> None:
        """Offer only what can be done with the chosen model."""
        there = bool(self.name)
        self.buttons["Save…"].setEnabled(there)
        for text in OF_THE_CHOSEN:
            self.actions[text].setEnabled(there)
        if there and session[self.name].is_teacher:
            self.actions["Export for bioimage.io…"].setEnabled(False)

    def _on_row(self, row: int) -> None:
        item = self.chooser.item(row)
        if item is not None and session.chosen:
            session.choose(item.text())

    def _offer_recent(self, menu: QMenu) -> None:
        """Put the files that were used lately, and are not here already, below the first entry."""
        for action in menu.actions()[1:]:
            menu.removeAction(action)
            action.deleteLater()
        entries = [session.entry(name) for name in session]
        here = {path for e in entries for path in (e.path, e.kept)}
        paths = [path for path in model_store.recent() if path not in here]
        if paths:
            menu.addSeparator()
            menu.addAction("Recent").setEnabled(False)
        for path in paths:
            action = menu.addAction(model_words.of_file(path))
            action.setToolTip(str(path))
            action.triggered.connect(lambda _=False, path=path: load_in_background(path))
