"""The trust report in napari: sentences, plots, and buttons that add maps as layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...core.errors import UserError
from ...layers import KEY, layer_array, layer_axes, layer_planes, map_layer
from ..commands import render_in_the_background
from ..docks import settle
from ..session import session
from ..views import add_above, image_layers
from ..workers import Failure, Task
from .noise_panel import ALONG_X, ALONG_Y
from .plots import GREY, still_plot, with_legend

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.trust.report import TrustReport
    from ...report.maps import Map


_MARKS = {"good": ("✓", "#3fb68b"), "warn": ("!", "#e69f00"), "bad": ("✗", "#e0533d")}
_MAPS: dict[Map, tuple[str, str]] = {
    "residual": ("Residual", "Input minus output: should look like noise, without structure."),
    "removed": ("Removed structure", "Bright where the residual is stronger than noise."),
    "left": ("Noise left", "Bright where noise is still in the output."),
}


class TrustWidget(QWidget):
    """Shows whether a denoised layer can be trusted."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.report: TrustReport | None = None
        self.task: Task | None = None
        self._pair: tuple[Any, Any] | None = None
        self.button = QPushButton("Check selected layer")
        self.button.setToolTip("Compare the selected denoised layer with its source.")
        self.button.clicked.connect(self.check)
        self.text = QLabel("Select a denoised layer.")
        self.text.setWordWrap(True)
        labels = {
            "correlation": "distance (pixels)",
            "mean residual": "intensity of the output",
            "variance": "size of detail (pixels)",
        }
        self.plots = [with_legend(still_plot(*label), columns=2) for label in labels.items()]
        for plot in self.plots:
            plot.setFixedHeight(150)
        self.maps = {kind: QPushButton(title) for kind, (title, _) in _MAPS.items()}
        self.uncertainty = QPushButton("Uncertainty")
        self.uncertainty.setToolTip(
            "Standard deviation of a teacher's outputs over its shifts: bright where they disagree."
        )
        self._arrange()
        settle(self, "Trust report")
        self._show_details(False)

    def _arrange(self) -> None:
        layout, row = QVBoxLayout(self), QHBoxLayout()
        for widget in (self.button, self.text):
            layout.addWidget(widget)
        self.add = QLabel("Add a map as a layer:")
        layout.addWidget(self.add)
        for kind, button in self.maps.items():
            button.setToolTip(_MAPS[kind][1])
            button.clicked.connect(partial(self.add_map, kind))
            row.addWidget(button)
        self.uncertainty.clicked.connect(self.add_uncertainty)
        row.addWidget(self.uncertainty)
        layout.addLayout(row)
        for plot in self.plots:
            layout.addWidget(plot)
        layout.addStretch()

    def check(self, *_: object) -> None:
        """Compare the selected layer with its source, in the background."""
        from ...report.trust_report import report_on

        if self.task is not None:
            return
        try:
            source, result = self._pair = self._choose()
            noisy, clean = (layer_planes(layer) for layer in (source, result))
        except UserError as error:
            show_error(str(error))
            return
        self.text.setText(f"Checking {result.name!r}…")
        self._show_details(False)
        self.task = Task(lambda: report_on(noisy, clean), self._on_done, owner=self)

    def _choose(self) -> tuple[Any, Any]:
        """A source and its denoised layer, of which one is selected."""
        chosen = self.viewer.layers.selection
        for result in reversed(image_layers(self.viewer.layers)):
            name = result.metadata.get(KEY, {}).get("source")
            if name in self.viewer.layers and {result, self.viewer.layers[name]} & chosen:
                return self.viewer.layers[name], result
        raise UserError("Select a denoised layer whose source is in the layer list too.")

    def _on_done(self, report: Any) -> None:
        self.task = None
        if isinstance(report, Failure):
            self.text.setText("")
            show_error(str(report.error))
        else:
            self.show_report(report)

    def show_report(self, report: TrustReport) -> None:
        """Show sentences and plots."""
        self.report = report
        lines = []
        for verdict in report.verdicts:
            sign, shade = _MARKS[verdict.status]
            mark = f'<span style="color:{shade}; font-weight:bold">{sign}</span>'
            lines.append(f"<p>{mark} <b>{verdict.check}.</b> {verdict.sentence}</p>")
        self.text.setText("".join(lines))
        first, second, third = self.plots
        for plot in self.plots:
            plot.clear()
        lags = range(5)
        for axis, colour in (("x", ALONG_X), ("y", ALONG_Y)):
            _draw(first, lags, (1.0, *report.correlation[axis]), f"residual, {axis}", colour)
            expected = (1.0, *report.noise.correlation[axis])
            _draw(first, lags, expected, f"noise, {axis}", colour, dashed=True)
        for colour, bias in zip((ALONG_X, ALONG_Y, GREY), report.biases, strict=False):
            _draw(second, bias.brightness, bias.bias, "", colour)
        sizes = [scale.size for scale in report.scales]
        _draw(third, sizes, [s.excess for s in report.scales], "at structure", ALONG_X)
        _draw(third, sizes, [1.0] * len(sizes), "noise alone", GREY, dashed=True)
        first.setYRange(-0.1, 1)
        noise = report.noise.sigma  # a bias smaller than the noise is invisible
        second.setYRange(min(-noise, *report.biases[0].bias), max(noise, *report.biases[0].bias))
        third.setYRange(0, 1.3 * max(2.0, *(s.excess for s in report.scales)))
        self._show_details(True)

    def add_map(self, kind: Map, *_: object) -> None:
        """Add one of the maps above the denoised layer."""
        from ...report.maps import lazy_map

        if self._pair is None:
            return
        source, result = self._pair
        axes = layer_axes(result)
        noisy, clean = map(layer_array, (source, result))
        data = lazy_map(noisy, clean, axes, kind)
        layer = map_layer(result, data, f"{result.name}: {_MAPS[kind][0].lower()}")
        sigma = self.report.noise.sigma if self.report else 1.0
        layer.contrast_limits, layer.colormap = {
            "residual": ((-4 * sigma, 4 * sigma), "gray"),
            "removed": ((0.0, 3.0), "inferno"),
            "left": ((0.0, 1.0), "viridis"),
        }[kind]
        add_above(self.viewer, layer, result)

    def add_uncertainty(self, *_: object) -> None:
        """Add the newest fitting teacher's spread over its shifts above the denoised layer."""
        from ...report.maps import lazy_spread

        if self._pair is None:
            return
        source, result = self._pair
        channels = layer_planes(source).channels
        fitting = [n for n in session.teachers() if session[n].channels == channels]
        try:
            if not fitting:
                raise UserError(
                    "Uncertainty needs the teacher: train one (Train APR), or load it there."
                )
            axes, data = layer_axes(result), layer_array(source)
            spread = lazy_spread(data, axes, session[fitting[-1]])
        except UserError as error:
            show_error(str(error))
            return
        layer = map_layer(result, spread, f"{result.name}: uncertainty")
        sigma = self.report.noise.sigma if self.report else 1.0
        layer.contrast_limits, layer.colormap = (0.0, sigma), "magma"
        render_in_the_background()
        add_above(self.viewer, layer, result)

    def _show_details(self, shown: bool) -> None:
        for widget in (*self.plots, *self.maps.values(), self.uncertainty, self.add):
            widget.setVisible(shown)


def _draw(
    plot: Any,
    x: Sequence[float],
    y: Sequence[float],
    name: str,
    colour: tuple[int, int, int],
    *,
    dashed: bool = False,
) -> None:
    from qtpy.QtCore import Qt

    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    plot.plot(list(x), list(y), pen=pg.mkPen(colour, width=2, style=style), name=name or None)
