"""What the buttons of a list of models do with the chosen model; each raises a `UserError`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QWidget

from ....core.errors import UserError, cause
from ... import dialogs, preferences
from ...models import store as model_store
from ...models.loading import load_in_background
from ...models.session import session
from ...work.errand import Errand
from ...work.tell import tell

if TYPE_CHECKING:
    from ....core.model.denoiser import Denoiser

DELETE = "Delete"


def save(parent: QWidget) -> None:
    """Write the model to a file that the user names."""
    name = session.chosen
    start = f"{model_store.file_name(name)}{model_store.ENDING}"
    target = dialogs.save_file(parent, "Save model", start)
    if target is not None:
        target = _with_ending(target, model_store.ENDING)
        session.save(name, target)
        show_info(f"Saved {target.name}.")


def load(parent: QWidget) -> None:
    """Read a model from a file."""
    path = dialogs.open_file(parent, "Load model")
    if path is not None:
        load_in_background(path)


def rename(parent: QWidget) -> None:
    """Give the model another name; its file keeps its own."""
    new = dialogs.ask_text(parent, "Rename model", "Name:", session.chosen)
    if new:
        session.rename(session.chosen, new)


def export(parent: QWidget) -> None:
    """Write a student as a package that ilastik, deepImageJ and others read."""
    name = session.chosen
    start = f"{model_store.file_name(name)}.zip"
    target = dialogs.save_file(parent, "Export for bioimage.io", start, "Packages (*.zip)")
    if target is not None:
        target, model = _with_ending(target, ".zip"), session[name]
        show_info(f"Exporting {target.name}…")
        Errand(lambda: _exported(model, target, name), lambda end: end())


def delete(parent: QWidget) -> None:
    """Forget the model; ask where no file of the user's holds it."""
    entry = session.entry(session.chosen)
    if not entry.is_saved:
        also = " and its autosaved copy" if entry.is_kept else ""
        text = f"You have not saved {entry.name!r}. Delete it{also} for good?"
        if dialogs.ask(parent, "Delete model", text, [DELETE]) != DELETE:
            return
    session.remove(entry.name)


def show_folder(parent: QWidget) -> None:
    """Open the folder of models in the system's file manager."""
    folder = model_store.folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {folder}: {cause(error)}.") from error
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder.parent)))


def choose_folder(parent: QWidget) -> None:
    """Choose where models are kept; napari's preferences have no button for folders."""
    folder = dialogs.open_folder(parent, "Folder of models", "models")
    if folder is not None:
        preferences.choose_model_folder(folder)
        show_info("New models are kept there from now on.")


def delete_copies(parent: QWidget) -> None:
    """Delete all autosaved models."""
    paths, megabytes = model_store.copies(), model_store.used_bytes() / 1e6
    if not paths:
        show_info("There are no autosaved models.")
        return
    models = f"{len(paths)} autosaved model{'s' * (len(paths) != 1)}"
    text = (
        f"Delete {models} ({megabytes:.0f} MB)? Files that you saved stay. "
        "The models in the list stay until napari ends."
    )
    if dialogs.ask(parent, "Delete autosaved models", text, [DELETE]) == DELETE:
        for path in paths:
            model_store.forget(path)
        tell(session.changed)


def _exported(model: Denoiser, target: Path, name: str) -> Callable[[], object]:
    """Write the package, which takes seconds; return how to tell the user."""
    from ....files.bioimage_io import planes_alone, write_package

    try:
        write_package(model, target, name)
    except UserError as error:
        sentence = str(error)
        return lambda: show_error(sentence)
    except Exception as error:  # PyTorch raises what it likes on networks that it cannot trace
        sentence = f"Cannot export {target.name}: {cause(error)}."
        return lambda: show_error(sentence)
    said = " ".join(filter(None, (f"Exported {target.name}.", planes_alone(model))))
    return lambda: show_info(said)


def _with_ending(target: Path, ending: str) -> Path:
    """The file to write: "cells.v2" becomes "cells.v2.aprrd"."""
    if target.suffix.lower() == ending:
        return target
    named = target.with_name(f"{target.name}{ending}")
    if named.exists():  # the dialog asked about another name
        raise UserError(f"{named.name} is there already; choose it to replace it.")
    return named


def told(action: Callable[[], object]) -> None:
    """Do something that the user asked for; what is wrong is told in a sentence."""
    try:
        action()
    except UserError as error:
        show_error(str(error))
