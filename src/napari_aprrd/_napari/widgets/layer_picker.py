"""Choice of layers, and of a part of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, LineEdit, Select
from napari.layers import Shapes
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ...axes import JoinedPlanes
from ...core.errors import UserError
from ...layers import labelled_axes, name_axes
from ..layer_source import learn_axes, reading_of
from ..views import Part, image_layers, part_of, rectangle_in

if TYPE_CHECKING:
    from napari.components import ViewerModel


PARTS: dict[str, Part] = {
    "All planes": "all",
    "Plane on screen": "plane",
    "Rectangle in a Shapes layer": "rectangle",
}


class LayerPicker(QWidget):
    """Choice of one or several image layers."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.layers, self.axes = _layers_input(viewer), _axes_input()
        self.part, self.shapes = _part_input(), _shapes_input(viewer)
        self.reading = QLabel()
        self.reading.setWordWrap(True)
        self.part.changed.connect(self._on_part)
        self.layers.changed.connect(self._show_axes)
        self.axes.native.editingFinished.connect(self._on_axes)
        form: Container[Any] = Container(widgets=[self.layers, self.axes, self.part, self.shapes])
        self.changed = form.changed
        self._arrange(form)
        self.select_active()
        self._show_axes()

    def _arrange(self, form: Container[Any]) -> None:
        form.native.layout().setContentsMargins(0, 0, 0, 0)
        self.layers.native.setFixedHeight(72)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(form.native)
        layout.addWidget(self.reading)

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer's list of layers."""
        self.layers.reset_choices()
        self.shapes.reset_choices()
        if not self.layers.value:
            self.select_active()

    def select_active(self) -> None:
        """Choose the active layer, else the only one."""
        images = image_layers(self._viewer.layers)
        active = self._viewer.layers.selection.active
        if active in images:
            self.layers.value = [active]
        elif images:
            self.layers.value = [images[-1]]

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
        part = PARTS[self.part.value]
        parts = []
        for layer in self.chosen():
            rectangle = None
            if part == "rectangle":
                if self.shapes.value is None:
                    raise UserError("Draw a rectangle in a Shapes layer first.")
                rectangle = rectangle_in(self.shapes.value, layer)
            dims = self._viewer.dims
            parts.append(
                part_of(layer, part, point=dims.point, units=dims.units, rectangle=rectangle)
            )
        return JoinedPlanes(parts)

    def _show_axes(self) -> None:
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

    def _on_axes(self) -> None:
        """Name the axes of all chosen layers with equally many."""
        layers, axes = self.layers.value, self.axes.value
        if not layers or axes.upper() == labelled_axes(layers[0]):
            return
        try:
            for layer in layers:
                if layer.ndim == layers[0].ndim:
                    name_axes(layer, axes)
        except UserError as error:
            self.reading.setText(str(error))
            return
        self._show_axes()

    def _on_part(self, part: str) -> None:
        self.shapes.visible = PARTS[part] == "rectangle"


def _layers_input(viewer: ViewerModel) -> Select:
    return Select(
        name="layers",
        label="Layers",
        choices=lambda _: image_layers(viewer.layers),
        tooltip="Noisy images to train on. Ctrl-click for several; sizes may differ.",
    )


def _axes_input() -> LineEdit:
    return LineEdit(
        name="axes",
        label="Axes",
        tooltip="How the layers are read: T time, Z slices, C channels, I independent images, "
        "Y rows, X columns. Write other letters to correct it; they become the layer's axis "
        "labels. Empty where neither the layer nor its file names them.",
    )


def _part_input() -> ComboBox:
    return ComboBox(
        name="part",
        label="Part",
        choices=list(PARTS),
        tooltip="Part of each layer to train on. More is better; a part is quicker to read.",
    )


def _shapes_input(viewer: ViewerModel) -> ComboBox:
    return ComboBox(
        name="shapes",
        label="Shapes",
        choices=lambda _: [layer for layer in viewer.layers if isinstance(layer, Shapes)],
        nullable=True,
        tooltip="Layer with the rectangle.",
        visible=False,
    )
