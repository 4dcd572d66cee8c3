"""Atomic writing: a file is either complete or does not exist."""

from __future__ import annotations

import glob
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from .errors import UserError

_PREFIX = ".writing-"  # temporary names: this, 8 random characters, and the final name
_RANDOM = 8  # characters that `tempfile` puts between
_LONGEST = 255  # bytes of a name, on all common file systems


def write_atomically(path: str | PathLike[str], write: Callable[[Path], Any]) -> None:
    """Let `write` make a temporary file beside the path, then move it into place.

    Raises
    ------
    UserError
        If the file cannot be written; no incomplete file is left behind.
    """
    path = Path(path)
    check_name(path)
    try:
        suffix = _fitting(path.name, len(_PREFIX) + _RANDOM)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX, suffix=suffix)
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


def hidden_beside(path: Path, start: str, end: str = "") -> Path:
    """A name in the same folder for what is not finished: a dot, `start`, the name, `end`.

    It is shortened where the file system could not take it.
    """
    name = path.name.lstrip(".")
    return path.with_name(f".{start}{_fitting(name, len(start) + len(end) + 1)}{end}")


def _fitting(name: str, more: int) -> str:
    """The name, or a short one of its own where `more` characters make it too long."""
    if len(os.fsencode(name)) + more <= _LONGEST:
        return name
    return f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}{Path(name).suffix[:16]}"


def check_name(path: Path) -> None:
    """Refuse names that no file can have.

    Raises
    ------
    UserError
    """
    if "\0" in str(path):
        raise UserError(f"No file can be named {str(path)!r}: it contains a NUL character.")
    if len(os.fsencode(path.name)) > _LONGEST:
        raise UserError(f"The name {path.name[:40]}... is too long: {_LONGEST} bytes is the limit.")


def remove_leftovers(path: Path) -> None:
    """Delete the temporary files of killed processes; no process may be writing them now."""
    name = _fitting(path.name, len(_PREFIX) + _RANDOM)
    for leftover in path.parent.glob(f"{_PREFIX}{'?' * _RANDOM}{glob.escape(name)}"):
        leftover.unlink(missing_ok=True)


def check_not_input(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that would replace an input, or a folder that contains one.

    Raises
    ------
    UserError
    """
    check_name(out)
    target = out.resolve()
    for path in inputs:
        source = path.resolve()
        try:
            same = target == source or (out.exists() and path.exists() and out.samefile(path))
        except OSError as error:  # folders that may not be looked into, paths that are too long
            raise cannot_write(out, error) from error
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
    check_name(path)
    if path.is_dir():
        raise UserError(f"Cannot write {path}: it is a folder; name a file in it.")
    remove_leftovers(path)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix="."):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error
