"""Store of interrupted training and distillation of the widgets."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from napari.utils.notifications import show_warning

from ...core.errors import UserError, cause
from .. import preferences
from ..models.store import modified, size

if TYPE_CHECKING:
    from ...core.data.planes import Planes
    from ...core.training.checkpoint import About


# The store must not grow for ever; these limits are chosen, not measured.
MOST = 10  # interrupted runs
MOST_BYTES = 2**30  # size of all of them
MOST_DAYS = 30  # age

_not_offered: set[Path] = set()  # in this session, which has a model of these images


class Interrupted(NamedTuple):
    """A run that can be resumed."""

    path: Path
    about: About


def folder() -> Path:
    """Where the runs lie; it may not exist yet."""
    return preferences.DATA / "interrupted"


def new_path(job: str) -> Path:
    """Return a free path for the checkpoint of a job, "train" or "distill"; delete old ones.

    Raises
    ------
    UserError
        If the folder cannot be made.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        clean_up()
    except OSError as error:
        raise UserError(f"Cannot write to the folder {folder()}: {cause(error)}.") from error
    return folder() / f"{job}-{uuid.uuid4().hex[:12]}.checkpoint"


def teacher_of(path: Path) -> Path:
    """Path of the teacher of an interrupted distillation."""
    return path.with_suffix(".aprrd")


def find(job: str, planes: Planes) -> Interrupted | None:
    """Find the latest run of a job on these very images that this session has not replaced."""
    from ...core.model.provenance import identify

    data = ""
    for run in _runs(job):
        if run.path not in _not_offered:
            data = data or identify(planes)["sha256"]
            if run.about.identity["data"] == data:
                return run
    return None


def ended(job: str, path: Path) -> None:
    """Offer neither this run nor older ones on its images in this session, which has its model.

    They stay on disk: an older one may be of many more steps.
    """
    _not_offered.add(path)
    runs = list(_runs(job))
    data = {run.about.identity["data"] for run in runs if run.path == path}
    _not_offered.update(run.path for run in runs if run.about.identity["data"] in data)


def forget(path: Path) -> None:
    """Delete a run."""
    try:
        for part in (path, teacher_of(path)):
            part.unlink(missing_ok=True)
    except OSError as error:
        show_warning(f"Cannot delete {path}: {cause(error)}.")


def used_bytes() -> int:
    """Size of the whole store."""
    return sum(size(path) for path in folder().glob("*"))


def clean_up() -> None:
    """Delete old runs, and the oldest ones if there are too many or they are too large."""
    total, oldest = 0, time.time() - MOST_DAYS * 86_400
    for number, path in enumerate(_newest_first()):
        pair = [p for p in (path, teacher_of(path)) if p.exists()]
        total += sum(map(size, pair))
        if number >= MOST or total > MOST_BYTES or modified(path) < oldest:
            for part in pair:
                part.unlink(missing_ok=True)


def _runs(job: str) -> list[Interrupted]:
    """Runs of a job, newest first; those of other versions are left out."""
    from ...core.training.checkpoint import peek

    runs = []
    for path in _newest_first():
        if path.name.startswith(f"{job}-"):
            try:
                runs.append(Interrupted(path, peek(path)))
            except UserError:
                continue
    return runs


def _newest_first() -> list[Path]:
    """All runs; files that are just being written are left out, as their names start with a dot."""
    return sorted(folder().glob("[!.]*.checkpoint"), key=modified, reverse=True)
