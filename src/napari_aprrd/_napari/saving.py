"""Saving results from a dock: the dialog, and the writing in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QFileDialog, QWidget

from ..core.errors import UserError
from .file_menu import DEFAULT, prepared
from .preferences import remember, remembered
from .workers import Failure, Task

FILTER = "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr);;TIFF (*.tif)"


def save_layers(parent: QWidget, layers: list[Any]) -> None:
    """Ask for a name and write layers, several as the channels of one file, in the background."""
    if not layers:
        return
    start = Path(remembered("result_folder", str(Path.home()))) / f"{layers[0].name}{DEFAULT}"
    path, _ = QFileDialog.getSaveFileName(parent, "Save result", str(start), FILTER)
    if not path:
        return
    remember("result_folder", str(Path(path).parent))
    try:
        write = prepared(path, layers)
    except UserError as error:
        show_error(str(error))
        return

    def on_done(written: Any) -> None:
        if isinstance(written, Failure):
            show_error(str(written.error))
        else:
            show_info(f"Saved {Path(written).name}.")

    Task(write, on_done, owner=parent)
