"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest

from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training.train import train

from .makers import BRIEF, drive, noisy_planes


@pytest.fixture(scope="session")
def _teacher() -> Denoiser:
    return drive(train(noisy_planes(), TrainConfig(**BRIEF, shift=2)))[0]


@pytest.fixture
def teacher(_teacher: Denoiser) -> Denoiser:
    """A briefly trained blind-spot network with one channel; a copy of the test's own."""
    return _teacher.copy()
