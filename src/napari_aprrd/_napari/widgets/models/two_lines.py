"""Rows of a list in two lines: a name, and below it, smaller and paler, what there is to know."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QRect, QSize, Qt
from qtpy.QtGui import QFont, QFontMetrics, QPainter, QPalette
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

DETAIL = Qt.ItemDataRole.UserRole  # of an item: the text of its second line
SMALLER, PALER = 0.85, 0.65  # size and opacity of the second line; chosen, not measured
MARGIN = 3  # pixels


class TwoLines(QStyledItemDelegate):
    """Draws an item's text and, below it, its `DETAIL`; both are cut with dots where they must."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Any) -> QSize:  # noqa: N802  Qt's name
        """As high as two lines; the width is the list's."""
        return QSize(0, row_height(option.font))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Any) -> None:
        """Draw the background as the style does, then the two lines."""
        self.initStyleOption(option, index)
        option.text = ""
        style = option.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        area = option.rect.adjusted(2 * MARGIN, MARGIN, -2 * MARGIN, -MARGIN)
        painter.save()
        painter.setPen(option.palette.color(QPalette.ColorRole.Text))
        height = QFontMetrics(option.font).height()
        _draw(painter, QRect(area.x(), area.y(), area.width(), height), option.font, index.data())
        area.setTop(area.y() + height)
        painter.setOpacity(PALER)
        _draw(painter, area, _small(option.font), index.data(DETAIL) or "")
        painter.restore()


def row_height(font: QFont) -> int:
    """Height of a row in pixels."""
    lines = QFontMetrics(font).height() + QFontMetrics(_small(font)).height()
    return int(lines + 2 * MARGIN)


def _small(font: QFont) -> QFont:
    small = QFont(font)
    if font.pixelSize() > 0:  # as a style sheet may give it
        small.setPixelSize(max(1, round(font.pixelSize() * SMALLER)))
    else:
        small.setPointSizeF(font.pointSizeF() * SMALLER)
    return small


def _draw(painter: QPainter, area: QRect, font: QFont, text: str) -> None:
    painter.setFont(font)
    fitting = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, area.width())
    painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, fitting)
