"""Reading models from files, without a window that stands still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error

from ...core.errors import UserError
from ..work.errand import Errand
from .session import session

if TYPE_CHECKING:
    from ...core.model.denoiser import Denoiser


def load_in_background(path: Path, on_loaded: Callable[[str], object] = lambda name: None) -> None:
    """Add the model of a file to the session; a sentence tells where it cannot be read.

    Parameters
    ----------
    path : Path
    on_loaded : callable
        Receives the model's name in the session.
    """

    def done(result: Denoiser | UserError) -> None:
        if isinstance(result, UserError):
            show_error(str(result))
        else:
            on_loaded(session.add_file(path, result))

    Errand(lambda: _read(path), done)


def _read(path: Path) -> Denoiser | UserError:
    from ...core.model.denoiser import load  # imports PyTorch, which takes seconds the first time

    try:
        return load(path)
    except UserError as error:
        return error
