"""Base class of "Train APR" and "Distill (RD)"."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QWidget

from ...core.errors import UserError
from .. import commands
from ..docks import settle
from ..layers.preview import LivePreview
from ..models.session import session
from .common.folded import Folded
from .common.heading import Heading
from .common.scrolled import Scrolled
from .common.settings_form import C, SettingsForm
from .images.layer_picker import LayerPicker
from .models.model_list import ModelList
from .run.estimate import Estimate
from .run.resume_offer import ResumeOffer
from .run.run_panel import RunPanel
from .run.start_button import StartButton
from .run.time_picker import QualityPicker

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.jobs import Job
    from ...core.model.denoiser import Denoiser


class JobWidget(Scrolled, Generic[C]):
    """Layers, settings, an estimate, buttons that start and resume; the run; the models."""

    config_type: type[C]
    job: str  # "train" or "distill"
    start_text: str
    start_tip: str
    suffix: str  # of the names of models
    page: str  # of the docs

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = viewer
        self.picker = LayerPicker(viewer)
        self.quality = QualityPicker()
        self.form: SettingsForm[C] = SettingsForm(self.config_type, self._on_changed)
        self.estimate = Estimate()
        self.start = StartButton(self.start_text, self.start_tip)
        self.offer = ResumeOffer(self.job)
        self.panel = RunPanel()
        self.models = ModelList()
        self._arrange()
        self.quality.changed.connect(self._on_quality)
        self.picker.changed.connect(self._on_changed)
        self.picker.changed.connect(self._search_interrupted)
        self.start.clicked.connect(self._on_start)
        self.offer.accepted.connect(self._on_resume)
        self.panel.failed.connect(self.start.fail)
        self.panel.idle.connect(self._on_idle)
        self.panel.closed.connect(self._search_interrupted)
        self._on_quality()
        self._search_interrupted()
        settle(self, self.start_text, lambda: self.panel.run is not None)

    def make_job(self, config: C, path: Path) -> Job[Denoiser]:
        """Return the job to run; it continues from a checkpoint if there is one.

        Raises
        ------
        UserError
            If no layer is chosen.
        """
        raise NotImplementedError

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer's list of layers."""
        self.picker.reset_choices()
        self._on_changed()
        self._search_interrupted()

    def config(self) -> C:
        """The settings that the form shows."""
        return self.form.config(self.quality.minutes)

    def extra_widgets(self) -> tuple[list[QWidget], list[QWidget]]:
        """Widgets to put below the layers, and at the bottom."""
        return [], []

    def _arrange(self) -> None:
        top: list[QWidget]
        bottom: list[QWidget]
        top, bottom = self.extra_widgets()
        self.picker.add_row("Quality", self.quality)
        self.advanced = Folded("Advanced", self.form.container.native, "Show or hide all settings.")
        for widget in (
            Heading(self.start_text, self.page), self.picker, *top, self.estimate, self.start,
            self.offer, self.panel, self.advanced, Heading("Models", "tutorials/denoise/#models"),
            self.models, *bottom,
        ):  # fmt: skip
            self.content.addWidget(widget)
        self.content.addStretch()

    def _on_quality(self, *_: object) -> None:
        if self.quality.preset is not None:
            self.form.show_preset(self.quality.preset)
        self.form.use_budget(self.quality.minutes is not None)
        self._on_changed()

    def _on_changed(self, *_: object) -> None:
        """Estimate the time again, and show the values of automatic settings."""
        self.form.forget_automatic()
        with suppress(UserError):  # settings that contradict each other are reported at the start
            self.form.show_automatic(self.automatic(self.config()))
        if self.panel.run is None:
            self.start.allow(self.missing())
            self.estimate.of(lambda: self.trial(self.config()))

    def missing(self) -> str:
        """What must be done before the start; empty if nothing."""
        try:
            self.picker.planes()
        except UserError as error:
            return str(error)
        return ""

    def automatic(self, config: C) -> dict[str, Any]:
        """Values that automatic settings have, as far as they are known before the start."""
        return {}

    def trial(self, config: C) -> Any:
        """A function that estimates the seconds of the job, for another thread."""
        raise NotImplementedError

    def denoise_chosen(self) -> None:
        """Denoise the chosen layers with the chosen model."""
        commands.denoise_layers(self.viewer, self.picker.layers.value)

    def _search_interrupted(self, *_: object) -> None:
        if self.panel.run is None:
            self.offer.search(lambda: self.picker.planes())

    def _on_start(self) -> None:
        from ..work.unfinished import new_path

        self._run(lambda: (self.config(), new_path(self.job)))

    def _on_resume(self) -> None:
        path, about = self.offer.found
        given = about.identity["config"]
        self._run(lambda: (self.config_type.of(**given, device=self.config().device), path))

    def _run(self, what: Callable[[], tuple[C, Path]]) -> None:
        try:
            config, path = what()
            job = self.make_job(config, path)
            layer = self.picker.chosen()[0]
            preview = LivePreview(self.viewer, layer)
        except UserError as error:
            self.start.fail(str(error))
            return
        images = layer.name
        title = f"{images} {self.suffix}"
        self.panel.start(job, title, lambda model: self._on_model(images, model, path), preview)

    def _on_model(self, images: str, model: Denoiser, path: Path) -> None:
        from ..work import unfinished

        unfinished.ended(self.job, path)  # also after "Finish now": the user has what there is
        session.add(
            f"{images} {self.suffix}", model, images=images, on_kept=lambda: unfinished.forget(path)
        )
        show_info("The new model is ready, and selected.")

    def _on_idle(self, idle: bool) -> None:
        for part in (self.start, self.estimate):
            part.setVisible(idle)
        if not idle:
            self.estimate.say("")
            self.offer.withdraw()
