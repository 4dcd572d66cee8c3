"""Offer to resume an interrupted run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ....core.data.planes import Planes
from ....core.errors import UserError
from ...models.store import modified
from ...work.workers import Failure, Task


class ResumeOffer(QWidget):
    """Buttons that are shown if a run on the chosen layers was interrupted."""

    accepted = Signal()

    def __init__(self, job: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._task: Task | None = None
        self._wanted: Callable[[], Planes] | None = None
        self.found: Any = None
        self.button, self.discard = QPushButton("Resume"), QPushButton("Discard…")
        self.button.setToolTip("Go on with the interrupted run on these layers.")
        self.discard.setToolTip("Delete the interrupted run.")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.button.clicked.connect(self.accepted)
        self.discard.clicked.connect(self._on_discard)
        layout, row = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.button)
        row.addWidget(self.discard)
        layout.addWidget(self.text)
        layout.addLayout(row)
        self.withdraw()

    def search(self, planes: Callable[[], Planes]) -> None:
        """Make an offer, or none, for the layers that are chosen now."""
        from ...work import unfinished

        self.withdraw()
        if not unfinished.folder().is_dir():
            return
        self._wanted = planes
        self._search()

    def withdraw(self) -> None:
        """Make no offer."""
        self.found = self._wanted = None
        self.setVisible(False)

    def _search(self) -> None:
        """Search in the background, because a lazy source must be read. One search at a time."""
        from ...work import unfinished

        if self._task is not None or self._wanted is None:
            return
        try:
            planes = self._wanted()
        except UserError:  # no layer is chosen
            return
        job, asked = self._job, self._wanted
        self._task = Task(
            lambda: unfinished.find(job, planes),
            lambda found: self._on_found(asked, found),
            owner=self,
        )

    def _on_found(self, asked: Callable[[], Planes], found: Any) -> None:
        self._task = None
        if asked is not self._wanted:
            self._search()  # other layers were chosen meanwhile
        elif found is not None and not isinstance(found, Failure):
            self.found = found
            self._show()

    def _show(self) -> None:
        from ...work import unfinished

        path, _ = self.found
        self.text.setText(f"Interrupted after {self._done()}.")
        megabytes = unfinished.used_bytes() / 1e6
        self.button.setToolTip(
            "Go on with the interrupted run on these layers, with its settings.\n"
            f"It is kept in {path.parent} ({megabytes:.1f} MB in all; at most "
            f"{unfinished.MOST} runs for {unfinished.MOST_DAYS} days)."
        )
        self.setVisible(True)

    def _done(self) -> str:
        path, about = self.found
        when = time.strftime("%d %B, %H:%M", time.localtime(modified(path)))
        steps = about.numbers["step"]
        return f"{steps} step{'s' * (steps != 1)} ({about.percent} %), {when}"

    def _on_discard(self) -> None:
        from ... import dialogs
        from ...work import unfinished

        text = f"Delete what was learnt in {self._done()}?"
        if dialogs.ask(self, "Discard the interrupted run", text, ["Discard"]) == "Discard":
            unfinished.forget(self.found.path)
            wanted = self._wanted
            if wanted is not None:  # there may be an older one
                self.search(wanted)
