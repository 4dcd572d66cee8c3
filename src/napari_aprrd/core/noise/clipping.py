"""Noise that is cut off at an end of the range: its strength, and its effect on means.

In the darkest areas of an image that ends at 0, noise can only make pixels brighter, so their mean
is too bright; at the top of the range it is too dark. A network learns these means. The
true means follow from the strength of the noise, fitted to means and variances at all brightnesses.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import ndtr, ndtri

from .artefacts import clipped_share

Array = NDArray[np.float64]

# These values are chosen, not measured one by one; docs/experiments.md#kept ("The mean of cut noise
# undone") has what they give together.
_GROUPS, _FEWEST = 24, 100  # groups of brightness; fewest pixels for the variance of a group
_FLAT = 0.5  # the flatter half of a group's pixels, in which the noise is measured
_LEVELS = 512  # brightnesses at which the effect of the cut is tabulated; interpolated between
_ERROR = 0.1  # relative error of a measured variance from structure, on top of its sampling error
_BETTER = 0.5  # a cut must at least halve the misfit, else there is no evidence of one
_ALIKE = 2.0  # largest factor between the pixels found at an end and those that the noise explains
_PARTLY = 0.98  # groups with more of their pixels at one end carry no information about the noise
# Photon noise is never negative, so none of it is cut off at 0. Only read noise that is well above
# one photon (the slope of the variance is its size) can reach below 0 where there are few photons.
_PHOTONS = 3.0
# Pixels of a brightness that are cut off: share above which the noise is corrected for it, and
# largest share that leaves enough to measure. Of the noise as of its share at the end, one is
# larger for a distribution that is not normal; where the share tells of much weaker noise than the
# variance does, those pixels are not the tail of a distribution at all.
_SOME, MOST_CUT, _LEAST_RATIO = 0.005, 0.6, 0.9
_FAR = (-np.inf, np.inf)


class Groups(NamedTuple):
    """Statistics of pixels of similar brightness in flat areas: one number for each group."""

    mean: Array
    variance: Array
    low: Array  # share of the pixels at the lowest value
    high: Array  # share of the pixels at the highest value
    pixels: Array

    @classmethod
    def of(cls, noisy: Array, output: Array, blind: Array, steep: Array) -> Groups:
        """Group pixels by the brightness of the output.

        The residual of an output that contains some of the noise is too small, that of a
        blind-spot output, which is less exact, too large. The product of both residuals is close
        to the variance: docs/experiments.md#kept.

        Parameters
        ----------
        noisy, output, blind : ndarray, shape (N,)
        steep : ndarray, shape (N,)
            Gradient of the output. The variance of the noise is measured where it is small.
        """
        ends = noisy.min(), noisy.max()
        first, last = np.percentile(output, [0.1, 99.9])
        edges = np.linspace(first, last, _GROUPS + 1)[1:-1]
        label, found = np.digitize(output, edges), []
        for group in range(_GROUPS):
            members = np.flatnonzero(label == group)
            if len(members) >= _FEWEST:
                flat = members[np.argsort(steep[members])[: int(_FLAT * len(members))]]
                y = noisy[flat]
                rest, outer = y - output[flat], y - blind[flat]
                variance = (rest * outer).mean() - rest.mean() * outer.mean()
                shares = [(y == end).mean() for end in ends]
                found.append((y.mean(), variance, *shares, len(flat)))
        found = [row for row in found if row[1] > 0 and max(row[2:4]) < _PARTLY]
        return cls(*np.array(found, np.float64).reshape(-1, 5).T)


class Clipping(NamedTuple):
    """Noise of variance read² + shot * (value - darkest), cut off at one or both ends."""

    low: float  # minus infinity: not cut off there
    high: float  # infinity: not cut off there
    darkest: float
    read: float
    shot: float

    def sigma(self, truth: Array) -> Array:
        """Standard deviation of the noise before the cut."""
        variance = self.read**2 + self.shot * np.maximum(truth - self.darkest, 0)
        return np.asarray(np.sqrt(np.maximum(variance, 1e-12)))

    def moments(self, truth: Array) -> tuple[Array, Array]:
        """Mean and variance of Gaussian noise around the truth, after the cut."""
        sigma = self.sigma(truth)
        a, b = ((np.clip((end - truth) / sigma, -9, 9)) for end in (self.low, self.high))
        below, above, inside = ndtr(a), ndtr(-b), ndtr(b) - ndtr(a)
        at_a, at_b = (np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi) for t in (a, b))
        moved = a * below + b * above + at_a - at_b  # in units of the noise
        square = a**2 * below + b**2 * above + inside + a * at_a - b * at_b
        return truth + sigma * moved, sigma**2 * (square - moved**2)

    def undone(self, means: Array) -> Array:
        """The true values whose cut noise has these means; never beyond the ends of the range."""
        spare = 3 * self.sigma(means).max()
        first = self.low if np.isfinite(self.low) else means.min() - spare
        last = self.high if np.isfinite(self.high) else means.max() + spare
        truth = np.linspace(first, last, _LEVELS)
        return np.asarray(np.interp(means, np.maximum.accumulate(self.moments(truth)[0]), truth))

    def explains(self, groups: Groups) -> bool:
        """Whether there are about as many pixels at the ends as such noise puts there."""
        truth = self.undone(groups.mean)
        sigma, inner = self.sigma(truth), (truth > self.low) & (truth < self.high)
        for end, shares in ((self.low, groups.low), (self.high, groups.high)):
            if np.isfinite(end):
                beyond = ndtr(-np.abs(end - truth) / sigma)
                expected, found = (
                    float((s * groups.pixels)[inner].sum()) for s in (beyond, shares)
                )
                if not expected / _ALIKE <= found <= expected * _ALIKE:
                    return False
        return True


class Uncut(NamedTuple):
    """Noise of one brightness as it was before it was cut off."""

    mean: float
    variance: float


def uncut(
    mean: float,
    variance: float,
    shares: tuple[float, float],
    ends: tuple[float, float],
) -> Uncut | None:
    """Undo the cut of noise at one brightness.

    For normal noise, the share of the pixels at an end tells how many standard deviations it is
    away. What is left of the variance then tells the standard deviation, and so does the distance
    of the mean from that end. Where the tail beyond the end is longer than a normal one, as behind
    the curve of a photograph or a logarithm, the first is too small and the second too large, and
    the more pixels were cut off, the more the second is worth.

    Parameters
    ----------
    mean, variance : float
        Of the pixels as they are.
    shares : (float, float)
        Of the pixels at the lowest and at the highest value.
    ends : (float, float)
        The lowest and the highest value; NaN where no pixels are cut off.

    Returns
    -------
    Uncut or None
        None where too few or too many pixels are at the ends, or cut noise does not explain them.
    """
    share = max(shares)
    if share <= _SOME or sum(shares) > MOST_CUT:
        return None
    a, b = (float(ndtri(s)) if s > 0 else -np.inf for s in shares)  # in units of the noise
    left, remains = Clipping(a, -b, 0.0, 1.0, 0.0).moments(np.zeros(()))
    by_variance = np.sqrt(variance / float(remains))
    side = int(shares[1] > shares[0])
    distance = abs(mean - ends[side])
    by_mean = distance / (abs((a, -b)[side] - float(left)))
    if by_mean < _LEAST_RATIO * by_variance:
        return None
    sigma = float(by_variance * (by_mean / by_variance) ** np.sqrt(share))
    low, high = (e if s > 0 else far for e, s, far in zip(ends, shares, _FAR, strict=True))
    truth = Clipping(low, high, 0.0, sigma, 0.0).undone(np.array([mean]))
    return Uncut(float(truth[0]), sigma**2)


def are_counted(variance: float, step: float) -> bool:
    """Whether noise is so weak against the step between values that these count photons.

    Photon noise is never negative, so that none of it was cut off at 0.
    """
    return variance < (_PHOTONS * step) ** 2


def find_clipping(noisy: Array, output: Array, blind: Array, steep: Array) -> Clipping | None:
    """Find out whether noise was cut off, and how strong it is.

    It was if three things hold: pixels accumulate at an end of the range, the variance falls
    towards that end as that of cut noise does, and the number of pixels there is about what such
    noise explains. A black background without noise and saturated structures fulfil only the first.

    Parameters
    ----------
    noisy, output, blind, steep : ndarray, shape (N,)
        See `Groups.of`; finite.
    """
    low, high = float(noisy.min()), float(noisy.max())
    lows = [low] if clipped_share(noisy, low) > 0 else []
    highs = [high] if clipped_share(noisy, high) > 0 else []
    groups = Groups.of(noisy, output, blind, steep) if lows or highs else None
    if groups is None or len(groups.mean) < 2:
        return None
    _, without = _fit(groups, (-np.inf, np.inf), (low, high))
    for ends in itertools.product((*lows, -np.inf), (*highs, np.inf)):  # both, or one of them
        found, misfit = _fit(groups, ends, (low, high))
        explained = misfit < _BETTER * without and found.explains(groups)
        if explained and found.read > _PHOTONS * found.shot:
            return found
    return None


def _fit(
    groups: Groups, ends: tuple[float, float], span: tuple[float, float]
) -> tuple[Clipping, float]:
    """The noise that explains the variances best, and its misfit."""
    unit = float(np.sqrt(groups.variance.max()))
    error = np.sqrt(2 / groups.pixels + _ERROR**2)
    truth = np.linspace(*span, _LEVELS)

    def noise(parameters: Array) -> Clipping:
        return Clipping(*ends, span[0], float(parameters[0] * unit), float(parameters[1] * unit))

    def misfit(parameters: Array) -> Array:
        means, variances = noise(parameters).moments(truth)
        expected = np.interp(groups.mean, np.maximum.accumulate(means), variances)
        return np.asarray(np.log((expected + 1e-6 * unit**2) / groups.variance) / error)

    # The loss is robust, since structure makes the variance of some groups far too large.
    found = least_squares(misfit, [1, 0.01], bounds=([1e-3, 0], [5, 5]), loss="soft_l1")
    return noise(found.x), float(found.cost)
