"""Honest intensities: the calibration of a network's output is found without a reference."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..config import DenoiseConfig
from ..data.constant import without_constant
from ..data.curve import NO_CURVE, STEP, WEAK, Curve, knots_of, residual_at
from ..data.planes import Image, Place, Planes, in_random_order, some_windows
from ..data.scaling import Calibration
from ..jobs import STOP, Clock, Progress, Signal, report_progress
from ..noise.clipping import Clipping, find_clipping
from . import budget

if TYPE_CHECKING:
    from ..model.denoiser import Denoiser

# Chosen, not measured.
WINDOW, SMALL = 256, 128  # pixels, side of the windows that are read, and in a hurry
WINDOWS, FEWEST = 32, 4  # number of windows: usually, and where the time budget is spent
POINTS = 129  # of a curve that undoes clipping, which bends most within a small part of the range


def refined(
    line: Calibration, noisy: Image, output: Image, blind: Image, steep: Image
) -> tuple[Calibration, list[Clipping | None]]:
    """Add a curve to a calibration where a straight line is not enough.

    That is where noise was cut off at an end of the range, see `clipping`, and where noise is so
    weak that the small bends of a network's answer show, see `curve`.

    Parameters
    ----------
    line : Calibration
        As measured, without a curve.
    noisy, output, blind : ndarray, shape (C, N)
        As for `Calibration.measure`; the output as the network gave it.
    steep : ndarray, shape (C, N)
        Slope of the output at each pixel: noise is measured where it is small.

    Returns
    -------
    Calibration
    list of Clipping or None
        What was cut off, for each channel.
    """
    own = Calibration.measure(noisy, blind)  # the blind output is another network's
    outputs, blinds = line.apply(output[:, None])[:, 0], own.apply(blind[:, None])[:, 0]
    found = [
        _curve(*(part[np.isfinite(parts[0])].astype(np.float64) for part in parts))
        for parts in zip(noisy, outputs, blinds, steep, strict=True)
    ]
    curves, clippings = (list(part) for part in zip(*found, strict=True))
    needed = any(curve.at for curve in curves)
    return replace(line, curve=tuple(curves) if needed else ()), clippings


def _curve(
    noisy: NDArray[np.float64],
    output: NDArray[np.float64],
    blind: NDArray[np.float64],
    steep: NDArray[np.float64],
) -> tuple[Curve, Clipping | None]:
    """Curve of one channel whose output is calibrated by a line already."""
    if noisy.size == 0:
        return NO_CURVE, None
    clipping = find_clipping(noisy, output, blind, steep)
    noise = float((noisy - blind).std())
    if clipping is not None:
        knots = knots_of(output, noise)
    else:
        knots = knots_of(output, STEP * noise)
        if np.ptp(knots) <= WEAK * noise:
            return NO_CURVE, None
    add = residual_at(knots, noisy, output, blind)
    if clipping is None:
        return Curve(tuple(map(float, knots)), tuple(map(float, add))), None
    ends = [end for end in (clipping.low, clipping.high) if np.isfinite(end)]
    values = np.linspace(min(knots[0], *ends), max(knots[-1], *ends), POINTS)
    truth = clipping.undone(values + np.interp(values, knots, add))
    return Curve(tuple(map(float, values)), tuple(map(float, truth - values))), clipping


class Hurry(NamedTuple):
    """Why a calibration must not take long."""

    short: bool = False  # so is the time budget: small windows have to do
    stopped: bool = False  # the user waits for the end: the fewest small windows have to do
    latest: float = math.inf  # seconds after the time budget, from which on a single one has to do

    @classmethod
    def of(cls, minutes: float | None, *, stopped: bool) -> Hurry:
        """By the time budget of the job."""
        latest = math.inf if minutes is None else budget.late(minutes) / 2
        return cls(budget.is_short(minutes), stopped, latest)


AT_LEISURE = Hurry()


def windows_of(planes: Planes, *, hurry: bool = False) -> list[Place]:
    """The windows on which a model is calibrated, in the order in which they are looked at."""
    return in_random_order(some_windows(planes, SMALL if hurry else WINDOW, WINDOWS))


def calibrate(
    denoiser: Denoiser,
    teacher: Denoiser,
    shift: int,
    planes: Planes,
    clock: Clock,
    how: Hurry = AT_LEISURE,
) -> Generator[Progress, Signal | None, dict[str, Any]]:
    """Measure a denoiser's calibration on windows of its training data.

    Parameters
    ----------
    denoiser : Denoiser
        Gets the calibration.
    teacher : Denoiser
        Its output at the training shift is the instrument.
    shift : int
        The teacher's shift in training.
    planes : Planes
    clock : Clock
        Where its time budget is spent, the fewest windows have to do.
    how : Hurry

    Returns
    -------
    dict
        For the record: "clipped", where noise was cut off; else empty.
    """
    seen, stacked = [], denoiser.stacked(planes)
    windows = windows_of(planes, hurry=how.short or how.stopped)
    stopped = how.stopped
    for done, (plane, rows, columns) in enumerate(windows, start=1):
        window = stacked.read(plane, rows, columns)
        noisy = window[: planes.channels]
        output, blind = _outputs(denoiser, teacher, shift, window)
        parts = (without_constant(noisy), output, blind, _steepness(output))
        seen.append([part.reshape(planes.channels, -1) for part in parts])
        progress = Progress("Calibrate", done, len(windows), clock.seconds)
        stopped |= (yield from report_progress(progress, clock)) is STOP
        in_a_hurry = stopped or clock.spent >= budget.CALIBRATION
        if (done >= FEWEST and in_a_hurry) or clock.late > how.latest:
            break
    noisy, output, blind, steep = (np.concatenate(p, axis=1) for p in zip(*seen, strict=True))
    line = Calibration.measure(noisy, output, blind)
    denoiser.calibration, clippings = refined(line, noisy, output, blind, steep)
    facts = _facts(clippings, noisy)
    if not facts:
        return {}
    yield from report_progress(
        Progress("Calibrate", len(windows), len(windows), clock.seconds, note=_note(facts)), clock
    )
    return {"clipped": facts}


def _facts(clippings: list[Clipping | None], noisy: Image) -> list[dict[str, Any]]:
    """What was found about noise that was cut off, for the record: JSON types."""
    facts = []
    for channel, (clipping, pixels) in enumerate(zip(clippings, noisy, strict=True)):
        if clipping is not None:
            ends = [("low", clipping.low), ("high", clipping.high)]
            facts += [
                {
                    "channel": channel,
                    "end": name,
                    "value": end,
                    "share": round(float((pixels == end).mean()), 4),
                    "noise": float(clipping.sigma(np.array(end))),
                }
                for name, end in ends
                if np.isfinite(end)
            ]
    return facts


def _note(facts: list[dict[str, Any]]) -> str:
    """One sentence for the user."""
    ends = dict.fromkeys(f"{fact['value']:g}" for fact in facts)
    share = max(fact["share"] for fact in facts)
    return (
        f"The noise is cut off at {' and '.join(ends)} ({100 * share:.2g} % of the pixels): "
        "the brightness near there is corrected for it."
    )


def _outputs(
    denoiser: Denoiser, teacher: Denoiser, shift: int, noisy: Image
) -> tuple[Image, Image]:
    """What a denoiser, and its teacher at one shift, make of a window; not calibrated."""
    raw = DenoiseConfig(calibrate=False)
    if not denoiser.is_teacher:
        blind = DenoiseConfig.of(raw, shifts=(shift,))
        return denoiser.predict(noisy, raw), teacher.predict(noisy, blind)
    best = teacher.targets_at(teacher.shifts)
    with_neighbours = teacher.neighbours > 0
    *outputs, blind_output = teacher.targets(noisy, [*best, (shift, with_neighbours)], raw)
    undo = teacher.normalisation.undo
    return undo(np.mean(outputs, axis=0)), undo(blind_output)


def _steepness(image: Image) -> Image:
    """Slope of a window (C, h, w) at each pixel."""
    return np.stack([ndimage.gaussian_gradient_magnitude(channel, 1) for channel in image])
