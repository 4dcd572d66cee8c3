"""The input files of one command: where their outputs go, and the pictures that are open."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.atomic_files import check_name, check_not_input
from ..core.config import DenoiseConfig
from ..core.errors import UserError
from ..denoise_arrays import output_dtype
from .description import describe
from .formats import (
    IN_MEMORY,
    check_format,
    format_of,
    is_folder_of_images,
    output_name,
    read_chosen,
)
from .picture import EVERYTHING, Choice, Picture, file_stamp

# Some pictures hold their file open, and macOS lets a program open 256 files.
MOST_OPEN = 64

Tell = Callable[[str], Any]


def say_nothing(_: str) -> None:
    """Keep sentences from a caller that has nobody to tell."""


class OpenPictures:
    """The pictures that were used last; all in all no more than `IN_MEMORY` bytes of pixels.

    The last one is kept whatever its size: it is in use.
    """

    def __init__(self) -> None:
        self._pictures: OrderedDict[tuple[Path, str], Picture] = OrderedDict()
        self._described: set[tuple[Path, str]] = set()

    def read(self, path: Path, choice: Choice, in_memory: int, tell: Tell) -> Picture:
        """Open a picture unless it is open; one whose file has changed since is read again.

        Parameters
        ----------
        path : Path
        choice : Choice
            Of the part to read.
        in_memory : int
            As for `read_picture`.
        tell : callable
            Gets the sentence on how it was read, the first time.

        Raises
        ------
        UserError
            If it cannot be read.
        """
        key = (path, file_stamp(path, choice))
        picture = self._pictures.pop(key, None)
        if picture is None:
            picture = read_chosen(path, choice, in_memory)
        self._pictures[key] = picture
        if key not in self._described:
            self._described.add(key)
            tell(str(describe(picture)))
        self._close_the_oldest()
        return picture

    def _close_the_oldest(self) -> None:
        taken = [_bytes_in_memory(picture) for picture in self._pictures.values()]
        while len(taken) > 1 and (len(taken) > MOST_OPEN or sum(taken) > IN_MEMORY):
            self._pictures.popitem(last=False)
            del taken[0]


def _bytes_in_memory(picture: Picture) -> int:
    """What a picture takes of the memory: nothing where it is read window by window."""
    data = picture.data
    if not isinstance(data, np.ndarray) or isinstance(data, np.memmap):
        return 0
    return int(getattr(data.base, "nbytes", data.nbytes))  # a view keeps its whole array


@dataclass(frozen=True)
class Files:
    """Input files with what was said about them, and where their outputs go.

    Parameters
    ----------
    targets : dict of Path to Path
        Output for each input.
    choice : Choice
        Which part of each file to read.
    each : bool
        True: only one of them is needed at a time, so that it may take the memory of all.
    tell : callable
        Gets a sentence on how each file was read, once.
    opened : OpenPictures
        Those that were read last, so that each source is read once.
    """

    targets: dict[Path, Path]
    choice: Choice = EVERYTHING
    each: bool = False
    tell: Tell = field(default=say_nothing, compare=False, repr=False)
    opened: OpenPictures = field(default_factory=OpenPictures, compare=False, repr=False)

    @classmethod
    def to(
        cls,
        inputs: Sequence[Path],
        out: Path,
        choice: Choice = EVERYTHING,
        each: bool = False,
        tell: Tell = say_nothing,
    ) -> Files:
        """OUT is a file for one input, a folder for many.

        Raises
        ------
        UserError
            If an output would overwrite an input or another output.
        """
        check_name(out)
        into_folder = is_folder_of_images(out)
        single = len(inputs) == 1 and not into_folder
        if not single and not into_folder and format_of(out) is not None:
            raise UserError(f"{out} is the name of a file, for several inputs name a folder.")
        targets = {path: out if single else out / output_name(path) for path in inputs}
        for path, target in targets.items():
            check_not_input(target, [path])
        counts = Counter(target.resolve() for target in targets.values())
        twice = [target for target in targets.values() if counts[target.resolve()] > 1]
        if twice:
            raise UserError(f"Several inputs would be written to {twice[0]}; denoise them in turn.")
        if not single:
            try:
                out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"Cannot make the folder {out}: {error.strerror}.") from error
        return cls(targets, choice, each, tell)

    def read(self, path: Path) -> Picture:
        """Open one of the inputs, or get it where it is still open.

        Large ones are read window by window.
        """
        in_memory = IN_MEMORY if self.each else IN_MEMORY // len(self.targets)
        return self.opened.read(path, self.choice, in_memory, self.tell)

    def only(self, path: Path) -> Files:
        """One of the inputs, alone."""
        return replace(self, targets={path: self.targets[path]})

    def check(self, path: Path, picture: Picture, config: DenoiseConfig) -> None:
        """Make sure, before hours of work, that the output can be written.

        Raises
        ------
        UserError
            If it cannot.
        """
        target = self.targets[path]
        dtype = output_dtype(picture.data.dtype, config)
        shape = picture.data.shape
        check_format(target, dtype, picture.axes, shape).check_target(target)

    def usable(self, config: DenoiseConfig) -> Files:
        """Those that can be read, and whose outputs can be written.

        Raises
        ------
        UserError
            If there is none.
        """
        targets, first = {}, None
        for path, target in self.targets.items():
            try:
                self.check(path, self.read(path), config)
            except UserError as error:
                first = first or error
            else:
                targets[path] = target
        if first is not None and not targets:
            raise first
        return replace(self, targets=targets)

    def key(self, settings: dict[str, Any]) -> str:
        """The same for the same files and settings."""
        stamps = [file_stamp(path, self.choice) for path in self.targets]
        text = json.dumps([stamps, settings], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
