"""Which layers to work on, and which part of stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, Select
from napari.layers import Shapes
from qtpy.QtWidgets import QVBoxLayout, QWidget

from .. import _layers
from ..axes import JoinedPlanes
from ..core.errors import UserError

if TYPE_CHECKING:
    from napari.components import ViewerModel

PARTS: dict[str, _layers.Part] = {
    "All planes": "all",
    "Plane on screen": "plane",
    "Rectangle in a Shapes layer": "rectangle",
}


class LayerPicker(QWidget):
    """Choice of one or several image layers."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.layers = Select(
            name="layers",
            label="Layers",
            choices=lambda _: _layers.image_layers(viewer.layers),
            tooltip="Noisy images to learn from. Ctrl-click for several; sizes may differ.",
        )
        self.part = ComboBox(
            name="part",
            label="Part",
            choices=list(PARTS),
            tooltip="What of each layer to learn from. More is better; a part is quicker to read.",
        )
        self.shapes = ComboBox(
            name="shapes",
            label="Shapes",
            choices=lambda _: [layer for layer in viewer.layers if isinstance(layer, Shapes)],
            nullable=True,
            tooltip="Layer with the rectangle.",
            visible=False,
        )
        self.part.changed.connect(self._on_part)
        form: Container[Any] = Container(widgets=[self.layers, self.part, self.shapes])
        form.native.layout().setContentsMargins(0, 0, 0, 0)
        self.layers.native.setFixedHeight(72)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(form.native)
        self.changed = form.changed
        self.select_active()

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer's list of layers."""
        self.layers.reset_choices()
        self.shapes.reset_choices()
        if not self.layers.value:
            self.select_active()

    def select_active(self) -> None:
        """Choose the active layer, else the only one."""
        images = _layers.image_layers(self._viewer.layers)
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
        """What to learn from."""
        part = PARTS[self.part.value]
        parts = []
        for layer in self.chosen():
            rectangle = None
            if part == "rectangle":
                if self.shapes.value is None:
                    raise UserError("Draw a rectangle in a Shapes layer first.")
                rectangle = _layers.rectangle_in(self.shapes.value, layer)
            dims = self._viewer.dims
            parts.append(
                _layers.part_of(
                    layer, part, point=dims.point, units=dims.units, rectangle=rectangle
                )
            )
        return JoinedPlanes(parts)

    def _on_part(self, part: str) -> None:
        self.shapes.visible = PARTS[part] == "rectangle"
