"""The noise report: a button, plain sentences, a small plot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from ....core.data.planes import Planes
from ....core.errors import UserError
from ...work.workers import Failure, Task
from ..plots.plots import BLUE, ORANGE, still_plot, with_legend

if TYPE_CHECKING:
    from ....core.noise.report import NoiseReport


ALONG_X, ALONG_Y = BLUE, ORANGE


class NoisePanel(QWidget):
    """Describes the noise of the chosen planes.

    Parameters
    ----------
    planes : callable
        The planes that are chosen now; may raise `UserError`.
    """

    changed = Signal()  # the report was made or cleared

    def __init__(self, planes: Callable[[], Planes], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._planes = planes
        self._task: Task | None = None
        self.report: NoiseReport | None = None
        self.button = QPushButton("Inspect noise")
        self.button.setToolTip(
            "Measure the noise in the chosen layers: how strong it is, and how far it is "
            "correlated. Training runs the same analysis and chooses its settings accordingly."
        )
        self.button.clicked.connect(self._on_clicked)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.plot = with_legend(still_plot("correlation", "distance (pixels)"))
        self.plot.setYRange(-0.1, 1)
        self.plot.setFixedHeight(130)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.button, self.text, self.plot):
            layout.addWidget(widget)
        self.clear()

    def clear(self, *_: object) -> None:
        """Remove the report, which belongs to other layers."""
        self.report = None
        self.text.hide()
        self.plot.hide()
        self.changed.emit()

    def show_report(self, report: NoiseReport) -> None:
        """Show sentences and the correlation of the noise per lag."""
        self.report = report
        self.text.setText(" ".join(report.advice))
        self.text.setToolTip(" ".join(report.details))
        self.plot.clear()
        for lags, colour, width, name in (  # two widths, so that equal curves are both visible
            (report.correlation["x"], ALONG_X, 5, "along x"),
            (report.correlation["y"], ALONG_Y, 2, "along y"),
        ):
            pen = pg.mkPen(colour, width=width)
            values = [1.0, *lags]
            self.plot.plot(range(len(values)), values, pen=pen, symbol="o", symbolSize=5,
                           symbolBrush=colour, symbolPen=None, name=name)  # fmt: skip
        self.text.show()
        self.plot.show()
        self.changed.emit()

    def _on_clicked(self) -> None:
        if self._task is not None:
            return
        try:
            planes = self._planes()
        except UserError as error:
            show_error(str(error))
            return
        self.button.setText("Inspecting…")
        self._task = Task(lambda: _inspect(planes), self._on_done, owner=self)

    def _on_done(self, result: Any) -> None:
        self._task = None
        self.button.setText("Inspect noise")
        if isinstance(result, Failure):
            show_error(str(result.error))
        else:
            self.show_report(result)


def _inspect(planes: Planes) -> NoiseReport:
    from ....core.noise.report import inspect

    return inspect(planes)
