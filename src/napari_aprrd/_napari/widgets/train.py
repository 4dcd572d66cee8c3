"""The widget "Train APR"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton, QWidget

from ...core.config import TrainConfig
from .. import commands
from .images.noise_panel import NoisePanel
from .job_widget import JobWidget

if TYPE_CHECKING:
    import napari

    from ...core.jobs import Job
    from ...core.model.denoiser import Denoiser


_BY_NOISE = {"shift", "replace", "loss", "neighbours", "learning_rate"}


class TrainWidget(JobWidget[TrainConfig]):
    """Train a blind-spot network on open layers."""

    config_type = TrainConfig
    job = "train"
    start_text = "Train APR"
    start_tip = "Train on the chosen layers; no clean images of your specimen are needed."
    suffix = "teacher"
    page = "how-it-works/#apr-two-images-from-one"

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.next = QPushButton("Next: Distill (RD)")
        self.next.setToolTip("Turn the teacher into a student that is faster and often better.")
        self.denoise = QPushButton("Denoise layer")
        self.denoise.setToolTip("Denoise the layers chosen above with the model chosen above.")
        super().__init__(napari_viewer)
        self.picker.changed.connect(self.noise.clear)
        self.noise.changed.connect(self._on_changed)
        self.panel.idle.connect(self.noise.setVisible)  # makes room for the run
        self.next.clicked.connect(lambda: commands.open_widget(self.viewer, "Distill (RD)"))
        self.denoise.clicked.connect(self.denoise_chosen)
        self.models.changed.connect(self._on_model_chosen)
        self._on_model_chosen(self.models.name)

    def extra_widgets(self) -> tuple[list[QWidget], list[QWidget]]:
        """The noise report and the next steps."""
        self.noise = NoisePanel(lambda: self.picker.planes())
        return [self.noise], [self.next, self.denoise]

    def make_job(self, config: TrainConfig, path: Path) -> Job[Denoiser]:
        """Training on the chosen layers."""
        from ...core.training.checkpoint import Checkpoint
        from ...core.training.train import train

        return train(self.picker.planes(), config, checkpoint=Checkpoint(path))

    def automatic(self, config: TrainConfig) -> dict[str, Any]:
        """Values that the noise report chooses, if there is one."""
        if self.noise.report is None:
            return {}
        from ...core.model.pretrained import fits
        from ...core.training.auto_settings import settle_neighbours, settle_training

        noise, planes = self.noise.report, self.picker.planes()
        stack = settle_neighbours(config, planes.stack_axes, noise)
        settled = settle_training(config, noise, stack, pretrained=fits(config))
        return settled.config.model_dump(include=_BY_NOISE)

    def trial(self, config: TrainConfig) -> Callable[[], tuple[str, float]]:
        """Time a few steps on noise."""
        planes = self.picker.planes() if self.picker.layers.value else None
        channels, colours = (planes.channels, planes.colours) if planes else (1, False)

        def measure() -> tuple[str, float]:
            from ...core.training.estimate import describe_device, train_seconds

            seconds = train_seconds(config, channels, colours=colours)
            return describe_device(config.device), seconds

        return measure

    def _on_model_chosen(self, name: Any) -> None:
        self.next.setEnabled(bool(name))
        self.denoise.setEnabled(bool(name))
