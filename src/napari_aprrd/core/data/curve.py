"""Corrections of brightness that a straight calibration line cannot make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Between knots the curve is straight. If they were as close as the noise of an output is strong,
# the curve would follow that noise.
STEP = 3.0  # standard deviations of the noise from knot to knot; chosen, not measured
MOST_KNOTS = 64  # chosen, not measured
# Networks are off by about 1 % of the contrast of an image (docs/experiments.md#kept, "Why a smooth
# ramp got bands"). That matters only if the range is at least this many sigmas of the noise wide.
WEAK = 64.0
# Strength of two priors, in pixels of evidence: that neighbouring corrections are equal, and that
# corrections are zero. Measured in docs/experiments.md#kept ("prior as strong as 50 and 10").
_ALIKE, _ZERO = 50.0, 10.0


class Curve(NamedTuple):
    """Corrections at some brightnesses, interpolated linearly between and constant beyond."""

    at: tuple[float, ...]
    add: tuple[float, ...]

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add the corrections to values of any shape."""
        if not self.at:
            return values
        return np.asarray(values + np.interp(values, self.at, self.add), np.float32)


NO_CURVE = Curve((), ())


def knots_of(output: Array, step: float) -> Array:
    """Brightnesses over the range of an output, about a step apart."""
    low, high = np.percentile(output, [0.1, 99.9])
    count = int(np.clip((high - low) / step, 1, MOST_KNOTS)) + 1 if high > low and step > 0 else 1
    return np.linspace(low, high, count)


def residual_at(knots: Array, noisy: Array, output: Array, blind: Array) -> Array:
    """Mean of noisy minus output at each knot.

    Where noise makes the output too bright, it makes the noisy image too bright as well, which
    hides the error. The blind-spot output does not contain the noise of its pixel: used as an
    instrumental variable (see `Calibration`), it isolates the error of the signal.
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
    """The two knots around each value, and the weight of the value at each."""
    position = np.interp(values, knots, np.arange(len(knots)))
    lower = np.minimum(position.astype(int), len(knots) - 2)
    share = position - lower
    return [(lower, 1 - share), (lower + 1, share)]
