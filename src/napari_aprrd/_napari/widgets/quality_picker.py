"""Choice of the training time: a preset, or a time budget."""

from __future__ import annotations

from typing import Any, get_args

from magicgui.widgets import ComboBox, Container, FloatSpinBox

from ...core.config import Preset
from ..preferences import default_preset

BUDGET = "time budget"


class QualityPicker(Container[Any]):
    """Choice of a preset, or of minutes."""

    def __init__(self) -> None:
        self.quality = ComboBox(
            label="Quality",
            choices=[*get_args(Preset), BUDGET],
            value=default_preset(),
            tooltip="How long to train: a preset, or a time budget in minutes.",
        )
        self._minutes = FloatSpinBox(
            label="Minutes", value=2, min=0.1, max=10_000, step=0.5, visible=False,
            tooltip="The schedule ends on time.",
        )  # fmt: skip
        super().__init__(widgets=[self.quality, self._minutes])
        self.native.layout().setContentsMargins(0, 0, 0, 0)
        self.quality.changed.connect(self._on_quality)

    @property
    def preset(self) -> str | None:
        """The preset; None where a budget is given."""
        return None if self.quality.value == BUDGET else str(self.quality.value)

    @property
    def minutes(self) -> float | None:
        """The budget; None where a preset is chosen."""
        return float(self._minutes.value) if self.quality.value == BUDGET else None

    def _on_quality(self, quality: str) -> None:
        self._minutes.visible = quality == BUDGET
