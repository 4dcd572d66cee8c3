"""Lists of a viewer's image layers: one line for one layer, or several rows to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

FEWEST, MOST = 2, 5  # rows of a list of several layers


class OneLayer(QComboBox):
    """One line for one layer; nothing is chosen until someone chooses."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Any] = []
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setPlaceholderText("Open an image first")
        self.view().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.currentIndexChanged.connect(self._on_changed)

    @property
    def value(self) -> list[Any]:
        """The chosen layer in a list, which is empty if there is none."""
        index = self.currentIndex()
        return [self._layers[index]] if 0 <= index < len(self._layers) else []

    @value.setter
    def value(self, layers: Sequence[Any]) -> None:
        known = [layer for layer in layers if layer in self._layers]
        self.setCurrentIndex(self._layers.index(known[0]) if known else -1)

    def show_layers(self, layers: Sequence[Any]) -> None:
        """Offer these; the chosen one stays chosen if it is still there."""
        chosen, self._layers = self.value, list(layers)
        self.blockSignals(True)
        self.clear()
        for index, layer in enumerate(layers):
            self.addItem(layer.name)
            self.setItemData(index, layer.name, Qt.ItemDataRole.ToolTipRole)
        self.value = chosen
        self.blockSignals(False)
        self.setPlaceholderText("Choose a layer" if layers else "Open an image first")
        self.setToolTip(self.currentText())
        if not _same(chosen, self.value):
            self.changed.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  Qt's name
        """Draw the name with its middle left out where it is too long: names differ at the ends."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        field = QStyle.SubControl.SC_ComboBoxEditField
        box = QStyle.ComplexControl.CC_ComboBox
        width = self.style().subControlRect(box, option, field, self).width()
        option.currentText = self.fontMetrics().elidedText(
            option.currentText or self.placeholderText(), Qt.TextElideMode.ElideMiddle, width - 4
        )
        painter.drawComplexControl(box, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def _on_changed(self, *_: object) -> None:
        self.setToolTip(self.currentText())
        self.changed.emit()


class SeveralLayers(QListWidget):
    """A few rows, of which several can be chosen."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers: list[Any] = []
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.itemSelectionChanged.connect(self.changed)

    @property
    def value(self) -> list[Any]:
        """The chosen layers, in the order of the list."""
        rows = {self.row(item) for item in self.selectedItems()}
        return [layer for row, layer in enumerate(self._layers) if row in rows]

    @value.setter
    def value(self, layers: Sequence[Any]) -> None:
        if _same(self.value, layers):
            return
        self.blockSignals(True)
        self._select(layers)
        self.blockSignals(False)
        self.changed.emit()

    def show_layers(self, layers: Sequence[Any]) -> None:
        """Offer these; those of the chosen that are still there stay chosen."""
        chosen, self._layers = self.value, list(layers)
        self.blockSignals(True)
        self.clear()
        for layer in layers:
            item = QListWidgetItem(layer.name)
            item.setToolTip(layer.name)
            self.addItem(item)
        self._select(chosen)
        self.blockSignals(False)
        self.updateGeometry()
        if not _same(chosen, self.value):
            self.changed.emit()

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As many rows as there are layers, within limits."""
        rows = min(max(self.count(), FEWEST), MOST)
        row = self.sizeHintForRow(0) if self.count() else self.fontMetrics().height() + 4
        return QSize(120, rows * row + 2 * self.frameWidth())

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """The same height: the list is never squeezed to a part of a row."""
        return QSize(80, self.sizeHint().height())

    def _select(self, layers: Sequence[Any]) -> None:
        for row, layer in enumerate(self._layers):
            self.item(row).setSelected(layer in layers)
        first = next(iter(self.selectedItems()), None)
        if first is not None:
            self.scrollToItem(first)


def _same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return set(some) == set(others)
