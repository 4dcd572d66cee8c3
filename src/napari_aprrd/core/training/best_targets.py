"""Which of a teacher's outputs are worth a mean: at which shifts, with neighbours or without."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import ALL_SHIFTS, DenoiseConfig, SettledTraining
from ..data.constant import without_constant
from ..data.planes import Image, Place, Planes, in_random_order, some_windows
from ..jobs import STOP, Clock, Progress, Signal, report_progress
from ..method.networks import Target
from ..model import pretrained
from ..model.hardware import Precision
from ..noise.report import NoiseReport
from ..noise.sure import squared_errors
from . import budget
from .recharged_errors import Seen, recharged_errors

if TYPE_CHECKING:
    from ..model.denoiser import Denoiser, Views

# Side in pixels, that in a hurry, and number of the windows by which a teacher's targets are
# chosen: seconds, even on a CPU. Chosen, not measured.
_WINDOW, _SMALL, _WINDOWS = 256, 128, 8
# Correlated noise: the largest shift that is tried, unless that of training is larger; and the
# shift whose residual tells the strength of the noise.
_FARTHEST, _PARTNER = 6, 2
# Share of the error by which estimates may be wrong, mostly since no report sees the faint tails of
# the correlation: of sets that are as good as equal, the one with the largest shift is the safest.
# Share of the noise's variance that an error counts as at least.
_EQUAL, _LEAST = 0.05, 0.05
# Times the variance that the report found in flat blocks: networks leave so much more where they
# take a texture for noise. Real noise that varies with brightness gave 5 at most (ten photographs).
_TEXTURE = 20.0


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
    planes: Planes, noise: NoiseReport | None, *, hurry: bool = False
) -> list[Place]:
    """The windows by which a teacher's targets are chosen; none where nothing is known of noise."""
    if noise is None:
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

    Small shifts keep detail, large ones remove more noise. The error of the mean over shifts 0..k
    is estimated for each k, and the best k >= 1 is taken. Where noise is correlated, that takes
    the starting student as an instrument; teachers that know no pre-training get all shifts up
    to the one of training.

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
    stacked, measured = teacher.stacked(planes), _Measured.of(teacher, noise, config)
    windows = target_windows(planes, noise, hurry=hurry) if measured.is_open else []
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
    config : SettledTraining
    plain : Denoiser or None
        The starting student, with which errors are estimated in correlated noise.
    upto : list of tuple of int
        Sets of shifts to choose from.
    missed : ndarray, shape (views,)
        Squared distances to the noisy pixels, of means over blind outputs.
    errors : ndarray, shape (views, sets)
        Estimated errors of means over the sets, where there are several.
    left : ndarray, shape (C,)
        Squares of the noise that networks left, in normalised units.
    pixels : int
        Number of pixels in each channel.
    """

    teacher: Denoiser
    noise: NoiseReport
    config: SettledTraining
    plain: Denoiser | None
    upto: list[tuple[int, ...]]
    missed: NDArray[np.float64]
    errors: NDArray[np.float64]
    left: NDArray[np.float64]
    pixels: int = 0

    @classmethod
    def of(cls, teacher: Denoiser, noise: NoiseReport, config: SettledTraining) -> _Measured:
        """Nothing measured yet."""
        plain = None
        if noise.hardly_correlated:
            last = max(ALL_SHIFTS)
        elif teacher.record.get("train", {}).get("start") == "starter":
            last = max(config.shift, _FARTHEST)
            plain = pretrained.starting_student(teacher.normalisation)
            plain.to(str(next(teacher.network.parameters()).device))
        else:
            last = 0
        upto = [tuple(range(k + 1)) for k in range(1, last + 1)] or [_by_rule(config)]
        views = len(_views(teacher))
        missed, errors = np.zeros(views), np.zeros((views, len(upto)))
        return cls(teacher, noise, config, plain, upto, missed, errors, np.zeros(teacher.channels))

    @property
    def is_open(self) -> bool:
        """Whether there is anything to choose."""
        return self.errors.size > 1

    @property
    def best(self) -> BestTargets:
        """The outputs that are best by what was measured."""
        view = int(np.argmin(self.missed))
        return BestTargets(self._shifts(self.errors[view]), _views(self.teacher)[view])

    def _shifts(self, errors: NDArray[np.float64]) -> tuple[int, ...]:
        if self.plain is None:
            return self.upto[int(np.argmin(errors))]
        scales = np.array(self.teacher.normalisation.scale)
        if (self.left * scales**2).mean() > _TEXTURE * self.pixels * self.noise.sigma**2:
            return _by_rule(self.config)
        noise = self.left.sum()
        least = max(errors.min() - noise, _LEAST * noise)
        return self.upto[int(np.flatnonzero(errors <= errors.min() + _EQUAL * least).max())]

    def look_at(self, window: Image, seed: int) -> None:
        """Measure on one more window of a plane, with its neighbours if it has any."""
        normalisation, channels = self.teacher.normalisation, self.teacher.channels
        noisy = normalisation.apply(without_constant(window[:channels]))
        noisy[list(normalisation.not_learnt)] = np.nan
        views = _views(self.teacher)
        targets = self.teacher.targets_at(self.upto[-1], "both" if len(views) > 1 else views[0])
        outputs = partial(self._outputs, targets=targets, neighbours=window[channels:])

        def numbers(shifts: tuple[int, ...], view: Views) -> list[int]:
            return [targets.index(target) for target in self.teacher.targets_at(shifts, view)]

        if len(views) > 1:
            made, blind = outputs(noisy), blind_shifts(self._hidden, self.noise)
            means = (made[numbers(blind, view)].mean(0) for view in views)
            self.missed += [float(np.nansum(np.square(mean - noisy))) for mean in means]
        sets = [numbers(shifts, view) for view in views for shifts in self.upto]
        pixels = int(np.isfinite(noisy).sum())
        if self.plain is not None:
            plain = self.plain

            def networks(values: Image) -> Seen:
                simple = normalisation.apply(plain.predict(normalisation.undo(values)))
                return Seen(simple.astype(np.float64), outputs(values).astype(np.float64))

            partner = numbers((_PARTNER,), views[0])[0]
            found = recharged_errors(noisy, networks, self.noise, sets, partner, seed=seed)
            self.errors += pixels * found.of_means.reshape(self.errors.shape)
            self.left += pixels / channels * found.noise
            self.pixels += pixels // channels
        elif len(self.upto) > 1:
            hidden = [shift > 0 for shift, _ in targets]
            errors = squared_errors(noisy, outputs, self.noise, sets, blind=hidden, seed=seed)
            self.errors += pixels * errors.reshape(self.errors.shape)

    @property
    def _hidden(self) -> tuple[int, ...]:
        """Shifts of which the largest hides the noise that pixels share."""
        return self.upto[-1] if self.noise.hardly_correlated else _by_rule(self.config)

    def _outputs(self, values: Image, targets: list[Target], neighbours: Image) -> Image:
        """The teacher's outputs for normalised values of a plane."""
        precision: Precision = "float32"
        # Little noise, added to weak noise, would drown in the rounding of half precision.
        if self.plain is None and self.config.precision != "auto":
            precision = self.config.precision
        seen = np.concatenate([self.teacher.normalisation.undo(values), neighbours])
        return self.teacher.targets(seen, targets, DenoiseConfig(), precision)


def _by_rule(config: SettledTraining) -> tuple[int, ...]:
    """Shifts without a measurement: the faint tails of correlated noise reach far."""
    return tuple(range(config.shift + 1))


def _views(teacher: Denoiser) -> tuple[Views, ...]:
    return ("with", "alone", "both") if teacher.neighbours else ("alone",)
