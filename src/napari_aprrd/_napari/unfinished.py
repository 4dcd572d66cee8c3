"""Store of interrupted training and distillation of the widgets."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import UserError, cause
from . import preferences

if TYPE_CHECKING:
    from ..core.data.planes import Planes
    from ..core.training.checkpoint import About


# The store must not grow for ever; these limits are chosen, not measured.
MOST = 10  # interrupted runs
MOST_BYTES = 2**30  # size of all of them
MOST_DAYS = 30  # age

_in_session: set[Path] = set()  # runs whose model is in this session


def folder() -> Path:
    """Where the runs lie; it may not exist yet."""
    return preferences.DATA / "interrupted"


class Interrupted(NamedTuple):
    """A run that can be resumed."""

    path: Path
    about: About


def new_path(job: str) -> Path:
    """Return a free path for the checkpoint of a job, "train" or "distill"; delete old ones.

    Raises
    ------
    UserError
        If the folder cannot be made.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {folder()}: {cause(error)}.") from error
    clean_up()
    return folder() / f"{job}-{uuid.uuid4().hex[:12]}.checkpoint"


def teacher_of(path: Path) -> Path:
    """Path of the teacher of an interrupted distillation."""
    return path.with_suffix(".aprrd")


def find(job: str, planes: Planes) -> Interrupted | None:
    """Find the latest run of a job on these very images whose model is not in this session."""
    from ..core.model.provenance import identify
    from ..core.training.checkpoint import peek

    data = ""
    for path in _newest_first():
        if not path.name.startswith(f"{job}-") or path in _in_session:
            continue
        data = data or identify(planes)["sha256"]
        try:
            about = peek(path)
        except UserError:  # written by another version
            continue
        if about.identity["data"] == data:
            return Interrupted(path, about)
    return None


def ended(path: Path) -> None:
    """Do not offer this checkpoint again in this session.

    It stays on disk in case the model is never saved.
    """
    _in_session.add(path)


def used_bytes() -> int:
    """Size of the whole store."""
    return sum(path.stat().st_size for path in folder().glob("*"))


def clean_up() -> None:
    """Delete old runs, and the oldest ones if there are too many or they are too large."""
    total, oldest = 0, time.time() - MOST_DAYS * 86_400
    for number, path in enumerate(_newest_first()):
        pair = [p for p in (path, teacher_of(path)) if p.exists()]
        total += sum(p.stat().st_size for p in pair)
        if number >= MOST or total > MOST_BYTES or path.stat().st_mtime < oldest:
            for part in pair:
                part.unlink(missing_ok=True)


def _newest_first() -> list[Path]:
    """All runs; files that are just being written are left out, as their names start with a dot."""
    return sorted(folder().glob("[!.]*.checkpoint"), key=lambda path: -path.stat().st_mtime)
