"""OME-Zarr (NGFF): reading the full resolution; writing it, with pyramid, axes, sizes, units."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from ...axes import convert
from ...core.atomic_files import cannot_write, check_writable, write_atomically
from ...core.errors import UserError
from ...layers import KEY
from ..file_format import FileFormat, check_series
from ..picture import Picture
from .images import pictures_in
from .places import is_in_zarr, is_zarr, is_zipped_zarr
from .writing import in_order, metadata_of, names_of

# Pixels: no level is added once both sides are at most this long, which fits on any screen.
SMALLEST_LEVEL = 512
_ENDING = ".zarr"
_MOST_NAMED = 5  # other images in a note


class _AnyZarr(FileFormat):
    """What Zarr folders and Zarrs in ZIP files have in common: they are read when sliced."""

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Open the full resolution."""
        pictures = _numbered(pictures_in(path))
        check_series(series, len(pictures))
        if series is not None:
            return pictures[series - 1]
        largest = max(pictures, key=lambda picture: np.prod(picture.data.shape, dtype=float))
        others = [f"{p.series} ({p.name!r})" for p in pictures if p is not largest]
        if not others:
            return largest
        listed = ", ".join(others[:_MOST_NAMED]) + (", ..." if len(others) > _MOST_NAMED else "")
        note = f"Other images are left out: {listed} (--series)."
        return replace(largest, notes=(*largest.notes, note))

    def images(self, path: Path) -> list[Picture]:
        """All images; no pixels are read."""
        return _numbered(pictures_in(path))


def _numbered(pictures: list[Picture]) -> list[Picture]:
    if any(0 in picture.data.chunks for picture in pictures):  # zarr would divide by it
        raise UserError("its chunks have no pixels.")
    count = len(pictures)
    return [replace(p, series=n, series_count=count) for n, p in enumerate(pictures, 1)]


class OmeZarr(_AnyZarr):
    """OME-Zarr images and plain Zarr arrays: folders, also such inside a Zarr."""

    suffixes = (_ENDING,)
    name = "a Zarr"
    is_folder = True

    def claims(self, path: Path) -> bool:
        """Whether a path is a Zarr without the ending, as "scan.zarr/0" is."""
        return is_in_zarr(path)

    def output_name(self, path: Path) -> str:
        """Name the output of "plate.zarr/A/1/0" "plate-A-1-0.zarr"."""
        parts = [path.name]
        for parent in path.parents:
            if path.suffix.lower() == _ENDING or not is_in_zarr(parent):
                break
            path, parts = parent, [parent.name, *parts]
        stem = "-".join([Path(parts[0]).stem, *parts[1:]]) if len(parts) > 1 else parts[0]
        return stem if stem.lower().endswith(_ENDING) else f"{stem}{_ENDING}"

    def write(self, path: Path, picture: Picture) -> None:
        """Write an OME-Zarr image with its levels into a new folder."""
        data, chunks = picture.data, picture.as_planes.chunks(SMALLEST_LEVEL)
        is_lazy = isinstance(data, da.Array)
        lazy = data.rechunk(chunks) if is_lazy else da.from_array(data, chunks=chunks)
        picture = in_order(replace(picture, data=lazy))
        target = create(path, picture.data.shape, data.dtype, picture.data.chunksize)
        da.store(picture.data, target, lock=False, scheduler="synchronous")
        finish(path, picture)

    def save(self, path: Path, picture: Picture) -> None:
        """Write beside the place, then move: a folder is not written in one step."""
        try:
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}") as name:
                folder = Path(name) / "image.zarr"
                self.write(folder, picture)
                move(folder, path)
        except OSError as error:
            raise cannot_write(path, error) from error

    def save_grown(self, grown: Path, picture: Picture, path: Path) -> None:
        """Keep the array that the tiles are in: it only lacks its levels and its name.

        One whose axes are not in the order of OME-Zarr is written anew.
        """
        if in_order(picture).axes != picture.axes:
            self.save(path, picture)
            return
        finish(grown, picture)
        try:
            move(grown, path)
        except OSError as error:
            raise cannot_write(path, error) from error

    def is_recognised(self, path: Path) -> bool:
        """Whether a folder has the files of a Zarr array or group."""
        return is_zarr(path)

    def check_target(self, path: Path) -> None:
        """Accept a Zarr image that is there already; it is replaced."""
        check_replaceable(path)
        check_writable(path.with_name(f".{path.name}"))


class ZippedZarr(_AnyZarr):
    """Zarrs in ZIP files, which are only read."""

    suffixes = (".ozx", ".zarr.zip")
    name = "a zipped Zarr"
    first_bytes = (b"PK",)
    can_write = False

    def claims(self, path: Path) -> bool:
        """Whether a file is a ZIP file of a Zarr, by its name or else by what it holds."""
        name = path.name.lower()
        return name.endswith(".zarr.zip") or (name.endswith(".zip") and is_zipped_zarr(path))

    def output_name(self, path: Path) -> str:
        """Name the output of "scan.zarr.zip" "scan.zarr"."""
        stem = path.name[: -len(path.suffix)]
        return stem if stem.lower().endswith(_ENDING) else f"{stem}{_ENDING}"

    def objection(self, dtype: np.dtype[Any], axes: str, shape: Sequence[int] = ()) -> str:
        """Refuse every image."""
        return f"{self.name} can only be read; use {_ENDING} instead."

    def write(self, path: Path, picture: Picture) -> None:
        """Refuse, see `objection`."""
        raise UserError(f"Cannot write {path}: {self.objection(picture.data.dtype, picture.axes)}")


def create(path: Path, shape: tuple[int, ...], dtype: Any, chunks: tuple[int, ...]) -> Any:
    """Make an image of full resolution to be filled; `finish` makes it OME-Zarr.

    Returns
    -------
    zarr.Array
    """
    import zarr

    return zarr.create_array(
        path / "0", shape=shape, dtype=dtype, chunks=chunks, config={"write_empty_chunks": True}
    )


def check_replaceable(path: Path) -> None:
    """Refuse to replace a part of a Zarr, and a folder that holds something else.

    Raises
    ------
    UserError
    """
    if path.suffix.lower() != _ENDING:
        raise UserError(f"Cannot write {path}: use a name that ends in {_ENDING}.")
    if path.is_dir() and any(path.iterdir()) and not is_zarr(path):
        raise UserError(f"{path} is a folder with other files, not a Zarr image; name another.")


def move(folder: Path, path: Path) -> None:
    """Give a finished image its name, in place of the Zarr image that has it now."""
    check_replaceable(path)
    old = folder.with_suffix(".old")
    if path.exists():
        path.rename(old)
    folder.rename(path)
    if old.is_dir():
        shutil.rmtree(old)
    old.unlink(missing_ok=True)


def finish(path: Path, picture: Picture) -> None:
    """Add the levels of lower resolution and say what the axes are.

    Parameters
    ----------
    path : Path
        Folder with the array "0".
    picture : Picture
        What to say about it; a step along an axis is 1 where its size is not known.
    """
    import zarr

    names = names_of(picture)
    _name_dimensions(path / "0", names)
    levels = [zarr.open_array(path / "0", mode="r")]
    shrink = {picture.axes.index("Y"): 2, picture.axes.index("X"): 2}
    while max(levels[-1].shape[axis] for axis in shrink) > SMALLEST_LEVEL:
        levels.append(_half(levels[-1], path / str(len(levels)), shrink, names))
    group = zarr.open_group(path, mode="a")
    group.attrs["ome"] = metadata_of(picture, levels)
    group.attrs[KEY] = picture.record


def _name_dimensions(path: Path, names: list[str]) -> None:
    """Name the dimensions of an array that is there already, which zarr has no function for."""
    file = path / "zarr.json"
    text = json.dumps({**json.loads(file.read_text()), "dimension_names": names}, indent=2)
    write_atomically(file, lambda temporary: temporary.write_text(text))


def _half(level: Any, path: Path, shrink: dict[int, int], names: list[str]) -> Any:
    """Write a level of half the height and width, the mean of 2 x 2 pixels."""
    import zarr

    halved = da.coarsen(np.mean, da.from_zarr(level), dict(shrink), trim_excess=True)
    target = zarr.create_array(
        path,
        shape=halved.shape,
        dtype=level.dtype,
        chunks=level.chunks,
        dimension_names=names,
        overwrite=True,  # what a killed program left
    )
    values = halved.rechunk(level.chunks).map_blocks(convert, level.dtype, dtype=level.dtype)
    da.store(values, target, lock=False, scheduler="synchronous")
    return target
