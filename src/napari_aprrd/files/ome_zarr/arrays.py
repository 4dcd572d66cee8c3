"""Arrays in a Zarr outside OME-Zarr, whose dimensions may have names, as xarray writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..picture import Picture, without_names
from .axes import letters_of, says
from .places import Place

_LONGEST_COORDINATES = 100_000  # that are read for the step along an axis
_NUMBERS = "uif"


def member(group: Any, name: str) -> Any:
    """What a group holds under a name; None where there is nothing."""
    try:
        return group[name]
    except Exception:  # zarr raises what it likes on broken metadata and on names like ".."
        return None


def is_image(array: Any) -> bool:
    """Whether an array can hold an image: numbers, of two dimensions or more."""
    import zarr

    return (
        isinstance(array, zarr.Array)
        and array.ndim >= 2
        and 0 not in array.shape
        and array.dtype.kind in _NUMBERS
    )


def plain_picture(array: Any, coordinates: dict[str, Any]) -> Picture:
    """An array outside OME-Zarr, whose dimensions may have names and coordinates."""
    names = _dimensions(array)
    if len(names) != array.ndim or not any(map(says, names)) or not is_image(array):
        return without_names(array)
    found = letters_of(names, array.shape)
    picture = Picture(array, found.letters, named=found.named, notes=found.notes)
    for name, letter in zip(names, found.letters, strict=True):
        step, unit = _step(coordinates.get(str(name)))
        if step and (step != 1 or unit):
            picture.scale[letter] = step
            picture.units.update({letter: unit} if unit else {})
    return picture


def _dimensions(array: Any) -> list[str | None]:
    """Names of the dimensions, from where xarray writes them in version 2 and 3 of Zarr."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.asdict().get("_ARRAY_DIMENSIONS")
    if not isinstance(names, (list, tuple)):
        return []
    return [str(name) if name else None for name in names]


def named_arrays(group: Any, place: Place) -> list[Picture]:
    """The arrays of a group that name their dimensions; coordinates are no images."""
    import zarr

    members = ((name, member(group, name)) for name in place.children())
    arrays = {name: array for name, array in members if isinstance(array, zarr.Array)}
    attributes = [group.attrs.asdict(), *(array.attrs.asdict() for array in arrays.values())]
    told = {word for about in attributes for word in str(about.get("coordinates") or "").split()}
    images = {
        name: array
        for name, array in arrays.items()
        if is_image(array) and any(_dimensions(array)) and name not in told
    }
    coordinates = {name: array for name, array in arrays.items() if name not in images}
    return [replace(plain_picture(array, coordinates), name=name) for name, array in images.items()]


def _step(coordinates: Any) -> tuple[float, str]:
    """Step along an axis and its unit; 0 where the coordinates are not evenly spaced numbers."""
    if (
        coordinates is None
        or coordinates.ndim != 1
        or coordinates.dtype.kind not in _NUMBERS
        or not 2 <= coordinates.shape[0] <= _LONGEST_COORDINATES
    ):
        return 0.0, ""
    try:
        steps = np.diff(np.asarray(coordinates[:], np.float64))
    except Exception:  # the coordinates are damaged, which says nothing about the image
        return 0.0, ""
    even = bool(steps[0] > 0) and bool(np.allclose(steps, steps[0], rtol=1e-3, atol=0))
    unit = str(coordinates.attrs.asdict().get("units") or "").split(" since ")[0]
    return (float(np.mean(steps)), unit) if even else (0.0, "")
