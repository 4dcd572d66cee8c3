"""Saving results from a dock: the dialog, and the writing in the background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QWidget

from ...core.errors import UserError
from .. import dialogs
from ..file_menu import DEFAULT, prepared
from .workers import Failure, Task

KINDS = "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr);;TIFF (*.tif)"


def save_layers(parent: QWidget, layers: list[Any]) -> None:
    """Ask for a name and write layers, several as the channels of one file, in the background."""
    if not layers:
        return
    path = dialogs.save_file(parent, "Save result", f"{layers[0].name}{DEFAULT}", KINDS)
    if path is None:
        return
    try:
        write = prepared(str(path), layers)
    except UserError as error:
        show_error(str(error))
        return
    _Writing(write, parent)


class _Writing:
    """Writes in the background and tells the end."""

    running: set[_Writing] = set()  # noqa: RUF012  keeps them alive until they end

    def __init__(self, write: Callable[[], Path], parent: QWidget) -> None:
        self.running.add(self)
        self._task = Task(write, self._on_written, owner=parent)

    def _on_written(self, written: Path | Failure) -> None:
        self.running.discard(self)
        _tell(written)


def _tell(written: Path | Failure) -> None:
    if isinstance(written, Failure):
        show_error(str(written.error))
    else:
        show_info(f"Saved {written.name}.")
