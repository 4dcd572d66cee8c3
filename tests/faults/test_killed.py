"""Killed without warning, as by a power cut: what was begun goes on to the same bytes."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from .conftest import Note
from .runs import (
    STEPS,
    Work,
    denoise_in,
    distill_in,
    finish,
    killed,
    result,
    step_of,
    train_in,
    wait_for_step,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
POINTS = 3


def name_of(work: Work) -> str:
    return work.__name__.removesuffix("_in")  # type: ignore[attr-defined]


@pytest.mark.parametrize("work", [train_in, distill_in])
def test_killed_at_three_random_points_it_ends_with_the_same_weights(
    tmp_path: Path, work: Work, survived: Note
) -> None:
    whole = finish(work, tmp_path / "whole")
    folder = tmp_path / "killed"
    points = sorted(np.random.default_rng().choice(np.arange(2, STEPS - 15), POINTS, False))
    reached = []
    for point in points:
        assert killed(work, folder, lambda point=point: wait_for_step(folder, int(point)))
        assert not (folder / "out.aprrd").exists()
        reached.append(step_of(folder))
    assert finish(work, folder) == whole, f"killed at {reached}"
    survived(f"{name_of(work)} killed at a random step", POINTS, "the same weights to the bit")


def _killed_again_and_again(work: Work, folder: Path, times: int, survived: Note) -> None:
    begun = time.monotonic()
    whole = finish(work, folder / "whole")
    seconds, rng = time.monotonic() - begun, np.random.default_rng()
    into = folder / "killed"
    struck = 0
    for _ in range(times):
        struck += killed(work, into, lambda: time.sleep(rng.uniform(0, seconds)))
        step_of(into)  # a checkpoint is whole, or not there
        if (into / "out.npy").exists() or (into / "out.aprrd").exists():
            assert result(into) == whole  # so is an output
            shutil.rmtree(into)
    assert finish(work, into) == whole
    left = {path.name for path in into.iterdir()}
    assert left <= {"out.aprrd", "out.checkpoint", "out.npy"}  # nothing half-written stays
    survived(
        f"{name_of(work)} killed at a random moment",
        times,
        f"the same bytes, no half-written file ({struck} kills before the end)",
    )


def test_denoising_killed_at_random_moments(tmp_path: Path, survived: Note) -> None:
    _killed_again_and_again(denoise_in, tmp_path, 3, survived)


@pytest.mark.slow
@pytest.mark.parametrize("work", [train_in, distill_in, denoise_in])
def test_killed_at_twenty_random_moments(tmp_path: Path, work: Work, survived: Note) -> None:
    _killed_again_and_again(work, tmp_path, 20, survived)
