"""The input files of one command: where their outputs go, and the pictures that are open."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.atomic_files import check_name, check_not_input
from ..core.config import DenoiseConfig
from ..core.data.crops import is_large_enough
from ..core.errors import UserError
from ..core.noise.rounding import WORDS, Loss, loss_by_rounding
from ..denoise_arrays.at_once import output_dtype
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
        self.losses: dict[tuple[Path, str], Loss] = {}  # by rounding, of each file

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
    ask_for_float, ask_for_same : str
        What the user does for results of type float32, or of the type of the input, for sentences.
    opened : OpenPictures
        Those that were read last, so that each source is read once.
    """

    targets: dict[Path, Path]
    choice: Choice = EVERYTHING
    each: bool = False
    tell: Tell = field(default=say_nothing, compare=False, repr=False)
    ask_for_float: str = "--dtype float32"
    ask_for_same: str = "--dtype same"
    opened: OpenPictures = field(default_factory=OpenPictures, compare=False, repr=False)

    @classmethod
    def to(
        cls,
        inputs: Sequence[Path],
        out: Path,
        choice: Choice = EVERYTHING,
        each: bool = False,
        tell: Tell = say_nothing,
        ending: str = "",
    ) -> Files:
        """OUT is a file for one input, a folder for many.

        Outputs in a folder keep the format of their inputs, or have that of an `ending`.

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
        targets = {path: out if single else out / output_name(path, ending) for path in inputs}
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
        config, _ = self.with_dtype(path, picture, config)
        dtype = output_dtype(picture.data.dtype, config)
        shape = picture.data.shape
        check_format(target, dtype, picture.axes, shape).check_target(target)

    def with_dtype(
        self, path: Path, picture: Picture, config: DenoiseConfig
    ) -> tuple[DenoiseConfig, str]:
        """Settings with the type of an output, and a sentence where that is worth knowing.

        Where it was left automatic, it is float32 for a result of which whole numbers would leave
        nothing, if the format can hold that.
        """
        same = DenoiseConfig.of(config, dtype="same")
        if config.dtype == "float32" or picture.data.dtype.kind not in "iu":
            return (config if config.dtype else same), ""
        key = (path, file_stamp(path, self.choice))
        if key not in self.opened.losses:
            self.opened.losses[key] = loss_by_rounding(picture.as_planes)
        loss = self.opened.losses[key]
        if not loss:
            return same, ""
        exact = DenoiseConfig.of(config, dtype="float32")
        fits = _can_hold(self.targets[path], exact, picture)
        if loss == "black" and config.dtype is None and fits:
            name = picture.data.dtype.name
            keeps = f" ({self.ask_for_same} keeps {name})" if self.ask_for_same else ""
            return exact, f"{WORDS[loss]}: it is written as float32{keeps}."
        place = "" if fits else " in a .tif file"
        return same, f"{WORDS[loss]}: {self.ask_for_float} keeps it{place}."

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

    def alike(self, tell: Tell = say_nothing) -> Files:
        """Those that can be trained on together, and a sentence on each of the others."""
        pictures = {path: self.read(path) for path in self.targets}
        kept = alike(pictures, tell)
        return replace(self, targets={path: self.targets[path] for path in kept})

    def key(self, settings: dict[str, Any]) -> str:
        """The same for the same files and settings."""
        stamps = [file_stamp(path, self.choice) for path in self.targets]
        text = json.dumps([stamps, settings], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def alike(pictures: Mapping[Path, Picture], tell: Tell) -> list[Path]:
    """The pictures that can be trained on together: those with as many channels as most have.

    Parameters
    ----------
    pictures : mapping of Path to Picture
    tell : callable
        Gets a sentence on each of the others.

    Returns
    -------
    list of Path
        All of them if there is only one, or if none would be left.
    """
    planes = {path: picture.as_planes for path, picture in pictures.items()}
    large = [path for path, of in planes.items() if is_large_enough(of.size)]
    if len(pictures) < 2 or not large:
        return list(pictures)
    pixels = Counter({planes[path].channels: 0 for path in large})
    for path in large:
        pixels[planes[path].channels] += math.prod(map(int, pictures[path].data.shape))
    files = Counter(planes[path].channels for path in large)
    most = max(files, key=lambda channels: (files[channels], pixels[channels]))
    for path, of in planes.items():
        if path not in large:
            tell(f"{path} is not learnt from: it has only {of.size[0]} x {of.size[1]} pixels.")
        elif of.channels != most:
            tell(f"{path} is not learnt from: it has {of.channels} channel(s), the others {most}.")
    return [path for path in large if planes[path].channels == most]


def _can_hold(target: Path, config: DenoiseConfig, picture: Picture) -> bool:
    file_format = format_of(target)
    dtype = output_dtype(picture.data.dtype, config)
    return file_format is not None and not file_format.objection(dtype, picture.axes)
