"""A dock's content in a scroll area."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

WIDTH = 300  # pixels: the width at which docks open, and at which everything must be readable


class Scrolled(QWidget):
    """A widget whose content scrolls, so that no dock makes napari's window larger than the screen.

    Attributes
    ----------
    content : QVBoxLayout
        Add the parts here.
    """

    def __init__(self) -> None:
        super().__init__()
        inner = QWidget()
        self.content = QVBoxLayout(inner)
        self.content.setContentsMargins(6, 4, 6, 4)
        self.area = QScrollArea()
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(inner)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.area)
        inner.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """Tell the dock when the content needs another width, which a scroll area does not."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return False

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """The width of a dock; the height is what the window has left."""
        return QSize(WIDTH, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As wide as the content needs, and hardly any height."""
        bar = self.area.verticalScrollBar().sizeHint().width()
        return QSize(self.area.widget().minimumSizeHint().width() + bar, 80)
