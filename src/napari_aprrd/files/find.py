"""Which files the inputs of a command name: files themselves, the images in folders, globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..core.atomic_files import check_name
from ..core.errors import UserError, cannot_read
from .file_format import FileFormat

FormatOf = Callable[[Path], FileFormat | None]
Tell = Callable[[str], object]

_MOST_NAMED = 3  # files in a sentence; of more, the others are counted
_SAVE_AS = "no reader for them: save them as OME-TIFF, with the microscope's program or Fiji"
# Endings of images that no format here reads. What else is in a folder is left out silently.
_OTHER_IMAGES = (
    *(".dm3", ".dm4", ".ets", ".flex", ".ics", ".ids", ".ims", ".lof", ".mrc", ".mrxs", ".mvd2"),
    *(".ndpi", ".oib", ".oif", ".oir", ".scn", ".sld", ".sldy", ".spe", ".svs", ".vsi"),
    *(".xlif", ".zvi", ".bmp", ".dcm", ".gif", ".h5", ".hdf5", ".mat", ".nii", ".nrrd", ".webp"),
)


class _LeftOut:
    """Files that are not read, by the reason."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, path: Path, reason: str) -> None:
        self._names.setdefault(reason, []).append(path.name)

    def __str__(self) -> str:
        return " ".join(f"{_listed(names)} left out, {why}." for why, names in self._names.items())

    def __bool__(self) -> bool:
        return bool(self._names)


def find(inputs: Sequence[str], format_of: FormatOf, tell: Tell) -> list[Path]:
    """Files that the inputs name, each once, in the order in which they were named.

    Parameters
    ----------
    inputs : sequence of str
        As the shell gives them, or as it leaves them: "~" and globs are understood.
    format_of : callable
        The format of a name.
    tell : callable
        Gets a sentence on images that are left out.

    Raises
    ------
    UserError
        If an input names nothing.
    """
    found: dict[Path, Path] = {}
    for name in inputs:
        left_out = _LeftOut()
        files = _named(name, format_of, left_out)
        if not files:
            raise UserError(f"There are no images in {name}. {left_out}".rstrip())
        if left_out:
            tell(f"{name}: {left_out}")
        for path in files:
            found.setdefault(path.absolute(), path)
    return _first_of_each(list(found.values()), format_of, tell)


def _named(name: str, format_of: FormatOf, left_out: _LeftOut) -> list[Path]:
    """Files that one input names."""
    if not name.strip():
        raise UserError("An input is an empty name; name a file, a folder or a glob.")
    path = at_home(Path(name))
    check_name(path)
    try:
        return _paths(path, format_of, left_out)
    except OSError as error:  # folders that may not be looked into, names that are too long
        raise cannot_read(path, "an image", error) from error


def _paths(path: Path, format_of: FormatOf, left_out: _LeftOut) -> list[Path]:
    if not path.exists() and glob.has_magic(path.name if path.parent.exists() else str(path)):
        return _matching(path, format_of, left_out)
    if _is_folder_of_images(path, format_of):
        return _inside(path, format_of, left_out)
    return [path]


def at_home(path: Path) -> Path:
    """The path with "~" replaced by the home folder, unless there is a file of that name."""
    if not str(path).startswith("~") or os.path.lexists(path):
        return path
    try:
        return path.expanduser()
    except (RuntimeError, ValueError):  # no such user, no such name
        return path


def _is_folder_of_images(path: Path, format_of: FormatOf) -> bool:
    return path.is_dir() and not _is_image_folder(path, format_of)


def _is_image_folder(path: Path, format_of: FormatOf) -> bool:
    """Whether a folder of this name is an image itself."""
    file_format = format_of(path)
    return file_format is not None and file_format.is_folder


def _inside(folder: Path, format_of: FormatOf, left_out: _LeftOut) -> list[Path]:
    """Images in a folder, without those in its folders."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise cannot_read(folder, "a folder with images", error) from error
    # Names with a dot are what programs keep for themselves: "._cells.tif" of macOS, half a file.
    return _images(paths, format_of, left_out, hidden=False)


def _matching(pattern: Path, format_of: FormatOf, left_out: _LeftOut) -> list[Path]:
    """Images that a glob matches, and those in folders that it matches."""
    # Brackets in the names of folders that are there mean nothing else.
    known = next(parent for parent in pattern.parents if parent.exists())
    text = str(Path(glob.escape(str(known)), *pattern.parts[len(known.parts) :]))
    paths = [Path(p) for p in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
    recursive = "**" in pattern.parts
    into_images = any(part.lower().endswith(".zarr") for part in pattern.parts[:-1])
    images: list[Path] = []
    for path in paths:
        inner = path.parts[len(known.parts) : -1]
        into = not into_images and any(_is_image_folder(Path(p), format_of) for p in inner)
        if into or any(part.startswith(".") for part in inner):
            continue  # the chunks of a Zarr, the tiles of an output that grows
        if not _is_folder_of_images(path, format_of):
            images += _images([path], format_of, left_out, hidden=True)
        elif not recursive:
            images += _inside(path, format_of, left_out)
    return images


def _images(
    paths: Iterable[Path], format_of: FormatOf, left_out: _LeftOut, hidden: bool
) -> list[Path]:
    """Those that can be read as images; others that people may expect among them are noted."""
    images = []
    for path in paths:
        if path.name.startswith(".") and not hidden:
            continue
        reason = _reason(path, format_of(path))
        if reason is None:
            images.append(path)
        elif reason:
            left_out.add(path, reason)
    return images


def _reason(path: Path, file_format: FileFormat | None) -> str | None:
    """Why a file is left out; None where it is an image, empty where nobody would expect it."""
    if file_format is None:
        suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
        return _SAVE_AS if suffix.lower() in _OTHER_IMAGES else ""
    if not path.exists():
        return "a link to a file that is not there" if path.is_symlink() else ""
    if path.is_dir():
        return None if file_format.is_folder else "a folder with the name of a file"
    if not path.is_file():
        return "a device or a pipe"
    return file_format.missing().rstrip(".") or None


def _first_of_each(paths: list[Path], format_of: FormatOf, tell: Tell) -> list[Path]:
    """Without the files that hold the same image as an earlier one."""
    left: list[Path] = []
    taken: dict[Path, Path] = {}
    together: dict[Path, list[str]] = {}
    for path in paths:
        file_format = format_of(path)
        resolved = path.resolve()
        if resolved in taken and len(paths) > 1:
            together[taken[resolved]].append(path.name)
            continue
        left.append(path)
        if file_format is not None and len(paths) > 1:
            others = {other.resolve() for other in file_format.companions(path)} - {resolved}
            taken |= dict.fromkeys(others, path)
            together[path] = []
    for path, names in together.items():
        if names:
            tell(f"{path}: {_listed(names)} left out, part of the same image.")
    return left


def _listed(names: Sequence[str]) -> str:
    """Names for a sentence, with its verb: "a.czi, b.czi and 7 more are"."""
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'}"
