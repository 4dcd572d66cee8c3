"""OME-Zarr (NGFF): reading the full resolution; writing it, with pyramid, axes, sizes, units."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from ..axes import convert, infer_axes
from ..core.atomic_files import cannot_write, check_writable
from ..core.errors import UserError
from ..layers import KEY
from .file_format import FileFormat, check_series
from .picture import Picture, without_names
from .units import long_name

# Pixels: no level is added once both sides are at most this long, which fits on any screen.
SMALLEST_LEVEL = 512
_KINDS = {"T": "time", "C": "channel", "S": "channel", "Z": "space", "Y": "space", "X": "space"}


_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")  # one of them marks a Zarr folder


class OmeZarr(FileFormat):
    """OME-Zarr images and plain Zarr arrays: folders, whose chunks are read when sliced."""

    suffixes = (".zarr",)
    name = "a Zarr"
    is_folder = True

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Open the full resolution."""
        check_series(series, 1)
        return _read(path)

    def write(self, path: Path, picture: Picture) -> None:
        """Write an OME-Zarr image with its levels into a new folder."""
        data, chunks = picture.data, picture.as_planes.chunks(SMALLEST_LEVEL)
        target = create(path, data.shape, data.dtype, chunks)
        if isinstance(data, da.Array):
            source = data.rechunk(chunks)
        else:
            source = da.from_array(data, chunks=chunks)
        da.store(source, target, lock=False, scheduler="synchronous")
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
        """Keep the array that the tiles are in: it only lacks its levels and its name."""
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


def _read(path: Path) -> Picture:
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return without_names(node)
    attributes = dict(node.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        raise UserError("it is a Zarr group without OME-Zarr images.")
    level = scales[0]["datasets"][0]
    data = node[level["path"]]
    names = [a if isinstance(a, str) else a["name"] for a in scales[0]["axes"]]
    axes = infer_axes(data.shape, "".join(names))
    named = (a for a in scales[0]["axes"] if isinstance(a, dict))
    units = {a["name"].upper(): a["unit"] for a in named if a.get("unit")}
    scale, origin = (_numbers(level, kind, axes) for kind in ("scale", "translation"))
    record = attributes.get(KEY)
    record = record if isinstance(record, dict) else {}
    return Picture(data, axes, scale, units, record=record, origin=origin)


def _numbers(level: dict[str, Any], kind: str, axes: str) -> dict[str, float]:
    """What a level says about each axis: "scale" or "translation"; empty where it does not."""
    found = (t[kind] for t in level.get("coordinateTransformations", []) if t["type"] == kind)
    return dict(zip(axes, map(float, next(found, [])), strict=False))


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


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr array or group."""
    return any((path / name).exists() for name in _ZARR_FILES)


def check_replaceable(path: Path) -> None:
    """Refuse to replace a folder that is named like a Zarr image and holds something else.

    Raises
    ------
    UserError
    """
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

    axes = picture.axes
    level, names = zarr.open_array(path / "0"), ["0"]
    shrink = {axes.index("Y"): 2, axes.index("X"): 2}
    while max(level.shape[axis] for axis in shrink) > SMALLEST_LEVEL:
        halved = da.coarsen(np.mean, da.from_zarr(level), dict(shrink), trim_excess=True)
        names.append(str(len(names)))
        target = zarr.create_array(
            path / names[-1], shape=halved.shape, dtype=level.dtype, chunks=level.chunks
        )
        values = halved.rechunk(level.chunks).map_blocks(convert, level.dtype, dtype=level.dtype)
        da.store(values, target, lock=False, scheduler="synchronous")
        level = target
    steps = [picture.scale.get(letter, 1.0) for letter in axes]
    datasets = []
    for number, name in enumerate(names):
        factors = [2**number if axis in shrink else 1 for axis in range(len(axes))]
        here = [step * factor for step, factor in zip(steps, factors, strict=True)]
        # Pixels of a lower level are centred between those of the full resolution.
        moved = [step * (factor - 1) / 2 for step, factor in zip(steps, factors, strict=True)]
        moved = [at + picture.origin.get(a, 0.0) for a, at in zip(axes, moved, strict=True)]
        transformations: list[dict[str, Any]] = [{"type": "scale", "scale": here}]
        if any(moved):
            transformations.append({"type": "translation", "translation": moved})
        datasets.append({"path": name, "coordinateTransformations": transformations})
    multiscales = {
        "axes": [_axis(a, picture.units.get(a, "")) for a in axes],
        "datasets": datasets,
        "type": "mean",
    }
    group = zarr.open_group(path, mode="a")
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscales]}
    group.attrs[KEY] = picture.record


def _axis(letter: str, unit: str) -> dict[str, str]:
    axis = {"name": letter.lower()}
    if letter in _KINDS:
        axis["type"] = _KINDS[letter]
    if unit:
        axis["unit"] = long_name(unit)
    return axis
