"""What only some want to see, under a line that unfolds it."""

from __future__ import annotations

from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible


def folded(title: str, content: QWidget, tip: str) -> QCollapsible:
    """Fold a widget away under a line with a title."""
    fold = QCollapsible(title)
    button = fold.toggleButton()
    button.setToolTip(tip)
    palette = button.palette()
    palette.setColor(QPalette.ColorRole.WindowText, QColor("gray"))  # visible in both themes
    button.setPalette(palette)
    fold.setCollapsedIcon("▶")
    fold.setExpandedIcon("▼")
    fold.layout().setContentsMargins(0, 0, 0, 0)
    fold.addWidget(content)
    content.setEnabled(False)  # while it is folded, the tab key skips it
    fold.toggled.connect(content.setEnabled)
    return fold
