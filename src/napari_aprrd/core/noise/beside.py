"""A few windows of planes together with their neighbours in a stack, for measurements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..data.constant import without_constant
from ..data.planes import Image, Place, Places, Planes

# Furthest neighbours that are worth a measurement, and a lag that tells what always repeats from
# what only the nearest planes share.
REACH, FAR = 3, 10
# Side in pixels, and number of the windows: enough that a gain of 2 % shows, in tenths of a second.
# Each takes seven or eight reads, so sources that are slow to read get fewer and larger ones.
_QUICK, _SLOW = (128, 12), (256, 4)
_TRIES = 20  # for each window: planes without neighbours are passed over


class Beside(NamedTuple):
    """A window of one channel of a plane, and the same window of planes beside it.

    Intensities are in standard deviations of the channel.
    """

    centre: Image  # (h, w); NaN where it is invalid or constant
    others: dict[int, Image]  # by offset, each (h, w); copies of the centre are left out
    copies: int = 0  # planes next to it that repeat it exactly


def windows_beside(planes: Planes, axis: str, *, seed: int = 0) -> list[Beside]:
    """Read a few windows at random places, with those of planes at several lags.

    Parameters
    ----------
    planes : Planes
    axis : str
        Letter of the axis along which planes are neighbours.
    seed : int

    Returns
    -------
    list of Beside
        Empty if no plane has a neighbour along the axis, or all are constant.
    """
    side, count = _QUICK if planes.in_memory else _SLOW
    found: dict[int, list[Beside]] = {}
    for i, place in enumerate(_places(planes, axis, side, count, seed)):
        channel = i % planes.channels
        found.setdefault(channel, []).append(_window(planes, place, axis, channel))
    return [window for windows in found.values() for window in _on_one_scale(windows)]


def _places(planes: Planes, axis: str, side: int, count: int, seed: int) -> Iterator[Place]:
    """Different windows of planes that have a neighbour."""
    rng, drawn, seen = np.random.default_rng(seed), Places(planes.sizes), set[tuple[int, ...]]()
    for _ in range(_TRIES * count):
        plane, rows, columns = drawn.draw(rng, side)
        key = (plane, rows.start, columns.start)
        if key in seen or all(planes.beside(plane, o, axis) is None for o in (-1, 1)):
            continue
        seen.add(key)
        yield plane, rows, columns
        if len(seen) == count:
            return


def _window(planes: Planes, place: Place, axis: str, channel: int) -> Beside:
    plane, *window = place
    raw = planes.read(plane, *window)[channel]
    others: dict[int, Image] = {}
    copies = 0
    for offset, number in _beside(planes, plane, axis).items():
        image = planes.read(number, *window)[channel]
        if np.array_equal(image, raw, equal_nan=True):
            copies += abs(offset) == 1
        elif np.fmin.reduce(image, axis=None) < np.fmax.reduce(image, axis=None):  # not empty
            others[offset] = image
    return Beside(without_constant(raw[None])[0], others, copies)


def _beside(planes: Planes, plane: int, axis: str) -> dict[int, int]:
    """Numbers of the planes up to the reach on either side, and of one far away, by offset."""
    near = [sign * step for step in range(1, REACH + 1) for sign in (-1, 1)]
    there = {o: planes.beside(plane, o, axis) for o in (*near, FAR, -FAR)}
    found = {offset: number for offset, number in there.items() if number is not None}
    if FAR in found:
        found.pop(-FAR, None)
    return found


def _on_one_scale(windows: list[Beside]) -> Iterator[Beside]:
    """Windows of a channel in units of its standard deviation, without those that are constant."""
    pixels = np.concatenate([w.centre[np.isfinite(w.centre)] for w in windows])
    if pixels.size == 0 or np.ptp(pixels) == 0:
        return
    offset, scale = float(pixels.mean(dtype=np.float64)), float(pixels.std(dtype=np.float64))
    for window in windows:
        if np.isfinite(window.centre).any():
            others = {o: _scaled(image, offset, scale) for o, image in window.others.items()}
            yield Beside(_scaled(window.centre, offset, scale), others, window.copies)


def _scaled(image: Image, offset: float, scale: float) -> Image:
    return np.asarray(np.where(np.isfinite(image), (image - offset) / scale, np.nan), np.float32)
