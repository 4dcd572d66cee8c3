"""Many files as one job, whose one bar knows what is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core.makers import drive, noisy_stack, random_denoiser

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.jobs import Job, Progress
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.files.batch import denoise_files_job
from napari_aprrd.files.inputs import Files

SMALL = DenoiseConfig(tile=64)


def files(folder: Path, out: str, *, each: bool = False) -> Files:
    paths = [folder / f"{number}.npy" for number in range(4)]
    for number, path in enumerate(paths):
        np.save(path, noisy_stack(2, 100, 100, seed=number))
    return Files.to(paths, folder / out, each=each)


def learning(model: Denoiser, steps: int) -> Job[Denoiser]:
    """Learn a model in some steps; in none it is there already."""
    for step in range(1, steps + 1):
        yield Progress("Learn", step, steps, 1.0)
    return model


@pytest.mark.parametrize(("each", "learnt"), [(False, 1 / 2), (True, 1 / 8)])
def test_learning_for_all_files_is_half_of_the_bar(
    tmp_path: Path, each: bool, learnt: float
) -> None:
    model = random_denoiser()
    targets = files(tmp_path, "out", each=each)
    steps = iter((5, 5, 5, 5) if each else (5, 0, 0, 0))
    _, reports = drive(denoise_files_job(targets, lambda _: learning(model, next(steps)), SMALL))
    done = [report.fraction for report in reports]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == pytest.approx(1)
    (first, *_) = [r.fraction for r in reports if (r.stage, r.step) == ("Learn", 5)]
    assert first == pytest.approx(learnt)


def test_closed_in_the_middle_it_goes_on_to_the_same_files(tmp_path: Path) -> None:
    model = random_denoiser()
    whole, parts = (files(tmp_path, out) for out in ("whole", "parts"))
    drive(denoise_files_job(whole, lambda _: learning(model, 0), SMALL))
    for reports in (4, 11):
        job = denoise_files_job(parts, lambda _: learning(model, 0), SMALL)
        for _ in range(reports):
            next(job)
        job.close()
    results, _ = drive(denoise_files_job(parts, lambda _: learning(model, 0), SMALL))
    assert [result.status for result in results] == ["done"] * 4
    for mine, other in zip(parts.targets.values(), whole.targets.values(), strict=True):
        np.testing.assert_array_equal(np.load(mine), np.load(other))
