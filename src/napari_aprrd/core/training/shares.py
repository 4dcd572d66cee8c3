"""What the stages of a job cost, about, as shares of its bar."""

from __future__ import annotations

from typing import NamedTuple

from ..config import SettledDistillation
from ..data.planes import Planes, pixels_of
from . import budget
from .best_targets import target_windows
from .calibrate import windows_of
from .plan import TrainingPlan
from .targets import are_stored

# Cost of a pixel that is looked at before or after the loop, in pixels of training steps. Measured
# on a processor of two cores: a window of 256 x 256 takes as long as 6 steps of a teacher, or 12 of
# a student.
_TEACHER, _STUDENT = 1.5, 3.0


class TrainingShares(NamedTuple):
    """Shares of the stages of a training; their sum is 1."""

    learning: float
    shifts: float
    calibration: float

    @classmethod
    def of(cls, plan: TrainingPlan, planes: Planes) -> TrainingShares:
        """Shares of a training with settled settings."""
        config, hurry = plan.config, budget.is_short(plan.config.minutes)
        # Shifts are chosen by how outputs answer to more noise: each window is looked at twice.
        shifts = 2 * pixels_of(target_windows(planes, plan.noise, hurry=hurry))
        windows = pixels_of(windows_of(planes, hurry=hurry))
        learning = budget.LEARNING
        if config.steps is not None:
            steps = config.steps * config.batch * config.patch**2
            learning = steps / (steps + _TEACHER * (shifts + windows))
        ending = (1 - learning) / (shifts + windows)
        return cls(learning, shifts * ending, windows * ending)


class DistillationShares(NamedTuple):
    """Shares of the stages of a distillation; their sum is 1."""

    targets: float
    learning: float
    calibration: float

    @classmethod
    def of(cls, config: SettledDistillation, planes: Planes, neighbours: int) -> DistillationShares:
        """Shares of a distillation with settled settings, by a teacher with k neighbours."""
        stored = are_stored(planes, config, neighbours)
        if config.steps is None:
            targets = budget.TARGETS if stored else 0.0
            return cls(targets, budget.LEARNING - targets, 1 - budget.LEARNING)
        pixels = sum(h * w for h, w in planes.sizes) if stored else 0
        windows = pixels_of(windows_of(planes))
        steps = config.steps * config.batch * config.patch**2
        whole = steps + _STUDENT * (pixels + windows)
        return cls(_STUDENT * pixels / whole, steps / whole, _STUDENT * windows / whole)
