"""Adapts the number of torch threads to a busy machine.

If another program occupies a core, every step waits for the thread on that core, and fewer
threads are faster.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import torch

# Chosen, not measured.
_TRIAL = 0.3  # seconds of steps that a probe lasts: short, since it may well be slower
_SOON, _LATER = 5.0, 20.0  # seconds of steps before the next probe: after a gain, and at most
_STEPS = 3  # fewest steps for a mean
_WORTH = 1.1  # times faster; a smaller gain is within the scatter of the times of steps


class Threads:
    """Settles on a number of threads, and now and then probes whether another one is faster.

    The last digits of the results then depend on what else the machine does. This is therefore
    only for work that ends by the clock, whose number of steps depends on it anyway.

    Parameters
    ----------
    may_change : bool
        If not, all threads compute all the time.
    """

    def __init__(self, *, may_change: bool) -> None:
        self._all = self._settled_on = torch.get_num_threads()
        self._may_change = may_change and self._all > 1
        numbers = {self._all - 1, 3 * self._all // 4, self._all // 2} - {0, self._all}
        self._to_probe = deque(sorted(numbers, reverse=True))
        self._state: Literal["settled", "probing"] = "settled"
        self._usual = 0.0  # seconds per step just before a probe
        self._pause = _SOON
        self._start_timing()

    def observe(self, seconds: float) -> None:
        """Take note of how long a step took; may change the number of threads for the next."""
        self._steps += 1
        if self._steps > 0:
            self._seconds += seconds
        enough = self._pause if self._state == "settled" else _TRIAL
        if not self._may_change or self._steps < _STEPS or self._seconds < enough:
            return
        mean = self._seconds / self._steps
        if self._state == "settled":
            self._probe(mean)
        else:
            self._settle(mean)
        self._start_timing()

    def restore(self) -> None:
        """Back to as many threads as there were."""
        if self._may_change:
            torch.set_num_threads(self._all)

    def _start_timing(self) -> None:
        self._steps, self._seconds = -1, 0.0  # The first step after a change warms up.

    def _probe(self, usual: float) -> None:
        """Try the next number of threads for a moment."""
        self._state, self._usual = "probing", usual
        torch.set_num_threads(self._to_probe[0])

    def _settle(self, mean: float) -> None:
        """Settle on the faster number; the other one is probed again after all the rest."""
        probed = self._to_probe.popleft()
        if mean * _WORTH < self._usual:
            self._to_probe.append(self._settled_on)
            self._settled_on, self._pause = probed, _SOON
        else:
            self._to_probe.append(probed)
            self._pause = min(2 * self._pause, _LATER)
        self._state = "settled"
        torch.set_num_threads(self._settled_on)
