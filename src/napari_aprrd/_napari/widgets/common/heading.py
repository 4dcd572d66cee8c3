"""Headings of a dock's sections, with a "?" that opens the page of the docs."""

from __future__ import annotations

from importlib.metadata import metadata

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget


class Heading(QWidget):
    """A section's title, and a button for help at the right.

    Parameters
    ----------
    text : str
    page : str
        Of the docs: "trust/", or "tutorials/time-lapse/#axes".
    """

    def __init__(self, text: str, page: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.url = docs_url(page)
        self.label = QLabel(f"<b>{text}</b>")
        self.help = QToolButton()
        self.help.setText("?")
        self.help.setToolTip(f"Open {self.url} in the browser.")
        self.help.setAccessibleName(f"Help on {text}")
        self.help.clicked.connect(self._on_help)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.help)

    def _on_help(self) -> None:
        QDesktopServices.openUrl(QUrl(self.url))


def docs_url(page: str) -> str:
    """Address of a page of the docs, as the package names them."""
    links = metadata("napari-aprrd").get_all("Project-URL") or []
    named = dict(link.split(", ", 1) for link in links)
    return named["Documentation"] + page
