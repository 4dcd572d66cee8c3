"""As many threads compute as help, when the clock decides."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_aprrd.core import jobs
from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.jobs import run
from napari_aprrd.core.training.threads import Threads
from napari_aprrd.core.training.train import train

from ..makers import BRIEF


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def work(threads: Threads, seconds_per_step: Callable[[int], float], seconds: float) -> list[int]:
    """Steps that take as long as they do with that many threads; returns the numbers used."""
    used, worked = [], 0.0
    while worked < seconds:
        used.append(torch.get_num_threads())
        worked += seconds_per_step(used[-1])
        threads.observe(seconds_per_step(used[-1]))
    return used


def test_threads_that_wait_for_a_busy_core_are_left_out() -> None:
    threads = Threads(may_change=True)
    used = work(threads, lambda n: 0.1 / n if n <= 2 else 0.2, 30)
    assert used[0] == 4
    assert set(used[-20:]) == {2}


def test_threads_come_back_when_the_core_is_free() -> None:
    threads = Threads(may_change=True)
    work(threads, lambda n: 0.3 if n > 2 else 0.1, 60)
    assert torch.get_num_threads() == 2
    work(threads, lambda n: 0.1 / n, 120)
    assert torch.get_num_threads() == 4
    threads.restore()


def test_on_an_idle_machine_trials_are_short_and_rare() -> None:
    used = work(Threads(may_change=True), lambda n: 0.2 / n, 200)
    assert np.mean(np.array(used) == 4) > 0.97
    assert set(used) == {2, 3, 4}


def test_a_fixed_number_of_steps_keeps_all_threads() -> None:
    threads = Threads(may_change=False)
    assert set(work(threads, lambda n: float(n), 100)) == {4}


@pytest.mark.parametrize("minutes", [None, 1.0])
def test_after_training_there_are_as_many_threads_as_before(
    minutes: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A second goes by between two looks at the clock: a few steps last until the first trial of
    # fewer threads.
    readings = itertools.count()
    monkeypatch.setattr(jobs, "time", SimpleNamespace(perf_counter=lambda: float(next(readings))))
    asked: list[int] = []
    really = torch.set_num_threads
    monkeypatch.setattr(torch, "set_num_threads", lambda n: (asked.append(n), really(n)))
    noisy = np.random.default_rng(0).random((1, 64, 64), np.float32)
    config = TrainConfig.of(TrainConfig.of(**BRIEF), minutes=minutes, adapt=False, device="cpu")
    run(train(MemoryPlanes([noisy]), config))
    assert torch.get_num_threads() == 4
    assert bool(asked) == (minutes is not None)
