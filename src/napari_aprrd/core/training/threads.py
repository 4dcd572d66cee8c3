"""As many threads as help: a core that another program is busy on holds up all the others."""

from __future__ import annotations

import torch

_TRIAL = 0.3  # seconds of steps that a trial takes
_SOON, _LATER = 5.0, 20.0  # seconds of steps between two trials: after a gain, and at most
_STEPS = 3  # that a mean needs
_WORTH = 1.1  # times faster; below that, nothing is changed


class Threads:
    """Tries now and then whether some threads less, or more, are faster.

    The last digits of what is computed then depend on what else the machine does. So this is for
    work that ends by the clock, whose number of steps depends on it anyway.

    Parameters
    ----------
    may_change : bool
        If not, all threads compute all the time.
    """

    def __init__(self, *, may_change: bool) -> None:
        self._most = self._kept = torch.get_num_threads()
        self._may_change = may_change and self._most > 1
        fewer = {self._most, self._most - 1, 3 * self._most // 4, self._most // 2}
        self._others = sorted(fewer - {0, self._most})  # the next one to try is the last
        self._pause = _SOON
        self._before: float | None = None  # seconds per step before the trial that is on
        self._steps, self._seconds = -1, 0.0

    def took(self, seconds: float) -> None:
        """Hear how long a step took; may change the number of threads for the next one."""
        self._steps += 1
        if self._steps > 0:  # the first one with a new number warms up
            self._seconds += seconds
        long_enough = self._seconds >= (self._pause if self._before is None else _TRIAL)
        if not self._may_change or self._steps < _STEPS or not long_enough:
            return
        mean, before = self._seconds / self._steps, self._before
        if before is None:
            self._before = mean
            torch.set_num_threads(self._others[-1])
        else:
            gained, tried = mean * _WORTH < before, self._others.pop()
            self._others.insert(0, self._kept if gained else tried)
            self._kept = tried if gained else self._kept
            self._before, self._pause = None, _SOON if gained else min(2 * self._pause, _LATER)
            torch.set_num_threads(self._kept)
        self._steps, self._seconds = -1, 0.0

    def restore(self) -> None:
        """Back to as many threads as there were."""
        if self._may_change:
            torch.set_num_threads(self._most)
