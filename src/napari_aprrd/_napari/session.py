"""The models of this napari session, by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

if TYPE_CHECKING:
    from ..core.model.denoiser import Denoiser


class Models:
    """Named denoisers, oldest first.

    Attributes
    ----------
    changed : Signal
        Emitted after any change.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._models: dict[str, Denoiser] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._models))

    def __len__(self) -> int:
        return len(self._models)

    def __getitem__(self, name: str) -> Denoiser:
        return self._models[name]

    def add(self, name: str, model: Denoiser) -> str:
        """Add a model; return its name, with a number where it was taken."""
        name = self._free(name)
        self._models[name] = model
        self.changed.emit()
        return name

    def load(self, path: Path) -> str:
        """Add the model of a file under the file's name.

        Raises
        ------
        UserError
            If it is not a model file.
        """
        from ..core.model.denoiser import load

        return self.add(path.stem, load(path))

    def rename(self, old: str, new: str) -> str:
        """Rename a model; return its name, with a number where it was taken."""
        if new == old or not new:
            return old
        new = self._free(new)
        self._models = {new if name == old else name: m for name, m in self._models.items()}
        self.changed.emit()
        return new

    def remove(self, name: str) -> None:
        """Forget a model."""
        del self._models[name]
        self.changed.emit()

    def teachers(self) -> list[str]:
        """Names of the models that can be distilled."""
        return [name for name, model in self._models.items() if model.is_teacher]

    def fitting(self, channels: int) -> list[str]:
        """Names of the best models for images with so many channels: students, else teachers."""
        fit = {n: m for n, m in self._models.items() if m.channels == channels}
        return [n for n, m in fit.items() if not m.is_teacher] or list(fit)

    def _free(self, name: str) -> str:
        number, free = 1, name
        while free in self._models:
            number += 1
            free = f"{name} {number}"
        return free


session = Models()
