"""The widget "Distill (RD)"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QPushButton, QWidget

from ...core.config import DistillConfig
from ...core.errors import UserError
from ..models.session import session
from .job_widget import JobWidget

if TYPE_CHECKING:
    import napari

    from ...core.data.planes import Planes
    from ...core.jobs import Job
    from ...core.model.denoiser import Denoiser


class DistillWidget(JobWidget[DistillConfig]):
    """Distil a teacher into a plain, fast student."""

    config_type = DistillConfig
    job = "distill"
    start_text = "Distill (RD)"
    start_tip = "Distil the chosen teacher on the chosen layers."
    suffix = "student"
    page = "how-it-works/#rd-one-student-from-many-outputs"

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.denoise = QPushButton("Next: Denoise layer")
        self.denoise.setToolTip("Denoise the layers chosen above with the model chosen above.")
        super().__init__(napari_viewer)
        self.denoise.clicked.connect(self.denoise_chosen)
        self.models.changed.connect(self._on_model_chosen)
        self._on_model_chosen(self.models.name)

    def extra_widgets(self) -> tuple[list[QWidget], list[QWidget]]:
        """Which teacher is distilled, and the next step."""
        self.teacher_name = QLabel()
        self.teacher_name.setWordWrap(True)
        return [self.teacher_name], [self.denoise]

    def missing(self) -> str:
        """The layers, or a teacher."""
        if missing := super().missing():
            return missing
        try:
            self.teacher()
        except UserError as error:
            return str(error)
        return ""

    def teacher(self) -> Denoiser:
        """The chosen teacher, the one that the chosen student was made from, or the newest.

        Raises
        ------
        UserError
            If there is none.
        """
        name = session.teacher_of(session.chosen)
        if not name:
            raise UserError("Train a teacher first (Train APR), or load one.")
        return session[name]

    def make_job(self, config: DistillConfig, path: Path) -> Job[Denoiser]:
        """Distillation on the chosen layers; a resumed one keeps the teacher it started with."""
        from ...core.model.denoiser import load
        from ...core.training.checkpoint import Checkpoint
        from ...core.training.distill import distill
        from ..work.unfinished import teacher_of

        resumed = path.exists()
        teacher = load(teacher_of(path)) if resumed else self.teacher()
        planes = self.picker.planes()
        if not resumed:
            teacher.save(teacher_of(path))
        return _compared(teacher, planes, distill(teacher, planes, config, Checkpoint(path)))

    def automatic(self, config: DistillConfig) -> dict[str, Any]:
        """Automatic values for the chosen teacher."""
        teacher = self.teacher()  # first: without a teacher, nothing has to be imported

        from ...core.training.auto_settings import settle_distillation

        settled = settle_distillation(config, teacher.shifts, teacher.views)
        return settled.config.model_dump(include={"shifts", "targets", "recharge", "loss"})

    def trial(self, config: DistillConfig) -> Callable[[], tuple[str, float]]:
        """Time a few steps on noise."""
        teacher = self.teacher()

        def measure() -> tuple[str, float]:
            from ...core.training.estimate import describe_device, distill_seconds

            return describe_device(config.device), distill_seconds(teacher, config)

        return measure

    def _on_model_chosen(self, chosen: str) -> None:
        self.teacher_name.setText(f"Teacher: {session.teacher_of(chosen) or 'none yet'}")
        self._on_changed()


def _compared(teacher: Denoiser, planes: Planes, job: Job[Denoiser]) -> Job[Denoiser]:
    """Run the job; first report, in its thread, if the planes differ from the teacher's."""
    from ...core.jobs import Progress
    from ...core.trust.domain_shift import misfit, missing_neighbours

    for compare in (misfit, missing_neighbours):
        if said := compare(teacher, planes):
            yield Progress("Compare", 0, 1, 0.0, note=said)
    return (yield from job)
