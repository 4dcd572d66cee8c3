"""The button that starts a training, and why it cannot be pressed."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from ...work.at_work import at_work


class StartButton(QWidget):
    """A large button; below it what must be done first, and what went wrong the last time.

    Parameters
    ----------
    text, tip : str
        Of the button.
    """

    def __init__(self, text: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reason = ""
        self.button = QPushButton(text)
        self.button.setToolTip(tip)
        self.button.setMinimumHeight(32)
        self.clicked = self.button.clicked
        self.reason, self.error = QLabel(), QLabel()
        for label in (self.reason, self.error):
            label.setWordWrap(True)
        self.button.clicked.connect(self.error.hide)
        self.error.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.reason)
        layout.addWidget(self.error)
        at_work.changed.connect(self._update)
        self.destroyed.connect(lambda: at_work.changed.disconnect(self._update, missing_ok=True))
        self._update()

    def allow(self, reason: str = "") -> None:
        """Enable the button, or say what must be done first."""
        self._reason = reason
        self._update()

    def fail(self, sentence: str) -> None:
        """Say what went wrong, until the next start."""
        self.error.setText(sentence)
        self.error.show()

    def click(self) -> None:
        """Press the button, as the user does."""
        self.button.click()

    def _update(self) -> None:
        reason = at_work.reason or self._reason
        self.button.setEnabled(not reason)
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
