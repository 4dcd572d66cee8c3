"""The models of this napari session, by name, and the one of them that is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from ...core.errors import UserError
from ..work.tell import tell
from . import store as model_store

if TYPE_CHECKING:
    from ...core.model.denoiser import Denoiser


@dataclass(frozen=True, eq=False)
class Entry:
    """A model of the session.

    Parameters
    ----------
    name : str
    model : Denoiser
    made : datetime
        When it was made; of a file, when that was written.
    path : Path or None
        The file that the user saved or loaded.
    kept : Path or None
        The copy that is kept automatically while there is no such file.
    """

    name: str
    model: Denoiser
    made: datetime
    path: Path | None = None
    kept: Path | None = None

    @property
    def is_saved(self) -> bool:
        """Whether there is a file of the user's; it may have been deleted by other programs."""
        return self.path is not None and self.path.exists()

    @property
    def is_kept(self) -> bool:
        """Whether there is a copy that is kept automatically; old ones are deleted."""
        return self.kept is not None and self.kept.exists()


class Models:
    """Named denoisers, oldest first; one of them is chosen, if there is any.

    Attributes
    ----------
    changed : Signal
        Emitted after any change of the models or of the choice.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._chosen = ""

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> Denoiser:
        return self._entries[name].model

    @property
    def chosen(self) -> str:
        """Name of the model that is used, and shown as such in every list; "" if there is none."""
        return self._chosen

    def choose(self, name: str) -> None:
        """Choose the model that is used."""
        if name != self._chosen:
            self._chosen = self._entries[name].name
            tell(self.changed)

    def entry(self, name: str) -> Entry:
        """All that is known of a model."""
        return self._entries[name]

    def add(
        self,
        name: str,
        model: Denoiser,
        *,
        path: Path | None = None,
        images: str = "",
        on_kept: Callable[[], object] = lambda: None,
    ) -> str:
        """Add a model and choose it; return its name, with a number where it was taken.

        Without a file of its own, a copy of it is kept in the background.

        Parameters
        ----------
        name : str
        model : Denoiser
        path : Path, optional
            The file that holds it.
        images : str
            What it learnt from, for people, such as a layer's name; its record keeps that.
        on_kept : callable
            Called when the copy is written.
        """
        if images:
            stage = "train" if model.is_teacher else "distill"
            facts = {**model.record.get(stage, {}), "images": images}
            model.record = {**model.record, stage: facts}
        entry = Entry(self._free(name), model, datetime.now(), path)
        self._add(entry)
        if path is None:
            self._keep(entry, on_kept)
        return entry.name

    def load(self, path: Path) -> str:
        """Read a model file and add it as `add_file` does.

        Raises
        ------
        UserError
            If it is not a model file.
        """
        from ...core.model.denoiser import load

        return self.add_file(path, load(path))

    def add_file(self, path: Path, model: Denoiser) -> str:
        """Add the model of a file under the file's name, and choose it; return the name.

        A model that is here already, of the same file, is chosen and not added again.
        """
        path = path.absolute()
        there = self._of_file(path)
        if there is not None and there.model.fingerprint() == model.fingerprint():
            self.choose(there.name)
            return there.name
        made = datetime.fromtimestamp(model_store.modified(path))
        is_copy = model_store.is_copy(path)
        places = {"kept": path} if is_copy else {"path": path}
        entry = Entry(self._free(path.stem), model, made, **places)
        self._add(entry)
        if not is_copy:
            self._note(path, entry.name)
        return entry.name

    def save(self, name: str, path: Path) -> None:
        """Write a model to a file of the user's; the copy that was kept is not needed any more.

        Raises
        ------
        UserError
            If the file cannot be written, or would be one of the copies, which are deleted in time.
        """
        entry, path = self._entries[name], path.absolute()
        if model_store.is_copy(path):
            raise UserError(f"{path.parent} is for autosaved models; choose another folder.")
        entry.model.save(path)
        self._entries[name] = replace(entry, path=path, kept=None)
        if entry.kept is not None:
            model_store.forget(entry.kept)
        self._note(path, name)
        tell(self.changed)

    def rename(self, old: str, new: str) -> str:
        """Rename a model; return its name, with a number where it was taken.

        The user's file keeps its name; the copy that is kept automatically follows.
        """
        if new == old or not new:
            return old
        new = self._free(new)
        entry = self._entries[old]
        kept = model_store.rename(entry.kept, new) if entry.kept is not None else None
        named = replace(entry, name=new, kept=kept)
        entries = [named if name == old else e for name, e in self._entries.items()]
        self._entries = {e.name: e for e in entries}
        self._chosen = new if self._chosen == old else self._chosen
        tell(self.changed)
        return new

    def remove(self, name: str) -> None:
        """Forget a model and the copy that was kept; the user's file stays.

        The newest of the others is chosen if it was the chosen one.
        """
        entry = self._entries.pop(name)
        if entry.kept is not None:
            model_store.forget(entry.kept)
        if self._chosen == name:
            self._chosen = next(reversed(self._entries), "")
        tell(self.changed)

    def teachers(self) -> list[str]:
        """Names of the models that can be distilled."""
        return [name for name in self if self[name].is_teacher]

    def teacher_of(self, name: str) -> str:
        """The teacher to distil: the model itself, or the one that it was made from, or the newest.

        "" if there is none.
        """
        if name and self[name].is_teacher:
            return name
        names, learnt = self.teachers(), self[name].record.get("train") if name else None
        same = [n for n in names if learnt is not None and self[n].record.get("train") == learnt]
        return next(reversed(same or names), "")

    def fitting(self, channels: int) -> list[str]:
        """Names of the best models for images with so many channels: students, else teachers."""
        fit = {name: self[name] for name in self if self[name].channels == channels}
        return [n for n, m in fit.items() if not m.is_teacher] or list(fit)

    def _add(self, entry: Entry) -> None:
        self._entries[entry.name] = entry
        self._chosen = entry.name
        tell(self.changed)

    def _keep(self, entry: Entry, on_kept: Callable[[], object] = lambda: None) -> None:
        """Keep a copy in the background; the entry, as it then is, learns where it lies."""

        def kept(path: Path) -> None:
            self._learn_place(entry.model, path)
            on_kept()

        model_store.keep(entry.name, entry.model, kept)

    def _learn_place(self, model: Denoiser, path: Path) -> None:
        entry = next((e for e in self._entries.values() if e.model is model), None)
        if entry is None or entry.path is not None:  # deleted or saved meanwhile
            model_store.forget(path)
            return
        self._entries[entry.name] = replace(entry, kept=model_store.rename(path, entry.name))
        tell(self.changed)

    def _note(self, path: Path, name: str) -> None:
        """A file now holds this model; one that it held before has no file, and is kept instead."""
        model_store.note_recent(path)
        for other in [e for e in self._entries.values() if e.path == path and e.name != name]:
            self._entries[other.name] = without = replace(other, path=None)
            self._keep(without)

    def _of_file(self, path: Path) -> Entry | None:
        return next((e for e in self._entries.values() if path in (e.path, e.kept)), None)

    def _free(self, name: str) -> str:
        number, free = 1, name
        while free in self._entries:
            number += 1
            free = f"{name} {number}"
        return free


session = Models()
