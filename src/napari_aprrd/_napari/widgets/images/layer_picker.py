"""Choice of layers, and of a part of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, LineEdit
from napari.layers import Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QSizePolicy, QWidget

from ....axes import JoinedPlanes
from ....core.config import MOST_NEIGHBOURS
from ....core.errors import UserError
from ....layers import labelled_axes, name_axes
from ...layers.choice import default, doubt, usable
from ...layers.source import learn_axes, reading_of
from ...layers.training_part import Part, part_of, rectangle_in
from .layer_lists import OneLayer, SeveralLayers

if TYPE_CHECKING:
    from napari.components import ViewerModel


PARTS: dict[str, Part] = {
    "All planes": "all",
    "Plane on screen and near it": "plane",
    "Rectangle in a Shapes layer": "rectangle",
}


class LayerPicker(QWidget):
    """Choice of one or several image layers.

    It follows the viewer's active layer until the user chooses another one here.

    Parameters
    ----------
    viewer : ViewerModel
    parent : QWidget, optional
    compact : bool
        One line for one layer, all of it.
    """

    changed = Signal()  # another layer, other axes, or another part

    def __init__(
        self, viewer: ViewerModel, parent: QWidget | None = None, *, compact: bool = False
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._by_hand = self._follows_now = False
        self.layers: OneLayer | SeveralLayers = OneLayer() if compact else SeveralLayers()
        self.layers.setToolTip("The noisy image." if compact else _SEVERAL)
        self.axes, self.part, self.shapes = _axes_input(), _part_input(), _shapes_input(viewer)
        self.reading, self.doubt, self.wrong = QLabel(), QLabel(), QLabel()
        self._arrange(compact)
        self._connect()
        self.reset_choices()
        self._show_layers()

    def _arrange(self, compact: bool) -> None:
        for label in (self.reading, self.doubt, self.wrong):
            label.setWordWrap(True)
        self.wrong.hide()
        form = _form(self)
        form.addRow("Layer" if compact else "Layers", self.layers)
        form.addRow("Axes", self.axes.native)
        form.addRow(self.wrong)
        form.addRow("Part", self.part.native)
        form.addRow("Shapes", self.shapes.native)
        form.setRowVisible(self.shapes.native, False)
        form.setRowVisible(self.part.native, not compact)
        for widget in (self.doubt, self.reading):
            form.addRow(widget)
        self._form = form

    def _connect(self) -> None:
        self.layers.changed.connect(self._on_layers)
        self.part.changed.connect(self._on_part)
        self.shapes.changed.connect(self._on_shapes)
        self.axes.native.editingFinished.connect(self._on_axes)
        selected = self._viewer.layers.selection.events.changed
        selected.connect(self._follow)
        self.destroyed.connect(lambda: selected.disconnect(self._follow))

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer's list of layers."""
        with self._following():
            self.layers.show_layers(usable(self._viewer))
        self.shapes.reset_choices()
        self._choose_shapes()
        if not self.layers.value:
            self._by_hand = False
        self._follow()

    def add_row(self, label: str, widget: QWidget) -> None:
        """Add a setting of the owner's, whose label is aligned with those here."""
        self._form.addRow(label, widget)

    def show_row(self, widget: QWidget, shown: bool) -> None:
        """Show or hide such a setting with its label."""
        self._form.setRowVisible(widget, shown)

    def chosen(self) -> list[Any]:
        """The layers.

        Raises
        ------
        UserError
            If there is none.
        """
        if not self.layers.value:
            raise UserError("Open an image and choose its layer first.")
        return list(self.layers.value)

    def planes(self) -> JoinedPlanes:
        """Planes to train on."""
        return JoinedPlanes([self.planes_of(layer) for layer in self.chosen()])

    def planes_of(self, layer: Any) -> Any:
        """The chosen part of one of the layers."""
        part, dims, rectangle = PARTS[self.part.value], self._viewer.dims, None
        if part == "rectangle":
            if self.shapes.value is None:
                raise UserError("Draw a rectangle in a Shapes layer first.")
            rectangle = rectangle_in(self.shapes.value, layer)
        place = {"point": dims.point, "units": dims.units, "displayed": dims.displayed}
        return part_of(layer, part, rectangle=rectangle, **place)

    def _follow(self, event: object = None) -> None:
        """Choose what is selected in the viewer, unless the user has chosen here."""
        if self._by_hand:
            return
        meant = default(self._viewer)
        selected = self._viewer.layers.selection
        several = [la for la in usable(self._viewer) if la in selected and not doubt(la)]
        if isinstance(self.layers, SeveralLayers) and len(several) > 1:
            wanted = several
        else:
            wanted = [meant] if meant is not None else []
        with self._following():
            self.layers.value = wanted

    @contextmanager
    def _following(self) -> Iterator[None]:
        self._follows_now = True
        try:
            yield
        finally:
            self._follows_now = False

    def _on_layers(self) -> None:
        self._by_hand = self._by_hand or not self._follows_now
        self._show_layers()
        self.changed.emit()

    def _show_layers(self) -> None:
        """Show how the first of the layers is read; letters that nobody said are not shown."""
        axes = text = ""
        layers, readable = self.layers.value, False
        try:
            for layer in layers:
                learn_axes(layer)
            if layers:
                axes, text, readable = labelled_axes(layers[0]), reading_of(layers[0]), True
        except UserError as error:
            text = str(error)
        self.axes.enabled, self.axes.value = readable, axes
        self.reading.setText(text)
        self.reading.setVisible(bool(text))
        self._say_wrong("")
        doubts = " ".join(filter(None, map(doubt, layers)))
        self.doubt.setText(doubts)
        self.doubt.setVisible(bool(doubts))

    def _on_axes(self) -> None:
        """Name the axes of all chosen layers with equally many."""
        layers, axes = self.layers.value, self.axes.value
        if not layers or axes.upper() == labelled_axes(layers[0]):
            self._say_wrong("")
            return
        try:
            for layer in layers:
                if layer.ndim == layers[0].ndim:
                    name_axes(layer, axes)
        except UserError as error:
            self._say_wrong(str(error))
            return
        self._show_layers()
        self.changed.emit()

    def _say_wrong(self, text: str) -> None:
        self.wrong.setText(text)
        self.wrong.setVisible(bool(text))

    def _on_part(self, part: str) -> None:
        self._form.setRowVisible(self.shapes.native, PARTS[part] == "rectangle")
        self._choose_shapes()
        self.changed.emit()

    def _choose_shapes(self) -> None:
        """Choose the newest Shapes layer where one is needed and none is chosen."""
        shapes = [choice for choice in self.shapes.choices if choice is not None]
        if PARTS[self.part.value] == "rectangle" and self.shapes.value is None and shapes:
            self.shapes.value = shapes[-1]

    def _on_shapes(self, *_: object) -> None:
        self.changed.emit()


_SEVERAL = "Noisy images to train on. Ctrl-click for several; sizes may differ."


def _form(parent: QWidget) -> QFormLayout:
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return form


def _axes_input() -> LineEdit:
    return LineEdit(
        name="axes",
        tooltip="How the image is read: T time, Z slices, C channels, I independent images, "
        "Y rows, X columns. Write other letters to correct it; they become the layer's axis "
        "labels. Empty where neither the layer nor its file names them.",
    )


def _part_input() -> ComboBox:
    return _narrow(
        ComboBox(
            name="part",
            choices=list(PARTS),
            tooltip="Part of each layer to train on. More is better; a part is quicker to read. "
            f"Near a plane are up to {MOST_NEIGHBOURS} planes on either side of it in a stack.",
        )
    )


def _shapes_input(viewer: ViewerModel) -> ComboBox:
    return _narrow(
        ComboBox(
            name="shapes",
            choices=lambda _: [layer for layer in viewer.layers if isinstance(layer, Shapes)],
            nullable=True,
            tooltip="Layer with the rectangle.",
        )
    )


def _narrow(choice: ComboBox) -> ComboBox:
    """Let a list be narrower than its longest entry, so that the dock can be narrow."""
    box = choice.native
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return choice
