"""Which of a teacher's outputs are worth a mean: at which shifts, with neighbours or without."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import ALL_SHIFTS, DenoiseConfig, SettledTraining
from ..data.constant import without_constant
from ..data.planes import Image, Place, Planes, in_random_order, some_windows
from ..jobs import STOP, Clock, Progress, Signal, report_progress
from ..model.hardware import Precision
from ..noise.report import NoiseReport
from ..noise.sure import squared_errors
from . import budget

if TYPE_CHECKING:
    from ..model.denoiser import Denoiser, Views

# Side in pixels, that in a hurry, and number of the windows by which a teacher's targets are
# chosen: seconds, even on a CPU. Chosen, not measured.
_WINDOW, _SMALL, _WINDOWS = 256, 128, 8


class BestTargets(NamedTuple):
    """Outputs of a teacher whose mean is best."""

    shifts: tuple[int, ...]
    views: Views


def blind_shifts(shifts: Sequence[int], noise: NoiseReport | None) -> tuple[int, ...]:
    """Those of the shifts that hide all the noise that pixels share.

    Where noise is correlated, faint tails reach beyond what a report sees: the largest has to do.
    """
    white = noise is not None and noise.reach == 0
    hiding = tuple(shift for shift in shifts if shift > 0) if white else ()
    return hiding or (max(shifts),)


def target_windows(
    planes: Planes, noise: NoiseReport | None, neighbours: int = 0, *, hurry: bool = False
) -> list[Place]:
    """The windows by which a teacher's targets are chosen; none where the noise decides."""
    if noise is None or not (noise.hardly_correlated or neighbours):
        return []
    return in_random_order(some_windows(planes, _SMALL if hurry else _WINDOW, _WINDOWS))


def best_targets(
    teacher: Denoiser,
    planes: Planes,
    noise: NoiseReport,
    config: SettledTraining,
    clock: Clock,
    *,
    stopped: bool = False,
) -> Generator[Progress, Signal | None, BestTargets]:
    """Find the outputs that are worth a mean.

    Small shifts keep detail, large ones remove more noise. Where noise is (nearly) white, the
    error of the mean over shifts 0..k is estimated for each k, and the best k >= 1 is taken.
    Where it is correlated, its faint tails, which no report sees, decide; all shifts up to the
    one of training are taken.

    Outputs with and without neighbouring planes err in different ways. Of these, and of both
    together, those are taken that predict best the pixels that they are blind to.

    Parameters
    ----------
    teacher : Denoiser
    planes : Planes
        What it was trained on; a few windows are looked at.
    noise : NoiseReport
    config : SettledTraining
        Of the training; its precision is settled.
    clock : Clock
        Of a time budget that is nearly spent, fewer windows have to do.
    stopped : bool
        The user waits for the end: one small window has to do.
    """
    hurry = stopped or budget.is_short(config.minutes)
    windows = target_windows(planes, noise, teacher.neighbours, hurry=hurry)
    stacked, measured = teacher.stacked(planes), _Measured.of(teacher, noise, config)
    for done, place in enumerate(windows, start=1):
        measured.look_at(stacked.read(*place), seed=done)
        progress = Progress("Choose targets", done, len(windows), clock.seconds)
        stopped |= (yield from report_progress(progress, clock)) is STOP
        if stopped or clock.spent > budget.SHIFTS:
            break
    return measured.best


@dataclass
class _Measured:
    """What was measured so far on windows.

    Parameters
    ----------
    teacher : Denoiser
    noise : NoiseReport
    precision : {"float32", "bfloat16", "float16"}
    upto : list of tuple of int
        Sets of shifts to choose from.
    blind : tuple of int
        Shifts at which outputs are blind to the noise that reaches a pixel.
    missed : ndarray, shape (views,)
        Squared distances to the noisy pixels, of means over blind outputs.
    errors : ndarray, shape (views, sets)
        Estimated errors of means over the sets, where there are several.
    """

    teacher: Denoiser
    noise: NoiseReport
    precision: Precision
    upto: list[tuple[int, ...]]
    blind: tuple[int, ...]
    missed: NDArray[np.float64]
    errors: NDArray[np.float64]

    @classmethod
    def of(cls, teacher: Denoiser, noise: NoiseReport, config: SettledTraining) -> _Measured:
        """Nothing measured yet."""
        precision: Precision = "float32" if config.precision == "auto" else config.precision
        if noise.hardly_correlated:
            upto = [ALL_SHIFTS[: last + 1] for last in range(1, len(ALL_SHIFTS))]
        else:
            upto = [tuple(range(config.shift + 1))]
        blind = blind_shifts(upto[-1], noise)
        views = len(_views(teacher))
        missed, errors = np.zeros(views), np.zeros((views, len(upto)))
        return cls(teacher, noise, precision, upto, blind, missed, errors)

    @property
    def best(self) -> BestTargets:
        """The outputs that are best by what was measured."""
        view = int(np.argmin(self.missed))
        return BestTargets(self.upto[int(np.argmin(self.errors[view]))], _views(self.teacher)[view])

    def look_at(self, window: Image, seed: int) -> None:
        """Measure on one more window of a plane, with its neighbours if it has any."""
        normalisation, channels = self.teacher.normalisation, self.teacher.channels
        noisy = normalisation.apply(without_constant(window[:channels]))
        noisy[list(normalisation.not_learnt)] = np.nan
        neighbours, views = window[channels:], _views(self.teacher)
        targets = self.teacher.targets_at(self.upto[-1], "both" if len(views) > 1 else views[0])

        def outputs(values: Image) -> Image:
            seen = np.concatenate([normalisation.undo(values), neighbours])
            return self.teacher.targets(seen, targets, DenoiseConfig(), self.precision)

        def numbers(shifts: tuple[int, ...], view: Views) -> list[int]:
            return [targets.index(target) for target in self.teacher.targets_at(shifts, view)]

        if len(views) > 1:
            made = outputs(noisy)
            means = (made[numbers(self.blind, view)].mean(0) for view in views)
            self.missed += [float(np.nansum(np.square(mean - noisy))) for mean in means]
        if len(self.upto) > 1:
            sets = [numbers(shifts, view) for view in views for shifts in self.upto]
            blind = [shift > 0 for shift, _ in targets]
            found = squared_errors(noisy, outputs, self.noise, sets, blind=blind, seed=seed)
            self.errors += np.isfinite(noisy).sum() * found.reshape(self.errors.shape)


def _views(teacher: Denoiser) -> tuple[Views, ...]:
    return ("with", "alone", "both") if teacher.neighbours else ("alone",)
