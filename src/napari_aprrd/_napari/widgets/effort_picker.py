"""How long to learn: fast, balanced, best, or minutes of the user's own."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QWidget

from ..preferences import remember, remembered

# Chosen by docs/benchmarks.md: most is gained in the first two minutes on two cores.
MINUTES = {"Fast": 0.5, "Balanced": 2.0, "Best": 10.0}
OWN = "Minutes…"


class EffortPicker(QWidget):
    """One choice; the last one is remembered."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.effort, self._own = QComboBox(), QDoubleSpinBox()
        self.effort.addItems([*MINUTES, OWN])
        self.effort.setToolTip(
            "How long to learn from your image: "
            + ", ".join(f"{name.lower()} {60 * m:g} s" for name, m in MINUTES.items())
            + ". Longer is better, but less and less so."
        )
        self._own.setRange(0.1, 10_000)
        self._own.setDecimals(1)
        self._own.setSuffix(" min")
        self._own.setValue(float(remembered("minutes", MINUTES["Balanced"])))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.effort, 1)
        layout.addWidget(self._own)
        self.effort.setCurrentText(str(remembered("effort", "Balanced")))
        self.effort.currentTextChanged.connect(self._on_changed)
        self._own.valueChanged.connect(self._on_changed)
        self._own.setVisible(self.effort.currentText() == OWN)

    @property
    def minutes(self) -> float:
        """Minutes of learning."""
        return MINUTES.get(self.effort.currentText(), float(self._own.value()))

    def choose(self, minutes: float) -> None:
        """Choose minutes of the user's own."""
        self._own.setValue(minutes)
        self.effort.setCurrentText(OWN)

    def _on_changed(self, *_: object) -> None:
        self._own.setVisible(self.effort.currentText() == OWN)
        remember("effort", self.effort.currentText())
        remember("minutes", self._own.value())
        self.changed.emit()
