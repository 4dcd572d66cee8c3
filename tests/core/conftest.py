"""Fixtures of the engine's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_aprrd.core import jobs as progress
from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training.train import train

from .makers import drive, noisy_planes

TINY = {"steps": 6, "batch": 2, "patch": 32, "width": 4, "depth": 2}


@pytest.fixture(scope="session")
def parity() -> Path:
    """Folder of reference inputs and outputs; they belong to others and are not copied here."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("NAPARI_APRRD_SHARED", beside)) / "parity"
    if not folder.is_dir():
        pytest.skip("no ../shared/parity beside the project, and NAPARI_APRRD_SHARED names none")
    return folder


@pytest.fixture(scope="session")
def _teacher() -> Denoiser:
    return drive(train(noisy_planes(), TrainConfig(**TINY, shift=2)))[0]


@pytest.fixture
def teacher(_teacher: Denoiser) -> Denoiser:
    """A briefly trained blind-spot network with one channel; a copy of the test's own."""
    return _teacher.copy()


@pytest.fixture
def report_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "YIELD_EVERY", 0.0)
