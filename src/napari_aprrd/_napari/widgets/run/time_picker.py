"""Choice of how long to learn: one of some names, or minutes of the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QSizePolicy,
    QWidget,
)

from ....core.config import Preset
from ...preferences import default_preset, remember, remembered
from ..common.words import duration

# Chosen by docs/benchmarks.md: most is gained in the first two minutes on two cores.
EFFORTS = {"Fast": 0.5, "Balanced": 2.0, "Best": 10.0}
OWN = "own time"


class TimePicker(QWidget):
    """A list of names whose last entry shows a box for minutes, which are remembered.

    Parameters
    ----------
    key : str
        Under which it is remembered.
    choices : iterable of (str, value)
        Texts and what they stand for.
    default : value
    tip : str
    """

    changed = Signal()

    def __init__(
        self, key: str, choices: Iterable[tuple[str, Any]], default: Any, tip: str
    ) -> None:
        super().__init__()
        self._key = key
        self.choice, self.own = QComboBox(), QDoubleSpinBox()
        for text, value in (*choices, (OWN, OWN)):
            self.choice.addItem(text, value)
        self.choice.setToolTip(tip)
        self.choice.setMinimumContentsLength(6)
        self.choice.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.own.setRange(0.1, 10_000)
        self.own.setDecimals(1)
        self.own.setSingleStep(0.5)
        self.own.setSuffix(" min")
        self.own.setToolTip("Minutes of learning; starting and denoising take some seconds more.")
        # In napari's themes, buttons for up and down would cut off the number in a narrow dock.
        self.own.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.own.setValue(float(remembered(f"{key} minutes", 2.0)))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.choice, 1)
        layout.addWidget(self.own)
        self.choose(default)
        self.choice.currentIndexChanged.connect(self._on_changed)
        self.own.valueChanged.connect(self._on_changed)
        self.own.setVisible(self.value == OWN)

    @property
    def value(self) -> Any:
        """What the chosen text stands for."""
        return self.choice.currentData()

    def choose(self, value: Any) -> None:
        """Choose what stands for this, if there is such an entry."""
        self.choice.setCurrentIndex(max(self.choice.findData(value), 0))

    def choose_minutes(self, minutes: float) -> None:
        """Choose minutes of the user's own."""
        self.own.setValue(minutes)
        self.choose(OWN)

    def _on_changed(self, *_: object) -> None:
        self.own.setVisible(self.value == OWN)
        remember(f"{self._key} minutes", self.own.value())
        self.changed.emit()


class EffortPicker(TimePicker):
    """Minutes for the whole of learning, in words."""

    def __init__(self) -> None:
        texts = [(f"{name} ({duration(60 * m)})", name) for name, m in EFFORTS.items()]
        tip = "How long to learn from your image. Longer is better, but less and less so."
        super().__init__("effort", texts, remembered("effort", "Balanced"), tip)
        self.choice.setItemText(len(texts), OWN.capitalize())  # like the other names
        self.changed.connect(lambda: remember("effort", self.value))

    @property
    def minutes(self) -> float:
        """Minutes of learning."""
        return EFFORTS.get(self.value, float(self.own.value()))


class QualityPicker(TimePicker):
    """A preset, or a time budget."""

    def __init__(self) -> None:
        texts = [(name, name) for name in get_args(Preset)]
        tip = "How long to train: a preset, or a time budget in minutes."
        super().__init__("quality", texts, default_preset(), tip)

    @property
    def preset(self) -> str | None:
        """The preset; None where a budget is given."""
        return None if self.value == OWN else str(self.value)

    @property
    def minutes(self) -> float | None:
        """The budget; None where a preset is chosen."""
        return float(self.own.value()) if self.value == OWN else None
