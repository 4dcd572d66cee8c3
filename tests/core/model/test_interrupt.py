"""What is no longer wanted ends inside the network."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest
from torch import nn

from napari_aprrd.core.background import CancelledError
from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.model.denoise_planes import denoise
from napari_aprrd.core.model.interrupt import Interrupted, interruptible, interruptible_job
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train

from ..makers import BRIEF, KINDS, ON_CPU, drive, noisy_image, noisy_planes, random_denoiser


class Wanted:
    """Wanted until it was asked so many times."""

    def __init__(self, times: float) -> None:
        self.left = times

    def __call__(self) -> bool:
        self.left -= 1
        return self.left >= 0


def no_hooks_are_left() -> bool:
    return nn.modules.module._global_forward_pre_hooks == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tile_ends_in_the_middle(kind: Any) -> None:
    denoiser, image = random_denoiser(kind), noisy_image(1, 64, 64)
    always, seldom = Wanted(1e9), Wanted(3)
    before = denoiser.predict(image)
    with interruptible(always):
        assert (denoiser.predict(image) == before).all()
    assert 1e9 - always.left > 4  # asked many times in one tile
    with pytest.raises(Interrupted), interruptible(seldom):
        denoiser.predict(image)
    assert issubclass(Interrupted, CancelledError)
    assert no_hooks_are_left()
    assert (denoiser.predict(image) == before).all()


def test_other_threads_that_use_the_model_go_on() -> None:
    denoiser, image, results = random_denoiser(), noisy_image(1, 64, 64), []
    with interruptible(lambda: False):
        thread = threading.Thread(target=lambda: results.append(denoiser.predict(image)))
        thread.start()
        thread.join()
    assert len(results) == 1


def test_copies_of_a_model_that_is_at_work_are_not_interrupted() -> None:
    denoiser, image = random_denoiser(), noisy_image(1, 64, 64)
    with interruptible(lambda: False):
        copied, sent = denoiser.copy(), pickle.dumps(denoiser)
    before = denoiser.predict(image)
    assert (copied.predict(image) == before).all()
    assert (pickle.loads(sent).predict(image) == before).all()


@pytest.mark.skipif(not ON_CPU, reason="a GPU computes many tiles at once, within milliseconds")
def test_a_job_ends_within_a_tile() -> None:
    written: list[int] = []
    job = denoise(
        random_denoiser(), noisy_planes((64, 64), (64, 64)), lambda p, *_: written.append(p)
    )
    wanted = Wanted(1e9)
    job = interruptible_job(job, wanted)
    next(job)
    wanted.left = 2
    with pytest.raises(Interrupted):
        next(job)
    assert written == [0]
    assert no_hooks_are_left()


def test_targets_of_a_large_plane_end_within_it() -> None:
    job = distill(random_denoiser(), noisy_planes(), DistillConfig(**BRIEF))
    with pytest.raises(Interrupted):
        drive(interruptible_job(job, Wanted(3)))


def test_steps_of_a_training_are_not_interrupted_but_closed() -> None:
    wanted = Wanted(1e9)
    job = interruptible_job(train(noisy_planes(), TrainConfig(**BRIEF, hold_out=0.3)), wanted)
    while (report := next(job)).loss is None:
        pass
    wanted.left = 0
    while report.stage == "Train teacher" and report.step < report.total:
        report = next(job)
    with pytest.raises(Interrupted):  # by its calibration
        drive(job)


def test_an_interruptible_job_answers_and_returns_as_before() -> None:
    job = denoise(random_denoiser(), noisy_planes((64, 64), (64, 64)), lambda *_: None)
    assert drive(interruptible_job(job, lambda: True))[0] is True
    job = denoise(random_denoiser(), noisy_planes((64, 64), (64, 64)), lambda *_: None)
    assert drive(interruptible_job(job, lambda: True), stop_at="Denoise")[0] is False
