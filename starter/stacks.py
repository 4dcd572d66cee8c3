"""Clean stacks that the starting weights for neighbouring planes learn from.

Windows of still images are moved as specimens move: not at all, evenly, at random, with a jump, one
part over another, cells on their own ways over what stands still; or they change as slices do. Some
frames show events that last for one frame, some neighbours show something else. `scenes.py` and
`pictures.py` have the images.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]
Generator = np.random.Generator

MOTIONS = ("still", "even", "random", "jump", "over", "cells", "slices", "unrelated")
SHARES = (0.3, 0.15, 0.1, 0.05, 0.1, 0.15, 0.1, 0.05)
FASTEST = 5.0  # pixels from plane to plane


def stack(rng: Generator, images: list[Image], side: int, reach: int) -> Image:
    """A clean stack (2 k + 1, side, side), the plane to denoise in its middle."""
    count = 2 * reach + 1
    motion = rng.choice(MOTIONS, p=SHARES)
    first = moved(rng, images, side, places(rng, motion, count))
    if motion == "over":
        second = moved(rng, images, side, places(rng, "even", count))
        first = rng.uniform(0.2, 1) * first + rng.uniform(0.2, 1) * second
    elif motion == "cells":
        cells(rng, first, moved(rng, images, side, np.zeros((count, 2)))[0])
    elif motion == "slices":  # one image turns into another, as on the way through a specimen
        other = moved(rng, images, side, places(rng, "even", count))
        angle = rng.uniform(0, 2 * np.pi) + rng.uniform(0.02, 0.4) * np.arange(count)
        first = (
            np.cos(angle)[:, None, None] ** 2 * first + np.sin(angle)[:, None, None] ** 2 * other
        )
    elif motion == "unrelated":
        second = moved(rng, images, side, np.zeros((count, 2)))
        kept = rng.random(count) < 0.5
        kept[reach] = True
        first[~kept] = second[~kept]
    if rng.random() < 0.15:
        events(rng, first)
    if rng.random() < 0.2:  # light that flickers or bleaches
        first = first * np.exp(rng.normal(0, 0.05, (count, 1, 1)))
    return np.asarray(np.maximum(first, 0), np.float32)


def places(rng: Generator, motion: str, count: int) -> NDArray[np.float64]:
    """Displacement of each plane in pixels, (count, 2)."""
    speed = math.exp(rng.uniform(math.log(0.1), math.log(FASTEST)))
    if motion in ("even", "over"):
        way = rng.normal(size=2)
        return np.arange(count)[:, None] * speed * way / np.hypot(*way)
    if motion == "random":
        return np.cumsum(rng.normal(0, speed, (count, 2)), axis=0)
    if motion == "jump":  # of the stage, between two planes
        return (np.arange(count) >= rng.integers(1, count))[:, None] * rng.normal(0, speed, 2)
    return np.zeros((count, 2))


def moved(
    rng: Generator, images: list[Image], side: int, at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One window of one of the images, moved: (count, side, side)."""
    image = images[rng.integers(len(images))]
    margin = math.ceil(float(np.abs(at - at[len(at) // 2]).max())) + 2
    wide = side + 2 * margin
    if min(image.shape) < wide:
        image = np.pad(image, [(0, max(wide - n, 0)) for n in image.shape], mode="reflect")
    top, left = (int(rng.integers(n - wide + 1)) for n in image.shape)
    window = image[top : top + wide, left : left + wide] ** rng.uniform(0.6, 2.2)
    inner = (slice(margin, margin + side),) * 2
    planes = []
    for step in at - at[len(at) // 2]:
        whole = np.allclose(step, 0)
        planes.append((window if whole else ndimage.shift(window, step, order=1))[inner])
    return np.stack(planes).astype(np.float64)


def cells(rng: Generator, planes: NDArray[np.float64], look: NDArray[np.float64]) -> None:
    """Let soft discs that look like parts of an image go their own ways over the planes."""
    count, side, _ = planes.shape
    for _ in range(int(rng.integers(2, 15))):
        radius = int(rng.integers(3, 15))
        y, x = np.indices((2 * radius + 5,) * 2) - radius - 2
        disc = 1 / (1 + np.exp((np.hypot(y, x * rng.uniform(0.7, 1.4)) - radius) * 2))
        top, left = (int(rng.integers(side - len(disc) + 1)) for _ in range(2))
        part = rng.uniform(0.3, 1.5) * look[top : top + len(disc), left : left + len(disc)]
        way = places(rng, str(rng.choice(["even", "random"])), count)
        start, opaque = rng.uniform(0, side - len(disc), 2), rng.uniform(0.3, 1)
        for plane, at in zip(planes, start + way - way[count // 2], strict=True):
            row, column = np.floor(at).astype(int)
            if min(row, column) >= 0 and max(row, column) + len(disc) <= side:
                there = (slice(row, row + len(disc)), slice(column, column + len(disc)))
                cover, shown = (ndimage.shift(a, at % 1, order=1) for a in (disc, disc * part))
                plane[there] = plane[there] * (1 - opaque * cover) + shown


def events(rng: Generator, planes: NDArray[np.float64]) -> None:
    """Light up spots for one to three planes."""
    y, x = np.indices(planes.shape[1:])
    for _ in range(int(rng.integers(3, 30))):
        start, length = int(rng.integers(len(planes))), int(rng.integers(1, 4))
        row, column = (rng.uniform(0, n) for n in planes.shape[1:])
        width = rng.uniform(0.8, 3)
        spot = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
        planes[start : start + length] += rng.uniform(0.2, 1.5) * spot
