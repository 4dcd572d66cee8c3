"""What "Train APR" and "Distill (RD)" have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from .._models import session
from .._preview import LivePreview
from .._settings import default_preset
from ..core.config import DistillConfig
from ..core.errors import UserError
from .estimate import Estimate
from .layer_picker import LayerPicker
from .model_list import ModelList
from .quality_picker import QualityPicker
from .run_panel import RunPanel
from .settings_form import C, SettingsForm

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ..core.denoiser import Denoiser
    from ..core.progress import Job


class JobWidget(QWidget, Generic[C]):
    """Layers, settings, an estimate, a button that starts; the run; the models."""

    config_type: type[C]
    start_text: str
    start_tip: str
    suffix: str  # of the names of models

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = viewer
        self.picker = LayerPicker(viewer)
        self.quality = QualityPicker()
        self.form: SettingsForm[C] = SettingsForm(self.config_type, self._on_changed)
        self.estimate = Estimate()
        self.start = QPushButton(self.start_text)
        self.start.setToolTip(self.start_tip)
        self.panel = RunPanel()
        self.models = ModelList(teachers_only=self.config_type is DistillConfig)
        self._arrange()
        self.quality.changed.connect(self._on_quality)
        self.picker.changed.connect(self._on_changed)
        self.start.clicked.connect(self._on_start)
        self.panel.idle.connect(self._on_idle)
        self.form.show_preset(default_preset())
        self._on_changed()

    def make_job(self, config: C) -> Job[Denoiser]:
        """The job to run."""
        raise NotImplementedError

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer's list of layers."""
        self.picker.reset_choices()
        self._on_changed()

    def config(self) -> C:
        """The settings that the form shows."""
        return self.form.config(self.quality.minutes)

    def extra_widgets(self) -> tuple[list[QWidget], list[QWidget]]:
        """What to put below the layers and at the bottom."""
        return [], []

    def _arrange(self) -> None:
        top: list[QWidget]
        bottom: list[QWidget]
        top, bottom = self.extra_widgets()
        models = QLabel("Teachers" if self.models.teachers_only else "Models of this session")
        layout = QVBoxLayout(self)
        for widget in (
            self.picker, *top, self.quality.native, self.form.folded(), self.estimate,
            self.start, self.panel, models, self.models, *bottom,
        ):  # fmt: skip
            layout.addWidget(widget)
        layout.addStretch()

    def _on_quality(self, *_: object) -> None:
        if self.quality.preset is not None:
            self.form.show_preset(self.quality.preset)
        self._on_changed()

    def _on_changed(self, *_: object) -> None:
        """Estimate the time anew, when settings and layers allow."""
        if self.panel.run is None:
            self.estimate.of(lambda: self.trial(self.config()))

    def trial(self, config: C) -> Any:
        """A function that estimates the seconds of the job, for another thread."""
        raise NotImplementedError

    def _on_start(self) -> None:
        try:
            config = self.config()
            job = self.make_job(config)
            layer = self.picker.chosen()[0]
            preview = LivePreview(self.viewer, layer)
        except UserError as error:
            show_error(str(error))
            return
        name = f"{layer.name} {self.suffix}"
        self.panel.start(job, name, lambda model: self._on_model(name, model), preview)

    def _on_model(self, name: str, model: Denoiser) -> None:
        name = session.add(name, model)
        self.models.choose(name)
        show_info(f"Model {name!r} is ready.")

    def _on_idle(self, idle: bool) -> None:
        self.start.setEnabled(idle)
        if not idle:
            self.estimate.say("")
