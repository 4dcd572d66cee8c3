"""Offer to resume an interrupted run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from ...core.data.planes import Planes
from ...core.errors import UserError
from ..workers import Failure, Task


class ResumeOffer(QWidget):
    """Button that is shown if a run on the chosen layers was interrupted."""

    accepted = Signal()

    def __init__(self, job: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._task: Task | None = None
        self._wanted: Callable[[], Planes] | None = None
        self.found: Any = None
        self.button, self.text = QPushButton("Resume"), QLabel()
        self.button.clicked.connect(self.accepted)
        self.text.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.text)
        self.withdraw()

    def search(self, planes: Callable[[], Planes]) -> None:
        """Make an offer, or none, for the layers that are chosen now."""
        from .. import unfinished

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
        from .. import unfinished

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
        from .. import unfinished

        path, about = self.found
        when = time.strftime("%d %B, %H:%M", time.localtime(path.stat().st_mtime))
        steps = about.numbers["step"]
        done = f"{steps} steps ({about.percent} %), {when}."
        self.text.setText(
            f"Finished but not saved: {done}"
            if about.percent == 100
            else f"Interrupted after {done}"
        )
        megabytes = unfinished.used_bytes() / 1e6
        self.button.setToolTip(
            "Resume the interrupted run on these layers, with its settings.\n"
            f"It is kept in {path.parent} ({megabytes:.1f} MB in all; at most "
            f"{unfinished.MOST} runs for {unfinished.MOST_DAYS} days)."
        )
        self.setVisible(True)
