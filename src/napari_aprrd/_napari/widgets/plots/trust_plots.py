"""The three plots of the trust report, each with the question that it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ....report.explained import PLOTS, Plot
from ..images.noise_panel import ALONG_X, ALONG_Y
from .plots import GREY, still_plot, with_legend

if TYPE_CHECKING:
    from ....core.trust.report import TrustReport

HEIGHT = 140  # pixels of a plot


class TrustPlots(QWidget):
    """What the verdicts of a trust report are based on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.plots = []
        for words in PLOTS:
            plot = with_legend(still_plot(words.left, words.bottom), columns=2)
            plot.setFixedHeight(HEIGHT)
            self.plots.append(plot)
            layout.addWidget(_words(words))
            layout.addWidget(plot)

    def show_report(self, report: TrustReport) -> None:
        """Draw the curves of a report."""
        for plot in self.plots:
            plot.clear()
        first, second, third = self.plots
        _draw_correlation(first, report)
        _draw_bias(second, report)
        _draw_variance(third, report)


def _words(words: Plot) -> QLabel:
    label = QLabel(f"<b>{words.title}</b><br>{words.good}")
    label.setWordWrap(True)
    return label


def _draw_correlation(plot: Any, report: TrustReport) -> None:
    lags = range(5)
    for axis, colour in (("x", ALONG_X), ("y", ALONG_Y)):
        _draw(plot, lags, (1.0, *report.correlation[axis]), f"along {axis}", colour)
        noise = (1.0, *report.noise.correlation[axis])
        _draw(plot, lags, noise, "", colour, dashed=True)
    plot.setYRange(-0.1, 1)


def _draw_bias(plot: Any, report: TrustReport) -> None:
    noise, first = report.noise.sigma, report.biases[0]
    several = len(report.biases) > 1
    colours = (ALONG_X, ALONG_Y, GREY)
    for c, (colour, bias) in enumerate(zip(colours, report.biases, strict=False)):
        name = f"channel {c}" if several else ""
        _draw(plot, bias.brightness, bias.bias, name, colour)
    for level in (noise, -noise):
        ends = first.brightness[0], first.brightness[-1]
        _draw(plot, ends, (level, level), "", GREY, dashed=True)
    plot.setYRange(1.1 * min(-noise, *first.bias), 1.1 * max(noise, *first.bias))


def _draw_variance(plot: Any, report: TrustReport) -> None:
    sizes = [scale.size for scale in report.scales]
    excess = [scale.excess for scale in report.scales]
    _draw(plot, sizes, excess, "", ALONG_X)
    _draw(plot, sizes, [1.0] * len(sizes), "", GREY, dashed=True)
    plot.setYRange(0, 1.1 * max(2.0, *excess))


def _draw(
    plot: Any,
    x: Sequence[float],
    y: Sequence[float],
    name: str,
    colour: tuple[int, int, int],
    *,
    dashed: bool = False,
) -> None:
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    plot.plot(list(x), list(y), pen=pg.mkPen(colour, width=2, style=style), name=name or None)
