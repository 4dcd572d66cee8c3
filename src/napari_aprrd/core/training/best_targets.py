"""Which of a teacher's outputs are worth a mean: at which shifts, with neighbours or without."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import ALL_SHIFTS, DenoiseConfig, SettledTraining
from ..data.constant import without_constant
from ..data.planes import Image, Place, Planes, in_random_order, some_windows
from ..jobs import STOP, Clock, Progress, Signal, report_progress
from ..method.networks import Target
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


class _Candidates(NamedTuple):
    """Outputs to compare the means of."""

    targets: list[Target]  # all outputs
    means: list[list[int]]  # numbers of the outputs that a mean is made of
    values: list[BestTargets]  # what each mean stands for


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
    together, those are taken whose mean has the smallest error: where noise is correlated, by how
    well outputs at the larger shifts predict the pixels that they are blind to.

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
    errors_of, candidates = _measure_of(teacher, noise, config)
    if len(candidates.values) == 1:
        return candidates.values[0]
    stacked, errors = teacher.stacked(planes), np.zeros(len(candidates.values))
    for done, place in enumerate(windows, start=1):
        errors += errors_of(stacked.read(*place), done)
        progress = Progress("Choose targets", done, len(windows), clock.seconds)
        stopped |= (yield from report_progress(progress, clock)) is STOP
        if stopped or clock.spent > budget.SHIFTS:
            break
    return candidates.values[int(np.argmin(errors))]


Errors = Callable[[Image, int], NDArray[np.float64]]


def _measure_of(
    teacher: Denoiser, noise: NoiseReport, config: SettledTraining
) -> tuple[Errors, _Candidates]:
    """What measures the errors of candidates in a window, and the candidates."""
    views: tuple[Views, ...] = ("with", "alone", "both") if teacher.neighbours else ("alone",)
    precision: Precision = "float32" if config.precision == "auto" else config.precision

    def outputs(window: Image, targets: list[Target]) -> Image:
        return teacher.targets(window, targets, DenoiseConfig(), precision)

    if noise.hardly_correlated:
        upto = [ALL_SHIFTS[: last + 1] for last in range(1, len(ALL_SHIFTS))]
        candidates = _candidates(teacher, ALL_SHIFTS, upto, views)
        return _Estimated(teacher, outputs, noise, candidates).errors, candidates
    blind = tuple(range(min(noise.reach + 1, config.shift), config.shift + 1))
    candidates = _candidates(teacher, blind, [blind], views)
    whole = tuple(range(config.shift + 1))
    named = [BestTargets(whole, of.views) for of in candidates.values]
    candidates = candidates._replace(values=named)
    return _Predicting(teacher, outputs, noise, candidates).errors, candidates


def _candidates(
    teacher: Denoiser,
    shifts: tuple[int, ...],
    means: Sequence[tuple[int, ...]],
    views: Sequence[Views],
) -> _Candidates:
    """Means over sets of shifts, for each of the views."""
    targets = teacher.targets_at(shifts, "both" if len(views) > 1 else views[0])
    values = [BestTargets(over, view) for view in views for over in means]
    numbers = [[targets.index(t) for t in teacher.targets_at(*of)] for of in values]
    return _Candidates(targets, numbers, values)


class _Measure(NamedTuple):
    teacher: Denoiser
    outputs: Callable[[Image, list[Target]], Image]
    noise: NoiseReport
    candidates: _Candidates

    def split(self, window: Image) -> tuple[Image, Image]:
        """The plane of a window, normalised, NaN where nothing is learnt; and its neighbours."""
        normalisation, channels = self.teacher.normalisation, self.teacher.channels
        noisy = normalisation.apply(without_constant(window[:channels]))
        noisy[list(normalisation.not_learnt)] = np.nan
        return noisy, window[channels:]


class _Estimated(_Measure):
    """Errors of means by Monte-Carlo SURE, see `squared_errors`."""

    def errors(self, window: Image, seed: int) -> NDArray[np.float64]:
        noisy, neighbours = self.split(window)
        undo, targets = self.teacher.normalisation.undo, self.candidates.targets

        def outputs(values: Image) -> Image:
            return self.outputs(np.concatenate([undo(values), neighbours]), targets)

        blind = [shift > 0 for shift, _ in targets]
        found = squared_errors(
            noisy, outputs, self.noise, self.candidates.means, blind=blind, seed=seed
        )
        return np.asarray(np.isfinite(noisy).sum() * found)


class _Predicting(_Measure):
    """Squared distances of means, blind to a pixel, to the noisy pixel."""

    def errors(self, window: Image, seed: int) -> NDArray[np.float64]:
        noisy, _ = self.split(window)
        outputs = self.outputs(window, self.candidates.targets)
        means = (outputs[numbers].mean(0) for numbers in self.candidates.means)
        return np.array([np.nansum(np.square(mean - noisy)) for mean in means])
