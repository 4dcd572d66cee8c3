"""Buttons that show where a denoised layer lost structure, kept noise or is uncertain."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from ....core.errors import UserError
from ....layers import layer_array, layer_axes, layer_planes, map_layer
from ....report.explained import LEFT, REMOVED, RESIDUAL, UNCERTAINTY
from ...layers.choice import source_of
from ...layers.maps import hide_maps, maps_of, show_map
from ...models.session import session
from ...work.lazy import LazyLayer, render_in_the_background

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image


class _Look(NamedTuple):
    """A map's button, its tooltip, the name of its layer, and how the layer is drawn.

    The limits are in standard deviations of the noise where `in_sigmas`.
    """

    button: str
    tip: str
    name: str
    limits: tuple[float, float]
    colormap: str
    in_sigmas: bool = False


_LOOKS = {
    "residual": _Look("Residual", RESIDUAL, "residual", (-4, 4), "gray", True),
    "removed": _Look("Removed", REMOVED, "removed structure", (0, 3), "inferno"),
    "left": _Look("Noise left", LEFT, "noise left", (0, 1), "viridis"),
    "uncertainty": _Look("Uncertainty", UNCERTAINTY, "uncertainty", (0, 1), "magma", True),
}
_COLUMNS = 3  # of buttons, which fit in 280 pixels
_NO_TEACHER = "Uncertainty needs the model of Train APR: train one, or load it there."


class MapButtons(QWidget):
    """Shows maps of a denoised layer as layers on top, one at a time."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self._of: tuple[Image, float] | None = None
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.buttons = {kind: QPushButton(look.button) for kind, look in _LOOKS.items()}
        for kind, button in self.buttons.items():
            button.setToolTip(_LOOKS[kind].tip)
            button.clicked.connect(partial(self.show_one, kind))
        self.hide_all = QPushButton("Hide maps")
        self.hide_all.setToolTip("Hide the maps, to see the denoised layer again.")
        self.hide_all.clicked.connect(self._on_hide)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(QLabel("Show where, as a layer on top:"), 0, 0, 1, _COLUMNS)
        for number, button in enumerate((*self.buttons.values(), self.hide_all)):
            grid.addWidget(button, 1 + number // _COLUMNS, number % _COLUMNS)
        grid.addWidget(self.hint, 3, 0, 1, _COLUMNS)
        self.hint.hide()

    def of(self, result: Image, sigma: float) -> None:
        """Offer the maps of a denoised layer, whose source has noise of a standard deviation."""
        self._of = result, sigma
        self.hint.hide()

    def show_one(self, kind: str, *_: object) -> None:
        """Show a map above everything, and hide the others."""
        if self._of is None:
            return
        result = self._of[0]
        self.hint.clear()
        try:
            show_map(self.viewer, result, kind, lambda: self._make(kind))
        except UserError as error:
            self.hint.setText(str(error))
        else:
            if any(layer.visible for layer in maps_of(self.viewer, result)):
                self.hint.setText(f"<b>{_LOOKS[kind].button}.</b> {_LOOKS[kind].tip}")
        self.hint.setVisible(bool(self.hint.text()))

    def _make(self, kind: str) -> Image | None:
        """The layer of a map; None if the user is asked something, and cancels."""
        from ....report.maps import lazy_map

        assert self._of is not None
        (result, sigma), look = self._of, _LOOKS[kind]
        source = source_of(self.viewer, result)
        if source is None:
            raise UserError("The image that this layer was made of is not in the layer list.")
        if kind == "uncertainty":
            watch = LazyLayer(self.viewer)
            data = _spread(source, layer_axes(result), watch)
            # It takes seconds, and is computed where it is displayed.
            if not render_in_the_background(self.viewer):
                return None
        else:
            both = layer_array(source), layer_array(result)
            data = lazy_map(*both, layer_axes(result), kind)  # type: ignore[arg-type]
        layer = map_layer(result, data, f"{source.name}: {look.name}")
        unit = sigma if look.in_sigmas else 1.0
        layer.contrast_limits = tuple(unit * limit for limit in look.limits)
        layer.colormap = look.colormap
        if kind == "uncertainty":
            watch.begin(layer)
        return layer

    def _on_hide(self) -> None:
        if self._of is not None:
            hide_maps(self.viewer, self._of[0])
            self.hint.hide()


def _spread(source: Image, axes: str, watch: LazyLayer) -> object:
    """How far the newest fitting teacher's outputs disagree, computed where it is displayed."""
    from ....report.maps import lazy_spread

    channels = layer_planes(source).channels
    fitting = [name for name in session.teachers() if session[name].channels == channels]
    if not fitting:
        raise UserError(_NO_TEACHER)
    teacher = session[fitting[-1]]
    return lazy_spread(layer_array(source), axes, teacher, is_cancelled=watch.is_cancelled)
