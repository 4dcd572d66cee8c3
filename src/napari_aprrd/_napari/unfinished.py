"""The work of the widgets that was interrupted: where it is kept, and for how long."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformdirs import user_data_path

from ..core.errors import UserError

if TYPE_CHECKING:
    from ..core.data.planes import Planes
    from ..core.training.checkpoint import About


FOLDER = user_data_path("napari-aprrd", appauthor=False) / "interrupted"
MOST = 10  # pieces of work
MOST_BYTES = 2**30  # of all of them
MOST_DAYS = 30

_in_session: set[Path] = set()  # work whose model this session has


class Interrupted(NamedTuple):
    """Work to go on with."""

    path: Path
    about: About


def new_path(job: str) -> Path:
    """A free name for the checkpoint of a job, "train" or "distill"; old ones make room.

    Raises
    ------
    UserError
        If there can be no such folder.
    """
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {FOLDER}: {error.strerror}.") from error
    clean_up()
    return FOLDER / f"{job}-{uuid.uuid4().hex[:12]}.checkpoint"


def teacher_of(path: Path) -> Path:
    """Where the teacher of an interrupted distillation is kept."""
    return path.with_suffix(".aprrd")


def find(job: str, planes: Planes) -> Interrupted | None:
    """The latest work of this kind on these very images, which this session has no model of."""
    from ..core.model.provenance import identify
    from ..core.training.checkpoint import peek

    data = ""
    for path in _newest_first():
        if not path.name.startswith(f"{job}-") or path in _in_session:
            continue
        data = data or identify(planes)["sha256"]
        try:
            about = peek(path)
        except UserError:  # of another version
            continue
        if about.identity["data"] == data:
            return Interrupted(path, about)
    return None


def ended(path: Path) -> None:
    """The model is in this session; should it end without the model being saved, it is kept."""
    _in_session.add(path)


def used_bytes() -> int:
    """How much all of it takes."""
    return sum(path.stat().st_size for path in FOLDER.glob("*"))


def clean_up() -> None:
    """Delete what is old, and the oldest where there is too much."""
    total, oldest = 0, time.time() - MOST_DAYS * 86_400
    for number, path in enumerate(_newest_first()):
        pair = [p for p in (path, teacher_of(path)) if p.exists()]
        total += sum(p.stat().st_size for p in pair)
        if number >= MOST or total > MOST_BYTES or path.stat().st_mtime < oldest:
            for part in pair:
                part.unlink(missing_ok=True)


def _newest_first() -> list[Path]:
    """All work; what is just being written has a name that begins with a dot."""
    return sorted(FOLDER.glob("[!.]*.checkpoint"), key=lambda path: -path.stat().st_mtime)
