"""What changes from plane to plane, and whether a model that sees neighbouring planes keeps it.

An output that takes a share a of its structure from its neighbours leaves a times the change in
the residual. Regressing the residual on the change in the noisy planes would find their noise
there as well. So the output, and its difference to the noisy neighbours, which hold little of that
noise, take the place of the noisy structure and the noisy change (instrumental variables); both at
once, so that what was lost within the plane does not count. What is the same in flat blocks is
noise, and is subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from ..config import Config
from ..data.planes import Planes
from ..noise.report import NoiseReport
from .moments import Moment, read_moments
from .pairs import (
    SIZES,
    Array,
    NoiseCurve,
    band,
    highest,
    in_sigmas,
    local,
    lowest,
    places,
    share,
    with_random_phases,
)

# Change where it is strongest / variance of the noise, from which on it is judged. Below it, noise
# that is left in the output looks like change. Chosen on simulations of known change.
_JUDGED = 1.0
_CERTAIN = 2.0  # standard errors by which a share may be too large by chance
_FINEST = 1.0  # pixels: detail that shows how strong the noise is near a pixel


class Change(Config):
    """What neighbouring planes may spoil."""

    axis: str = Field(description="Letter of the axis along which planes are neighbours.")
    faded: float | None = Field(
        None,
        description="Share of what changes from plane to plane that was replaced by what the "
        "neighbours show; none where hardly anything changes.",
    )
    events: float = Field(
        description="Strongest places of the residual that look like a change / those of equal "
        "noise."
    )
    beside: float = Field(
        description="Share of the noise, in flat areas of the output, that neighbours have as well."
    )


class _Detail(NamedTuple):
    """Detail of one size (h, w), in units of the noise."""

    rest: Array  # of the residual
    out: Array  # of the output
    near: Array  # of the noisy neighbours

    @classmethod
    def of(cls, moment: Moment, curve: NoiseCurve, size: int) -> _Detail:
        images = (moment.here.residual, moment.here.clean, moment.beside.noisy)
        return cls(*(band(image, size) / curve.at(moment.here.clean) for image in images))


def measure_change(
    noisy: Planes,
    clean: Planes,
    axis: str,
    noise: NoiseReport,
    curves: Sequence[NoiseCurve],
    curve: NoiseCurve,
) -> Change | None:
    """Compare a few windows with those of the planes before and after.

    Parameters
    ----------
    noisy, clean : Planes
    axis : str
        Letter of the axis along which planes are neighbours.
    noise : NoiseReport
        Of the noisy planes.
    curves, curve : NoiseCurve
        Of each channel, and of all in units of their noise.

    Returns
    -------
    Change or None
        None where no plane lies between two others.
    """
    moments = [
        Moment(*(pair.in_units_of(curves[channel]) for pair in moment))
        for channel, moment in read_moments(noisy, clean, axis)
    ]
    if not moments:
        return None
    judged = [_faded(moments, curve, size) for size in SIZES[1:]]
    known = [value for value in judged if value is not None]
    return Change(
        axis=axis,
        faded=max(known) if known else None,
        events=_events(moments, curve, SIZES[1]),
        beside=_beside(moments, curve, _shared(noise, axis)),
    )


def _shared(noise: NoiseReport, axis: str) -> float:
    """Correlation of the noise of planes and the next ones."""
    if noise.stack is not None and noise.stack.axis == axis:
        return max(noise.stack.correlation.get("1", 0.0), 0.0)
    return max(noise.between_planes or 0.0, 0.0)


def _faded(moments: Sequence[Moment], curve: NoiseCurve, size: int) -> float | None:
    """Share of the change, in detail of a size, that came from the neighbours; at least."""
    products, structure, changing = _products(moments, curve, size)
    flat, strongest = lowest(structure + changing), highest(changing)
    quiet = products[:, flat].mean(1)
    away = products[:, np.union1d(strongest, highest(structure))] - quiet[:, None]
    shown, removed = away[:4].reshape(2, 2, -1), away[4:6]
    inverse = np.linalg.pinv(shown.sum(2), rcond=1e-6)
    lost = inverse @ removed.sum(1)
    unexplained = inverse @ (removed - np.tensordot(lost, shown, (0, 1)))
    at_least = lost[1] - _CERTAIN * np.sqrt((unexplained[1] ** 2).sum())
    faded = float(np.clip(at_least, 0, 0.9))  # of what is gone, nothing is there to compare
    change = (products[3, strongest].mean() - quiet[3]) / (1 - faded)
    return faded if change >= _JUDGED * quiet[6] > 0 else None


def _products(
    moments: Sequence[Moment], curve: NoiseCurve, size: int
) -> tuple[Array, Array, Array]:
    """Products of detail (7, N), and strengths of structure and of change, of N blocks."""
    rows = []
    for moment in moments:
        rest, out, near = _Detail.of(moment, curve, size)
        noisy, shown = rest + out, out - near
        step = noisy - near
        pairs = (
            *((noisy, out), (step, out), (noisy, shown), (step, shown)),
            *((rest, out), (rest, shown), (noisy, noisy)),
        )
        means = [places(a * b) for a, b in pairs]
        rows.append(np.stack([*means, *_strengths(moment, curve, size)]))
    every = np.concatenate(rows, axis=1)
    return every[:7], every[7], every[8]


def _strengths(moment: Moment, curve: NoiseCurve, size: int) -> tuple[Array, Array]:
    """Strength of structure, and of what changes, in blocks of the outputs: coarser detail."""
    sigma = curve.at(moment.here.clean)
    here, beside = (band(pair.clean, 2 * size) / sigma for pair in moment)
    return places(here**2), places((here - beside) ** 2)


def _events(moments: Sequence[Moment], curve: NoiseCurve, size: int) -> float:
    """Ratio of the strongest local residual that looks like a change to that of equal noise.

    Both are compared with the finest detail around them, which shows how strong the noise is there.
    """
    rng = np.random.default_rng(0)
    found, expected = [], []
    for here, beside in moments:
        sigma = curve.at(here.clean)
        rest = [in_sigmas(pair.residual, sigma) for pair in (here, beside)]
        kept = band((here.clean - beside.clean) / sigma, size)
        found.append(_like_change(rest, kept, size).ravel())
        equal = [with_random_phases(image, rng) for image in rest]
        expected.append(_like_change(equal, kept, size).ravel())
    high, usual = (np.quantile(np.concatenate(values), 0.999) for values in (found, expected))
    return float(high / max(usual, 1e-12))


def _like_change(rest: Sequence[Array], kept: Array, size: int) -> Array:
    """Local variance of the residual along the change of the noisy planes / that of its grain.

    The residuals are that of a plane and that of its neighbours; what is kept is the change of the
    outputs.
    """
    removed = band(rest[0], size)
    change = removed - band(rest[1], size) + kept
    along = local(removed * change, size).clip(0) ** 2 / (local(change**2, size) + 1e-12)
    grain = local(band(rest[0], _FINEST) ** 2, size)
    # Where nothing was removed, as of invalid pixels, there is no grain.
    return np.asarray(along / np.maximum(grain, np.median(grain) / 2 + 1e-12))


def _beside(moments: Sequence[Moment], curve: NoiseCurve, shared: float) -> float:
    """Share of the noise in flat areas that neighbours have as well, and the residual lacks.

    Parameters
    ----------
    shared : float
        Correlation of the noise of neighbouring planes.
    """
    size, rows = SIZES[0], []
    for moment in moments:
        rest, out, near = _Detail.of(moment, curve, size)
        structure = np.sum(_strengths(moment, curve, size), axis=0)
        rows.append(np.stack([places(rest * near), places(rest * (rest + out)), structure]))
    with_near, with_noise, structure = np.concatenate(rows, axis=1)
    flat = lowest(structure)
    found = with_near[flat].mean() / max(with_noise[flat].mean(), 1e-12)
    # The mean of two neighbours holds each with half its weight: their noises add up as squares.
    return share(np.sqrt(2) * (shared - found))
