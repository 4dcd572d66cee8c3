"""Windows of a stack with those of the planes before and after, where a model saw these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..data.planes import CutPlanes, Planes, some_windows
from ..noise.report import WINDOW
from .pairs import Pair

if TYPE_CHECKING:
    from ..model.denoiser import Denoiser

_WINDOWS = 8  # each is read of three planes: as many pixels as the rest of the report reads


class Stacked(NamedTuple):
    """Which neighbouring planes a model saw."""

    axis: str
    neighbours: int  # on either side; 0 for planes alone


PLANES_ALONE = Stacked("", 0)


class Moment(NamedTuple):
    """A window of a plane, and the mean of those before and after."""

    here: Pair
    beside: Pair


def stacked(record: Mapping[str, Any], denoiser: Denoiser | None, planes: Planes) -> Stacked:
    """Which neighbours the model of a denoised image saw in it, as far as is known.

    Parameters
    ----------
    record : mapping
        How the image was made.
    denoiser : Denoiser, optional
        What it was made with.
    planes : Planes
        The noisy source.
    """
    facts = record.get("train")
    axis: Any = ""
    reach: Any = 0
    if denoiser is not None:
        axis, reach = denoiser.stack_axis, denoiser.neighbours
    elif isinstance(facts, Mapping) and isinstance(facts.get("config"), Mapping):
        axis, reach = facts.get("stack_axis"), facts["config"].get("neighbours")
    made = record if denoiser is None else denoiser.record
    if made.get("target_views") == "alone" and "distill" not in made:
        return PLANES_ALONE  # a teacher whose outputs are best without the neighbours that it saw
    known = axis in [*planes.stack_axes] and isinstance(reach, int)
    return Stacked(axis, reach) if known and reach > 0 else PLANES_ALONE


def read_moments(noisy: Planes, clean: Planes, axis: str) -> list[tuple[int, Moment]]:
    """A few windows of planes that lie between two others along an axis; the channel of each."""
    inner, around = [], []
    for plane, (height, width) in enumerate(noisy.sizes):
        before, after = (noisy.beside(plane, step, axis) for step in (-1, 1))
        if before is not None and after is not None:
            inner.append((plane, slice(0, height), slice(0, width)))
            around.append((before, after))
    found = []
    for number, *window in some_windows(CutPlanes(noisy, inner), WINDOW, _WINDOWS) if inner else ():
        plane = inner[number][0]
        here = [of.read(plane, *window) for of in (noisy, clean)]
        beside = [
            np.mean([of.read(other, *window) for other in around[number]], axis=0)
            for of in (noisy, clean)
        ]
        for channel, images in enumerate(zip(*here, *beside, strict=True)):
            valid = np.isfinite(images).all(axis=0)
            if valid.any():
                # What one of them lacks, all of them lack: it would look like change.
                known = [np.where(valid, image, np.nan) for image in images]
                found.append((channel, Moment(Pair.of(*known[:2]), Pair.of(*known[2:]))))
    return found
