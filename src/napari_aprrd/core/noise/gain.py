"""What neighbouring planes would gain, from a linear filter that is fitted with and without them.

A pixel is predicted from its own plane outside a blind spot, and from neighbouring planes. What
the prediction misses is the noise of the pixel, which is independent of it, and the error of the
prediction. So the misses of two filters differ by just what their errors do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..data.neighbours import offsets, with_neighbours
from ..data.planes import Image, fill_invalid
from .autocorrelation import Array, noise_field
from .beside import REACH, Beside

# Radii in pixels of the square means that the filter sees: around the blind spot in its own plane,
# and at the same place in others.
_OWN, _OTHER = (0, 1, 3), (0, 1, 2, 4)
_OWN_TERMS = 3 * len(_OWN) + 1
_SIMULATED = 64  # pixels, side of the simulated noise
_FEWEST = 1000  # pixels that tell something
_RIDGE = 1e-6  # relative: only against features that are the same
# What a network gains, by what a linear filter does, whose own plane tells it less:
# docs/benchmarks-diary.md#what-planes-of-a-stack-share.
_SHARE = 0.5
_BEST = 0.01  # error, relative to the variance of the noise, below which no filter comes


class Gain(NamedTuple):
    """What was found by fitting filters."""

    lowering: tuple[float, ...]  # share of the error that k = 0, 1, ... neighbours should save
    noise: float  # variance of the noise, in units of the windows


def expected_gain(
    windows: list[Beside],
    hidden: int,
    correlation: Mapping[str, Sequence[float]],
    between: Mapping[int, float],
    *,
    seed: int = 0,
) -> Gain | None:
    """By how much neighbours should lower the error of a denoised plane.

    Parameters
    ----------
    windows : list of Beside
    hidden : int
        Shift of the blind spot, in pixels.
    correlation : mapping of str to sequence of float
        Of the noise along x and y, as in a noise report.
    between : mapping of int to float
        Correlation of the noise between planes, by lag.
    seed : int
        Of the noise that is simulated to learn how much a filter lets through.

    Returns
    -------
    Gain or None
        None if there are too few pixels.
    """
    rng = np.random.default_rng(seed)
    kept = [(w, table) for w in windows if (table := _table(w, hidden)) is not None]
    if min(sum(len(halves[i]) for _, halves in kept) for i in (0, 1)) < _FEWEST / 2:
        return None
    simulated = [_table(_noise_like(w, correlation, rng), hidden) for w, _ in kept]
    first, second = (_moments([halves[i] for _, halves in kept]) for i in (0, 1))
    passing = _moments([half for halves in simulated for half in halves or ()])
    reach = max(abs(o) for w, _ in kept for o in w.others if abs(o) <= REACH)
    sums = [
        (_fit(first, second, passing, k), _fit(second, first, passing, k)) for k in range(reach + 1)
    ]
    missed, passed = np.array(sums).mean(axis=1).T
    best = int(missed.argmin())
    noise = float(missed[best] / (1 + passed[best]))
    alone = max(missed[0] - missed[best] + noise * passed[best], _BEST * noise)
    leaks = 2 * noise * np.array([leaking(k, between) for k in range(reach + 1)])
    lowering = _SHARE * (missed[0] - missed - leaks) / alone
    return Gain(tuple(float(value) for value in lowering), noise)


def leaking(k: int, between: Mapping[int, float]) -> float:
    """Share of the noise's variance that k neighbours on either side give away."""
    steps = np.array(offsets(k), int)
    if k == 0 or not between:
        return 0.0
    lags = np.abs(np.subtract.outer(steps, steps))
    known = np.array(sorted(between))
    at = np.vectorize(lambda lag: between[int(known[known <= max(lag, known[0])].max())])
    among = np.where(lags == 0, 1.0, at(lags))
    with_centre = at(np.abs(steps))
    return float(np.clip(with_centre @ np.linalg.lstsq(among, with_centre, rcond=None)[0], 0, 1))


def _noise_like(
    window: Beside, correlation: Mapping[str, Sequence[float]], rng: np.random.Generator
) -> Beside:
    """The same planes with nothing but noise of variance 1 in them."""
    fields = [
        noise_field((_SIMULATED, _SIMULATED), correlation, rng).astype(np.float32)
        for _ in range(1 + len(window.others))
    ]
    return Beside(fields[0], dict(zip(window.others, fields[1:], strict=True)))


def _table(window: Beside, hidden: int) -> tuple[Array, Array] | None:
    """What the filter sees of each pixel, and the pixel itself, in the left and the right half.

    Returns
    -------
    two arrays (N, terms + 1), or None
        None if the window is too small, or has no neighbours.
    """
    near = {o: image[None] for o, image in window.others.items() if abs(o) <= REACH}
    stack = with_neighbours(window.centre[None], near, REACH)
    valid = np.asarray(np.isfinite(stack).all(axis=0))
    margin = hidden + 2 * max(_OWN)
    if not valid.any() or min(valid.shape) <= 2 * margin + 2:
        return None
    stack = fill_invalid(np.where(valid, stack, np.float32(np.nan)))
    stack = stack - stack.mean(axis=(1, 2), keepdims=True)
    inner = (slice(margin, -margin),) * 2
    columns = [*_own(stack[0], hidden, margin), np.ones_like(stack[0])[inner]]
    for step in range(REACH):
        columns += _other((stack[2 * step + 1] + stack[2 * step + 2]) / 2, inner)
    table = np.stack([*columns, stack[0][inner]], axis=-1).astype(np.float64)
    kept, middle = valid[inner], table.shape[1] // 2
    return table[:, :middle][kept[:, :middle]], table[:, middle:][kept[:, middle:]]


def _own(plane: Image, hidden: int, margin: int) -> list[Image]:
    """Means of squares around the blind spot: beside it, above and below, and at its corners."""
    found: list[Image] = []
    for radius in _OWN:
        smooth, d = ndimage.uniform_filter(plane, 2 * radius + 1), hidden + radius
        for places in (((0, d), (0, -d)), ((d, 0), (-d, 0)), ((d, d), (d, -d), (-d, d), (-d, -d))):
            found.append(np.mean([_moved(smooth, y, x, margin) for y, x in places], axis=0))
    return found


def _moved(image: Image, y: int, x: int, margin: int) -> Image:
    h, w = image.shape
    return image[margin + y : h - margin + y, margin + x : w - margin + x]


def _other(plane: Image, inner: tuple[slice, slice]) -> list[Image]:
    return [ndimage.uniform_filter(plane, 2 * radius + 1)[inner] for radius in _OTHER]


def _moments(tables: list[Array]) -> Array:
    """Mean products of all columns of tables, (terms + 1, terms + 1)."""
    return np.asarray(sum(t.T @ t for t in tables) / sum(len(t) for t in tables))


def _fit(fitted: Array, scored: Array, noise: Array, k: int) -> tuple[float, float]:
    """Mean square that a filter with k neighbours misses, and share of the noise it passes."""
    terms = _OWN_TERMS + k * len(_OTHER)
    among, with_target = fitted[:terms, :terms], fitted[:terms, -1]
    ridge = _RIDGE * np.trace(among) / terms * np.eye(terms)
    weights = np.linalg.solve(among + ridge, with_target)
    away = np.append(-weights, 1.0)  # from the filter's answer to the pixel
    seen = scored[np.ix_([*range(terms), -1], [*range(terms), -1])]
    bare = np.delete(np.arange(terms), _OWN_TERMS - 1)  # without the constant
    return float(away @ seen @ away), float(
        weights[bare] @ noise[np.ix_(bare, bare)] @ weights[bare]
    )
