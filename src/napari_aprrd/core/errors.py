"""Errors for users: one sentence that says what is wrong and what to do."""

from __future__ import annotations

import errno
import unicodedata
from os import PathLike
from pathlib import Path

_LONGEST_CAUSE = 150  # characters of another library's message: about a line


class UserError(ValueError):
    """Wrong input or usage. The message is shown to the user as it is."""


class StoppedEarlyError(UserError):
    """A job was stopped by its user before there was anything to keep."""


class DataWarning(UserWarning):
    """Warning that images differ from those of the training, or that their axes were guessed."""


def cannot_read(
    path: str | PathLike[str], what: str, error: Exception, *, recognised: bool = False
) -> UserError:
    """Turn an error on reading a file into the sentence that fits it.

    It distinguishes a missing file, one without permission, one that does not fit into memory, a
    damaged and a foreign one.

    Parameters
    ----------
    path : path
    what : str
        What was expected, with its article: "a TIFF image".
    error : Exception
        As raised by the reader.
    recognised : bool
        Whether the file starts like the expected type: then it is damaged, not foreign.
    """
    # Libraries raise these without a number for files that are there but foreign, and EINVAL comes
    # from looking for a place that a cut file does not have.
    numbered = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)
    not_there = isinstance(error, (FileNotFoundError, NotADirectoryError))
    if not_there and not Path(path).exists():
        return UserError(f"There is no file {path}.")
    if isinstance(error, PermissionError):
        return UserError(f"There is no permission to read {path}.")
    if isinstance(error, IsADirectoryError):
        return UserError(f"{path} is a folder, not {what}.")
    if is_want_of_memory(error):
        return UserError(f"There is not enough memory to read {path}; close other programs.")
    if numbered and not not_there:
        return UserError(f"Cannot read {path}: {cause(error)}.")
    if recognised:
        return UserError(f"{path} is damaged or incomplete ({cause(error)}).")
    return UserError(f"{path} is not {what} ({cause(error)}).")


def printable(text: str) -> str:
    r"""A text on one line, with "\\n" for a line break in a file's name and the like."""
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        else char
        for char in text
    )


def is_want_of_memory(error: BaseException) -> bool:
    """Whether an error says that the machine has no memory left."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and "memory" in str(error).lower()


def cause(error: BaseException) -> str:
    """First sentence of an error's message, on one line; the error's type if it has none."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.split()).split(". ")[0].rstrip(".")  # the first sentence
    if len(line) > _LONGEST_CAUSE:
        line = f"{line[:_LONGEST_CAUSE]}..."
    return line or type(error).__name__
