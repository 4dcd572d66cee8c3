"""The loss over the steps, on a logarithmic scale."""

from __future__ import annotations

import math

import pyqtgraph as pg
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ....core.jobs import Progress
from .plots import BLUE, ORANGE, still_plot

TRAINING, HELD_OUT = BLUE, ORANGE
SMOOTHING = 0.9  # weight of the past in the running mean, because the loss varies between batches


class _LogAxis(pg.AxisItem):
    """Axis with ticks at 1, 2 and 5 of each decade, and at even steps on a short range.

    pyqtgraph's own labels overlap.
    """

    def tickValues(self, low: float, high: float, _: float) -> list[tuple[float, list[float]]]:  # noqa: N802
        decades = range(math.floor(low), math.ceil(high))
        ticks = [decade + math.log10(digit) for decade in decades for digit in (1, 2, 5)]
        seen = [tick for tick in ticks if low <= tick <= high]
        return [(1.0, seen if len(seen) > 1 else _even_ticks(low, high))]

    def tickStrings(self, values: list[float], *_: object) -> list[str]:  # noqa: N802
        return [f"{10**value:.4g}" for value in values]


def _even_ticks(low: float, high: float) -> list[float]:
    """Two to five round numbers in even steps, as logarithms."""
    bottom, top = 10**low, 10**high
    step = 10 ** math.floor(math.log10(top - bottom))
    if top - bottom < 4 * step:
        step /= 2
    numbers = [i * step for i in range(math.ceil(bottom / step), math.floor(top / step) + 1)]
    return [math.log10(number) for number in numbers[:: 1 + len(numbers) // 6]]


def _coloured(text: str, colour: tuple[int, int, int]) -> str:
    red, green, blue = colour
    return f'<span style="color: rgb({red},{green},{blue}); font-size: 8pt">{text}</span>'


class LossPlot(QWidget):
    """A plot that takes `Progress`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plot = still_plot("loss", "step", axisItems={"left": _LogAxis("left")})
        self._plot.setLogMode(y=True)
        # The title names the curves, because a legend would cover them.
        names = _coloured("training", TRAINING), _coloured("• held out", HELD_OUT)
        self._plot.setTitle(" ".join(names))
        self._curve = self._plot.plot(pen=pg.mkPen(TRAINING, width=2))
        self._held_out_curve = self._plot.plot(
            pen=pg.mkPen(HELD_OUT, width=2), symbol="o", symbolSize=4, symbolBrush=HELD_OUT,
            symbolPen=None,
        )  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._plot)
        self.setFixedHeight(150)
        self.setToolTip(
            "Loss of the training steps (running mean) and of held-out pixels; logarithmic. "
            "Compare only the shapes: where the second curve rises, the network overfits the noise."
        )
        self.clear()

    def clear(self) -> None:
        """Remove all points."""
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.held_out: list[tuple[int, float]] = []
        self._curve.setData([], [])
        self._held_out_curve.setData([], [])

    def add(self, progress: Progress) -> None:
        """Add a point, if the report has a loss."""
        if progress.loss is None or progress.loss <= 0:
            return
        before = self.losses[-1] if self.losses else progress.loss
        self.losses.append(SMOOTHING * before + (1 - SMOOTHING) * progress.loss)
        self.steps.append(progress.step)
        self._curve.setData(self.steps, self.losses)
        if progress.held_out is not None and progress.held_out > 0:
            self.held_out.append((progress.step, progress.held_out))
            self._held_out_curve.setData(*zip(*self.held_out, strict=True))
