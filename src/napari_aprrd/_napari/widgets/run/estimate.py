"""Estimate of the time and the device of a job, before it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QLabel, QWidget

from ....core.errors import UserError
from ...work.workers import Failure
from ..common.latest import Latest
from ..common.words import duration

LONG = 6 * 3600.0  # seconds, above which hardly anyone wants to wait; chosen, not measured
_TOO_LONG = " That is long: choose a quicker quality, or a computer with a GPU."
Trial = Callable[[], tuple[str, float]]


class Estimate(QLabel):
    """Line of text that runs a trial in the background, a moment after the last change."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self._latest = Latest(self._on_done, self)

    def of(self, make_trial: Callable[[], Trial]) -> None:
        """Show a trial's device and seconds, or why there can be none."""
        try:
            trial = make_trial()
        except UserError as error:
            self.say(str(error))
            return
        self.setText("Estimating the time…")
        self._latest.do(trial)

    def say(self, text: str) -> None:
        """Show a text instead."""
        self._latest.drop()
        self.setText(text)

    def _on_done(self, result: Any) -> None:
        if isinstance(result, Failure):
            self.setText(str(result.error))
        else:
            device, seconds = result
            advice = _TOO_LONG if seconds > LONG else ""
            self.setText(f"{device}. About {duration(seconds)}.{advice}")
