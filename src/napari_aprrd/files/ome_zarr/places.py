"""Where a Zarr is: a folder, a folder inside a Zarr, or a ZIP file; what it holds, by name."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.errors import UserError

METADATA_FILES = ("zarr.json", ".zgroup", ".zarray")  # one of them marks a Zarr folder
_SUFFIX = ".zarr"


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr array or group."""
    try:
        return any((path / name).exists() for name in METADATA_FILES)
    except (OSError, ValueError):  # what may not be looked at, and what is no name
        return False


def is_in_zarr(path: Path) -> bool:
    """Whether a path is a Zarr of any name, or a folder inside one."""
    try:
        return is_zarr(path) or (
            any(p.suffix.lower() == _SUFFIX and is_zarr(p) for p in path.parents) and path.is_dir()
        )
    except OSError:
        return False


def is_zipped_zarr(path: Path) -> bool:
    """Whether a ZIP file holds a Zarr; only its table of contents is read."""
    try:
        with zipfile.ZipFile(path) as file:
            return any(PurePosixPath(name).name in METADATA_FILES for name in file.namelist())
    except (OSError, zipfile.BadZipFile, ValueError):
        return False


@dataclass(frozen=True)
class Place:
    """A Zarr that somebody named.

    Parameters
    ----------
    path : Path
        Folder or ZIP file.
    zipped : tuple of str, optional
        Names of all files in the ZIP file; None for a folder.
    root : str
        Folder in the ZIP file that is the Zarr, mostly none.
    """

    path: Path
    zipped: tuple[str, ...] | None = None
    root: str = ""

    @classmethod
    def of(cls, path: Path) -> Place:
        """Find the Zarr.

        Raises
        ------
        UserError
            If a file is not a ZIP file with one Zarr.
        """
        if path.is_dir() or (path.suffix.lower() == _SUFFIX and not zipfile.is_zipfile(path)):
            return cls(path)  # what it lacks, zarr says
        try:
            with zipfile.ZipFile(path) as file:
                names = tuple(file.namelist())
        except zipfile.BadZipFile as error:
            raise UserError("it is not a ZIP file that holds a Zarr.") from error
        marks = (PurePosixPath(name) for name in names)
        folders = [mark.parent for mark in marks if mark.name in METADATA_FILES]
        if not folders:
            raise UserError("it is a ZIP file without a Zarr.")
        depth = min(len(folder.parts) for folder in folders)
        roots = sorted({str(f) for f in folders if len(f.parts) == depth})
        if len(roots) > 1:
            raise UserError(f"it holds {len(roots)} Zarrs; unpack it and name one of them.")
        return cls(path, names, "" if roots[0] == "." else roots[0])

    def open(self) -> Any:
        """The array or group.

        Returns
        -------
        zarr.Array or zarr.Group
        """
        import zarr
        from zarr.storage import ZipStore

        # Consolidated metadata may be older than the arrays, as after an appended time point.
        if self.zipped is None:
            return zarr.open(self.path, mode="r", use_consolidated=False)
        store = ZipStore(self.path, mode="r")
        return zarr.open(store, path=self.root, mode="r", use_consolidated=False)

    def children(self, inside: str = "") -> list[str]:
        """Names of the folders in a folder of the Zarr, sorted."""
        if self.zipped is None:
            folder = self.path / inside
            return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        parts = PurePosixPath(self.root, inside).parts
        split = (PurePosixPath(name).parts for name in self.zipped)
        deeper = (p for p in split if len(p) > len(parts) + 1 and p[: len(parts)] == parts)
        return sorted({p[len(parts)] for p in deeper})

    def content(self, inside: str) -> bytes:
        """Bytes of a file in the Zarr; none where there is no such file."""
        try:
            if self.zipped is None:
                return (self.path / inside).read_bytes()
            with zipfile.ZipFile(self.path) as file:
                return file.read(str(PurePosixPath(self.root, inside)))
        except (OSError, KeyError):
            return b""

    def advice(self, inside: list[str]) -> str:
        """How to name what is inside: "name one of scan.zarr/0, scan.zarr/1"."""
        if self.zipped is not None:
            return f"unpack it and name one of {', '.join(inside)} inside"
        named = [str(self.path / name) for name in inside]
        return f"name {'one of ' if len(named) > 1 else ''}{', '.join(named)}"
