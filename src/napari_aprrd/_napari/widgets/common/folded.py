"""What only some want to see, under a line that unfolds it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget


class Folded(QWidget):
    """A widget that is hidden under a line with a title.

    Its height follows its content, also where that grows while it is shown.

    Parameters
    ----------
    title : str
    content : QWidget
    tip : str
        Of the line.
    """

    def __init__(self, title: str, content: QWidget, tip: str) -> None:
        super().__init__()
        self.content, self.line = content, QToolButton()
        self.line.setText(title)
        self.line.setToolTip(tip)
        self.line.setCheckable(True)
        self.line.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.line.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.line.toggled.connect(self.unfold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.line)
        layout.addWidget(content)
        self.unfold(False)

    def unfold(self, shown: bool = True) -> None:
        """Show or hide the content."""
        self.line.setChecked(shown)
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.line.setArrowType(arrow)
        self.content.setVisible(shown)
