"""Copies of new models that are kept without being asked, and the files that were used last."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning

from ...core.errors import UserError, cause
from ..preferences import model_folder, remember, remembered
from ..work.errand import Errand

if TYPE_CHECKING:
    from ...core.model.denoiser import Denoiser

# The store must not grow for ever; these limits are chosen, not measured. A model takes about 5 MB.
MOST = 50  # copies
MOST_BYTES = 2**30  # size of all of them
MOST_RECENT = 8  # files that are offered again
LONGEST = 150  # bytes of a name; file systems take 255, with the ending and a temporary prefix
ENDING = ".aprrd"
# What Windows refuses in names, alone or as the whole name.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def folder() -> Path:
    """Where the copies lie; it may not exist yet."""
    return model_folder() / "autosaved"


def is_copy(path: Path) -> bool:
    """Whether a file is one of the copies, and not the user's own."""
    return path.parent == folder().absolute()


def keep(name: str, model: Denoiser, on_kept: Callable[[Path], None]) -> None:
    """Write a copy of a model in the background; a sentence says so where it cannot be written.

    Parameters
    ----------
    name : str
    model : Denoiser
    on_kept : callable
        Receives the copy's path, in the thread that called this.
    """
    place = folder().absolute()  # the preferences are napari's, which has one thread

    def done(result: Path | UserError) -> None:
        if isinstance(result, Path):
            on_kept(result)
        else:
            show_warning(f"{name!r} cannot be autosaved, use Save…: {result}")

    Errand(lambda: _written(place, name, model), done)


def copies() -> list[Path]:
    """All copies, newest first."""
    return _newest_first(folder().absolute())


def used_bytes() -> int:
    """Size of all copies."""
    return sum(size(path) for path in copies())


def forget(path: Path) -> None:
    """Delete a copy."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        show_warning(f"Cannot delete {path}: {cause(error)}.")


def rename(path: Path, name: str) -> Path:
    """Rename a copy, as its model is called now; return its path, the old one if that fails."""
    if path.stem == file_name(name):
        return path
    try:
        return path.replace(_claimed(path.parent, name))
    except OSError:  # it was deleted meanwhile, or the folder is read-only: only its name is old
        return path


def file_name(name: str) -> str:
    """A model's name as every system accepts it in the name of a file, without the ending."""
    text = _REFUSED.sub("_", unicodedata.normalize("NFC", name))
    text = text.encode("utf-8", "ignore")[:LONGEST].decode("utf-8", "ignore").strip(" .")
    return f"{text}_" if _DEVICES.fullmatch(text) else text or "model"


def note_recent(path: Path) -> None:
    """Remember a file that was saved or loaded, to offer it again."""
    paths = [str(path), *(p for p in _noted() if p != str(path))]
    remember("recent models", paths[:MOST_RECENT])


def modified(path: Path) -> float:
    """When a file was written, in seconds since 1970; 0 if it is not there any more."""
    return float(_stat(path, "st_mtime"))


def recent() -> list[Path]:
    """The newest copies and files that were saved or loaded, newest first; all of them exist."""
    paths = {Path(noted) for noted in _noted()} | set(copies())
    return sorted(filter(_is_file, paths), key=modified, reverse=True)[:MOST_RECENT]


def clean_up(place: Path) -> None:
    """Delete the oldest copies if there are too many, or if they are too large."""
    total = 0
    for number, path in enumerate(_newest_first(place)):
        total += size(path)
        if number >= MOST or (total > MOST_BYTES and number > 0):
            path.unlink(missing_ok=True)


def _written(place: Path, name: str, model: Denoiser) -> Path | UserError:
    try:
        place.mkdir(parents=True, exist_ok=True)
        path = _claimed(place, name)
        try:
            model.save(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        clean_up(place)
    except OSError as error:
        return UserError(f"{place}: {cause(error)}.")
    except UserError as error:
        return error
    return path


def _claimed(place: Path, name: str) -> Path:
    """A free path, claimed with an empty file: two windows of napari may write at once."""
    number, stem = 1, file_name(name)
    while True:
        path = place / f"{stem}{f' {number}' if number > 1 else ''}{ENDING}"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


def _noted() -> list[str]:
    paths: list[object] = remembered("recent models", [])
    return [path for path in paths if isinstance(path, str)]


def _newest_first(place: Path) -> list[Path]:
    """Copies; files that are just being written are left out, as their names start with a dot."""
    return sorted(place.glob(f"[!.]*{ENDING}"), key=modified, reverse=True)


def size(path: Path) -> int:
    """Size of a file in bytes; 0 if it is not there any more."""
    return int(_stat(path, "st_size"))


def _is_file(path: Path) -> bool:
    return size(path) > 0  # an empty one is claimed, and just being written


def _stat(path: Path, what: str) -> Any:
    try:
        return getattr(path.stat(), what)
    except (OSError, ValueError):  # deleted meanwhile, on a drive that is gone, or no path at all
        return 0
