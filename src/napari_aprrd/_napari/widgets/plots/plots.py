"""Shared by plots: colours for any colour vision, and a plot that the mouse cannot move."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import QEvent

# Legible on napari's dark and on its light background: their contrast with each is at least 3.
BLUE, ORANGE, GREY = (0, 128, 200), (200, 115, 0), (122, 122, 122)
_RECOLOURED_BY = {
    QEvent.Type.PaletteChange, QEvent.Type.StyleChange, QEvent.Type.Polish, QEvent.Type.Show,
}  # fmt: skip


class ThemedPlot(pg.PlotWidget):
    """A plot whose axes and legend have the colour of the text around it, in any theme."""

    def event(self, event: Any) -> bool:
        """Follow the theme."""
        done = bool(super().event(event))
        if event.type() in _RECOLOURED_BY and vars(self).get("plotItem") is not None:
            self.recolour()
        return done

    def wheelEvent(self, event: Any) -> None:  # noqa: N802
        """Leave the wheel to the panel that the plot is in, which scrolls."""
        event.ignore()

    def recolour(self) -> None:
        """Draw axes and legend in the colour of the widget's text."""
        self.resetCachedContent()  # the background, which is kept
        colour = self.palette().color(self.foregroundRole())
        for name in ("left", "bottom"):
            axis = self.plotItem.getAxis(name)
            axis.setPen(colour)
            axis.setTextPen(colour)
        if self.plotItem.legend is not None:
            self.plotItem.legend.setLabelTextColor(colour)
            for _, label in self.plotItem.legend.items:
                label.setText(label.text, color=colour)


def still_plot(left: str, bottom: str, **options: Any) -> Any:
    """Make a plot with labels that neither mouse nor menu changes."""
    plot = ThemedPlot(background=None, **options)
    plot.setLabel("left", left)
    plot.setLabel("bottom", bottom)
    for axis in ("left", "bottom"):
        plot.getAxis(axis).enableAutoSIPrefix(False)  # else labels read "loss (x0.001)"
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.setMenuEnabled(False)
    plot.getPlotItem().layout.setContentsMargins(1, 1, 1, 5)  # pyqtgraph cuts the label off there
    return plot


def with_legend(plot: Any, columns: int = 1) -> Any:
    """Add a small legend at the upper right, and return the plot."""
    plot.addLegend(offset=(-5, 5), labelTextSize="8pt", colCount=columns)
    plot.recolour()
    return plot
