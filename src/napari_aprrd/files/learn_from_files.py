"""Models that are trained on the files to be denoised, and kept until that is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..axes import JoinedPlanes
from ..core.atomic_files import hidden_beside
from ..core.jobs import Job, Parts, run
from ..core.model.denoiser import Denoiser, load
from ..core.training.checkpoint import Checkpoint, beside
from ..core.training.two_steps import configs_of, learn
from .batch import Listening, nobody_listens
from .inputs import Files

_KEPT = (".teacher.aprrd", ".aprrd")  # how the names of the models end until all is done


class LearningStoppedError(Exception):
    """Training or distilling was interrupted; the same call continues it.

    Parameters
    ----------
    checkpoint : Path
        Where what was learnt so far is kept.
    """

    def __init__(self, checkpoint: Path) -> None:
        super().__init__(f"What was learnt so far is kept in {checkpoint}.")
        self.checkpoint = checkpoint


@dataclass(frozen=True)
class Kept:
    """Where the models of some files are kept until all is done, should the program be killed."""

    teacher: Path
    student: Path

    @property
    def models(self) -> tuple[Path, Path]:
        """Both model files."""
        return self.teacher, self.student


@dataclass
class Learner:
    """Trains models on files; one for all of them, or one for each.

    Parameters
    ----------
    files : Files
        Their `each` says which.
    out : Path
        The output as given: a file or a folder.
    settings : dict
        Of training and distilling.
    listening : callable
        Opens a progress bar for each job.
    """

    files: Files
    out: Path
    settings: dict[str, Any]
    listening: Listening = nobody_listens
    _kept: dict[Path, Kept] = field(default_factory=dict, init=False)

    def model_for(self, path: Path) -> Denoiser:
        """Train and distil, or load what an earlier run has trained.

        Raises
        ------
        LearningStoppedError
            If it was interrupted.
        UserError
            If nothing can be learnt from the files.
        """
        files, kept = self._kept_for(path)
        if kept.student.exists():
            return load(kept.student)
        model = train_and_distill(files, self.settings, kept, self.listening)
        model.save(kept.student)
        return model

    def model_job(self, path: Path) -> Job[Denoiser]:
        """The same as a job, which ends with `LearningStoppedError` when it is told to stop."""
        files, kept = self._kept_for(path)
        if kept.student.exists():
            return load(kept.student)
        model = yield from learning(files, self.settings, kept)
        model.save(kept.student)
        return model

    def clean_up(self, failed: set[Path]) -> None:
        """Delete the models, except those of files that could not be written.

        Parameters
        ----------
        failed : set of Path
            Inputs for which the same command will be started again.
        """
        needed = {
            model for path in failed if path in self._kept for model in self._kept[path].models
        }
        for model in {model for kept in self._kept.values() for model in kept.models}:
            beside(model).unlink(missing_ok=True)
            if model not in needed:
                model.unlink(missing_ok=True)

    def _kept_for(self, path: Path) -> tuple[Files, Kept]:
        """The files that are learnt from for a file, and where their models are kept."""
        files = self.files.only(path) if self.files.each else self.files
        kept = self._place(files)
        if path in files.targets:  # else it is odd: starting the same command again is no help
            self._kept[path] = kept
        return files, kept

    def _place(self, files: Files) -> Kept:
        """Hidden files beside the output; other files or settings have other names."""
        target = next(iter(files.targets.values()))
        name = target.name if len(files.targets) == 1 else self.out.name
        place, key = target.with_name(name), files.key(self.settings)
        teacher, student = (hidden_beside(place, "", f".{key}{end}") for end in _KEPT)
        return Kept(teacher, student)


def train_and_distill(
    files: Files, settings: dict[str, Any], kept: Kept, listening: Listening = nobody_listens
) -> Denoiser:
    """Train a teacher on files and distil it, see `learning`, with a progress bar."""
    with listening() as listen:
        return run(learning(files, settings, kept), listen)


def learning(files: Files, settings: dict[str, Any], kept: Kept) -> Job[Denoiser]:
    """Train a teacher on files and distil it; each continues where it was killed.

    Parameters
    ----------
    files : Files
    settings : dict
        Of training and distilling; "minutes" is for both.
    kept : Kept
        Where the teacher is written, and the checkpoints beside.

    Yields
    ------
    Progress
        With the steps of each of both.

    Returns
    -------
    Denoiser
        The student, or the teacher where time was up before there was one.

    Raises
    ------
    LearningStoppedError
        If it was told to stop.
    """
    planes = JoinedPlanes([files.read(path).as_planes for path in files.targets])
    places = beside(kept.teacher), beside(kept.student)
    learnt = yield from learn(
        planes,
        *configs_of(settings),
        minutes=settings.get("minutes"),
        bar=Parts(),
        teacher=load(kept.teacher) if kept.teacher.exists() else None,
        checkpoints=(Checkpoint(places[0]), Checkpoint(places[1])),
        on_teacher=lambda teacher: teacher.save(kept.teacher),
    )
    if not learnt.stopped:
        return learnt.model
    # Stopped while targets were computed, there is the teacher and no checkpoint of the student.
    furthest = (places[1], kept.teacher)
    raise LearningStoppedError(next((path for path in furthest if path.exists()), places[0]))
