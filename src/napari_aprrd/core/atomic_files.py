"""Atomic writing: a file is either complete or does not exist."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from .errors import UserError

_PREFIX = ".writing-"  # temporary names: this, 8 random characters, and the final name


def write_atomically(path: str | PathLike[str], write: Callable[[Path], Any]) -> None:
    """Let `write` make a temporary file beside the path, then move it into place.

    Raises
    ------
    UserError
        If the file cannot be written; no incomplete file is left behind.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX, suffix=path.name)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            _flush(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def _flush(path: Path) -> None:
    """Wait until the data is on disk, so that a power cut leaves the old or the new file."""
    if path.is_dir() and os.name == "nt":  # Windows cannot flush folders
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError) -> UserError:
    """Error for a file that cannot be written."""
    return UserError(f"Cannot write {path}: {error.strerror or error}.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def remove_leftovers(path: Path) -> None:
    """Delete the temporary files of killed processes; no process may be writing them now."""
    for leftover in path.parent.glob(f"{_PREFIX}{'?' * 8}{glob.escape(path.name)}"):
        leftover.unlink(missing_ok=True)


def check_not_input(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that would replace an input, or a folder that contains one.

    Raises
    ------
    UserError
    """
    target = out.resolve()
    for path in inputs:
        source = path.resolve()
        same = target == source or (out.exists() and path.exists() and out.samefile(path))
        if same or target in source.parents:
            raise UserError(f"The output would overwrite the input {path}; name another.")


def check_writable(path: str | PathLike[str]) -> None:
    """Make sure, before hours of work, that a file can be written there.

    Raises
    ------
    UserError
        If the folder is missing or may not be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"Cannot write {path}: it is a folder; name a file in it.")
    remove_leftovers(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix="."):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error
