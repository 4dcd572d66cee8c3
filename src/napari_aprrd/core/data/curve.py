"""A curve of brightness: what a straight line of calibration leaves over."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Between knots the curve is straight. Were they no further apart than the noise of an output, the
# curve would follow that noise.
STEP = 3.0  # standard deviations of the noise from knot to knot
MOST_KNOTS = 64
# Networks are off by about 1 % of the contrast of an image (see docs/experiments.md). That is less
# than a quarter of the noise unless the range holds this many of its standard deviations.
WEAK = 64.0
_ALIKE = 50.0  # pixels: neighbouring corrections are alike, as if so many pixels said so
_ZERO = 10.0  # pixels: corrections are zero, as if so many pixels said so


class Curve(NamedTuple):
    """Corrections that are added at some brightnesses; straight lines between, constant beyond."""

    at: tuple[float, ...]
    add: tuple[float, ...]

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add the corrections to values of any shape."""
        if not self.at:
            return values
        return np.asarray(values + np.interp(values, self.at, self.add), np.float32)


NO_CURVE = Curve((), ())


def knots_of(output: Array, step: float) -> Array:
    """Brightnesses from end to end of an output, about a step apart."""
    low, high = np.percentile(output, [0.1, 99.9])
    count = int(np.clip((high - low) / step, 1, MOST_KNOTS)) + 1 if high > low and step > 0 else 1
    return np.linspace(low, high, count)


def residual_at(knots: Array, noisy: Array, output: Array, blind: Array) -> Array:
    """Mean of noisy minus output at each knot.

    Where the output is brighter than the truth by chance, so is the noisy image. The blind-spot
    output does not hold the noise of its pixel: as instrumental variable (see `Calibration`) it
    tells how the signal differs from the output, not how the noise does.
    """
    count = len(knots)
    matrix, right = np.zeros((count, count)), np.zeros(count)
    if count > 1:
        (z0, z1), (x0, x1) = (_hats(knots, values) for values in (blind, output))
        residual = noisy - output
        for row, z in (z0, z1):
            right += np.bincount(row, z * residual, count)
            for column, x in (x0, x1):
                found = np.bincount(row * count + column, z * x, count**2)
                matrix += found.reshape(count, count)
    steps = np.diff(np.eye(count), axis=0)
    prior = _ALIKE * steps.T @ steps + _ZERO * np.eye(count)
    return np.asarray(np.linalg.solve(matrix + prior, right), np.float64)


def _hats(knots: Array, values: Array) -> list[tuple[NDArray[np.int_], Array]]:
    """The two knots around each value, and how much of the value belongs to each."""
    position = np.interp(values, knots, np.arange(len(knots)))
    lower = np.minimum(position.astype(int), len(knots) - 2)
    share = position - lower
    return [(lower, 1 - share), (lower + 1, share)]
