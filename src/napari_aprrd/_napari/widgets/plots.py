"""Shared by plots: colours for any colour vision, and a plot that the mouse cannot move."""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg

BLUE, ORANGE, GREY = (86, 180, 233), (230, 159, 0), (150, 150, 150)


def still_plot(left: str, bottom: str, **options: Any) -> Any:
    """Make a plot with labels that neither mouse nor menu changes."""
    plot = pg.PlotWidget(background=None, **options)
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
    return plot
