"""OME-Zarr (NGFF): reading the full resolution; writing it, with pyramid, axes, sizes, units."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from ..axes import ArrayPlanes, convert, infer_axes
from ..core.errors import UserError

KEY = "napari-aprrd"  # of the attribute that says how the image was made
SMALLEST_LEVEL = 512  # pixels: sides of the last level of the pyramid are not above it
_KINDS = {"T": "time", "C": "channel", "S": "channel", "Z": "space", "Y": "space", "X": "space"}
_NAMES = {"µm": "micrometer", "um": "micrometer", "nm": "nanometer", "mm": "millimeter"}


def read(path: Path) -> tuple[Any, str, dict[str, float], str, dict[str, Any]]:
    """Read an OME-Zarr image or a plain Zarr array.

    Returns
    -------
    data : zarr.Array
        Of the full resolution; read when it is sliced.
    axes : str
    scale : dict of str to float
    unit : str
    record : dict
        How it was made; empty where the file does not say.
    """
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return node, infer_axes(node.shape), {}, "", {}
    attributes = dict(node.attrs)
    scales = attributes.get("ome", attributes).get("multiscales")
    if not scales:
        raise UserError("it is a Zarr group without OME-Zarr images.")
    level = scales[0]["datasets"][0]
    data = node[level["path"]]
    names = [a if isinstance(a, str) else a["name"] for a in scales[0]["axes"]]
    axes = infer_axes(data.shape, "".join(names))
    space = (a for a in scales[0]["axes"] if isinstance(a, dict) and a["name"].lower() in "zyx")
    units = {a.get("unit", "") for a in space} - {""}
    steps: list[float] = next(
        (t["scale"] for t in level.get("coordinateTransformations", []) if t["type"] == "scale"),
        [],
    )
    scale = dict(zip(axes, map(float, steps), strict=False))
    record = attributes.get(KEY)
    unit = units.pop() if len(units) == 1 else ""
    return data, axes, scale, unit, record if isinstance(record, dict) else {}


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


def write(
    path: Path, data: Any, axes: str, scale: dict[str, float], unit: str, record: dict[str, Any]
) -> None:
    """Write an image; it is complete or not there at all."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}") as name:
        folder = Path(name) / "image.zarr"
        chunks = ArrayPlanes(data, axes).chunks(SMALLEST_LEVEL)
        target = create(folder, data.shape, data.dtype, chunks)
        da.store(da.from_array(data, chunks=chunks), target, lock=False, scheduler="synchronous")
        finish(folder, axes, scale, unit, record)
        move(folder, path)


_ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")  # one of them marks a Zarr folder


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


def finish(
    path: Path, axes: str, scale: dict[str, float], unit: str, record: dict[str, Any]
) -> None:
    """Add the levels of lower resolution and say what the axes are.

    Parameters
    ----------
    path : Path
        Folder with the array "0".
    axes : str
    scale : dict of str to float
        Size of a step along an axis; 1 where it is not known.
    unit : str
        Of the scale along X, Y and Z; empty where it is not known.
    record : dict
        How it was made.
    """
    import zarr

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
    steps = [scale.get(letter, 1.0) for letter in axes]
    datasets = []
    for number, name in enumerate(names):
        factors = [2**number if axis in shrink else 1 for axis in range(len(axes))]
        here = [step * factor for step, factor in zip(steps, factors, strict=True)]
        # Pixels of a lower level are centred between those of the full resolution.
        moved = [step * (factor - 1) / 2 for step, factor in zip(steps, factors, strict=True)]
        transformations: list[dict[str, Any]] = [{"type": "scale", "scale": here}]
        if any(moved):
            transformations.append({"type": "translation", "translation": moved})
        datasets.append({"path": name, "coordinateTransformations": transformations})
    multiscales = {"axes": [_axis(a, unit) for a in axes], "datasets": datasets, "type": "mean"}
    group = zarr.open_group(path, mode="a")
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscales]}
    group.attrs[KEY] = record


def _axis(letter: str, unit: str) -> dict[str, str]:
    axis = {"name": letter.lower()}
    if letter in _KINDS:
        axis["type"] = _KINDS[letter]
    if unit and _KINDS.get(letter) == "space":
        axis["unit"] = _NAMES.get(unit, unit)
    return axis
