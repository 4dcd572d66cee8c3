"""First look: what can be expected, before anything is learnt.

A part of the image beside the output of the network with starting weights, and what the noise
report warns of.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ....core.errors import UserError
from ....layers import layer_planes
from ...layers.preview import view_of
from ...layers.views import drawn
from ...preferences import default_device
from ...work.previews import View
from ...work.workers import Failure, Task
from ..common.latest import Latest

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ....core.data.planes import Image, Planes


SIDE, GAP = 132, 4  # pixels of each of the two pictures, and between them: a dock is 300 wide


class FirstLook(QWidget):
    """Shows the layer's plane on screen, noisy and denoised, seconds after it was chosen."""

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Any = None
        self._plane = -1
        self._latest, self._report = Latest(self._on_done, self), Latest(self._on_report, self)
        self.picture, self.cautions = QLabel(), QLabel()
        self.cautions.setWordWrap(True)
        self.text = QLabel("Left: your image. Right: a first look, before learning from it.")
        self.text.setToolTip(
            "The first look comes from a network that was pre-trained on other images; the result "
            "comes from one that has learnt from yours."
        )
        self.text.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.cautions, self.picture, self.text):
            layout.addWidget(widget)
        viewer.dims.events.current_step.connect(self._look)
        self.destroyed.connect(lambda: viewer.dims.events.current_step.disconnect(self._look))
        self._show(None)

    def of(self, layer: Any) -> None:
        """Show the first look at a layer, once per layer; with None, show nothing."""
        if layer is self._layer:  # the same layer; this is also called when a run adds layers
            return
        self._layer, self._plane = layer, -1
        self._show(None)
        self.cautions.hide()
        for work in (self._latest, self._report):
            work.drop()
        self._look()
        if layer is not None:
            with suppress(UserError):  # the dock shows this error
                planes = layer_planes(layer)
                self._report.do(lambda: _cautions(planes))

    def _look(self, event: object = None) -> None:
        """Look at the plane on screen."""
        layer = self._layer
        if layer is None or self.isHidden():
            return
        try:
            view = view_of(self._viewer, layer)
        except UserError:
            return  # the dock shows this error
        if view.plane != self._plane:  # steps are also announced when layers are added
            self._plane = view.plane
            self._latest.do(lambda: _before_and_after(layer, view))

    def _on_done(self, result: Any) -> None:
        Task(_warm_up, lambda _: None, owner=self)  # while the user looks at it
        self._show(None if isinstance(result, Failure) else result)

    def _on_report(self, cautions: Any) -> None:
        if not isinstance(cautions, Failure) and cautions:
            self.cautions.setText("Note: " + " ".join(cautions))
            self.cautions.show()

    def _show(self, picture: NDArray[np.uint8] | None) -> None:
        if picture is not None:
            height, width, _ = picture.shape
            image = QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
            self.picture.setPixmap(QPixmap.fromImage(image))
        self.picture.setVisible(picture is not None)
        self.text.setVisible(picture is not None)


def _warm_up() -> None:
    from ....core.training.warm_up import warm_up

    warm_up(default_device())


def _cautions(planes: Planes) -> tuple[str, ...]:
    from ....core.noise.report import inspect

    return inspect(planes).cautions


def _before_and_after(layer: Any, view: View) -> NDArray[np.uint8]:
    """The part of the view with the most structure, before and after, side by side: (h, w, 3)."""
    from ....core.model.pretrained import first_look

    noisy = view.read()
    clean = first_look(noisy)
    part = _most_structured(clean)
    before, after = (drawn(layer, image[:, *part]) for image in (noisy, clean))
    gap = np.zeros((len(before), GAP, 3), np.uint8)
    return np.concatenate((before, gap, after), axis=1)


def _most_structured(image: Image) -> tuple[slice, slice]:
    """The part with the most structure."""
    tops, lefts = (range(0, max(n - SIDE, 0) + 1, SIDE // 3) for n in image.shape[1:])
    parts = [(slice(i, i + SIDE), slice(j, j + SIDE)) for i in tops for j in lefts]
    return max(parts, key=lambda part: float(np.nanstd(image[:, *part])))
