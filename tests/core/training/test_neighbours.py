"""Training and distilling with the neighbouring planes of a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_aprrd.core.config import DenoiseConfig, DistillConfig, TrainConfig
from napari_aprrd.core.data.planes import Image, MemoryPlanes
from napari_aprrd.core.data.synthetic import add_noise, cells
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training.checkpoint import Checkpoint
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train

from ..makers import (
    BRIEF,
    LazyPlanes,
    assert_same_pixels,
    drive,
    noisy_image,
    noisy_planes,
    same_weights,
)


def film(count: int, side: int = 64, kind: Any = "white") -> tuple[MemoryPlanes, Image]:
    """Exposures of one field that does not move, and the truth."""
    clean = cells((side, side), seed=4)
    noisy = add_noise(np.stack([clean] * count), kind=kind, seed=5, dtype=np.float32)
    return MemoryPlanes([plane[None] for plane in noisy], stack_axes="T"), clean


def stack_of(*sizes: tuple[int, int]) -> MemoryPlanes:
    return MemoryPlanes(noisy_planes(*sizes).images, stack_axes="Z")


def error(model: Denoiser, planes: MemoryPlanes, clean: Image, *, alone: bool = False) -> float:
    """Mean squared error after an affine fit, over all planes."""
    stacked, errors = planes if alone else model.stacked(planes), []
    for plane, (height, width) in enumerate(planes.sizes):
        window = stacked.read(plane, slice(0, height), slice(0, width))
        output = model.predict(window, DenoiseConfig())[0]
        fit = np.polyfit(output.ravel(), clean.ravel(), 1)
        errors.append(float(np.square(np.polyval(fit, output) - clean).mean()))
    return float(np.mean(errors))


@pytest.mark.parametrize("kind", ["white", "blobby"])
def test_neighbours_make_a_still_scene_clearer(kind: str) -> None:
    planes, clean = film(4, 96, kind)
    errors = []
    for neighbours in (0, 1):
        config = TrainConfig(neighbours=neighbours, steps=12, batch=2, width=16, depth=3)
        teacher = run(train(planes, config))
        student = run(distill(teacher, planes, DistillConfig(steps=12, batch=2)))
        errors.append(error(student, planes, clean))
    assert errors[1] < 0.85 * errors[0]


def test_a_model_with_neighbours_also_denoises_single_planes() -> None:
    planes, clean = film(4, 96)
    config = TrainConfig(neighbours=1, steps=12, batch=2)
    teacher = run(train(planes, config))
    student = run(distill(teacher, planes, DistillConfig(steps=12, batch=2)))
    noisy = np.mean(
        [
            np.square(image[0] - image.mean() - clean + clean.mean()).mean()
            for image in planes.images
        ]
    )
    for model in (teacher, student):
        assert error(model, planes, clean, alone=True) < 0.2 * noisy


def test_the_record_says_what_was_seen() -> None:
    planes, _ = film(3)
    teacher, _ = drive(train(planes, TrainConfig(**BRIEF, neighbours=1)))
    assert teacher.neighbours == 1
    assert teacher.stack_axis == "T"
    assert teacher.record["train"]["config"]["neighbours"] == 1
    assert teacher.views == teacher.record["target_views"]
    student, _ = drive(distill(teacher, planes, DistillConfig(**BRIEF)))
    assert (student.neighbours, student.stack_axis) == (1, "T")
    best = "alone" if teacher.views == "alone" else "measured"
    assert student.record["distill"]["config"]["targets"] == best


def test_targets_are_as_asked_for() -> None:
    planes, _ = film(3)
    teacher = run(train(planes, TrainConfig(**BRIEF, neighbours=1)))
    for targets in ("measured", "with", "alone", "both"):
        student = run(distill(teacher, planes, DistillConfig(**BRIEF, targets=targets)))
        assert student.record["distill"]["config"]["targets"] == targets


def test_neighbours_that_are_not_there_are_refused() -> None:
    with pytest.raises(UserError, match="neighbours = 1 has no effect"):
        run(train(noisy_planes(), TrainConfig(**BRIEF, neighbours=1)))


def test_planes_of_other_sizes_are_no_neighbours() -> None:
    planes = stack_of((64, 64), (64, 64), (48, 64))
    teacher = run(train(planes, TrainConfig(**BRIEF, neighbours=1)))
    alone = teacher.stacked(planes).read(2, slice(0, 48), slice(0, 64))
    assert np.isnan(alone[1:]).all()
    assert np.isfinite(teacher.predict(alone)).all()


@pytest.mark.parametrize("lazy", [False, True])
def test_a_training_with_neighbours_goes_on_as_if_nothing_had_happened(
    lazy: bool, tmp_path: Path
) -> None:
    images = [noisy_image(2, 64, 64, seed=seed) for seed in range(4)]
    planes = (LazyPlanes if lazy else MemoryPlanes)(images, stack_axes="T")
    config = TrainConfig(**{**BRIEF, "steps": 8}, neighbours=2)
    whole = run(train(planes, config))
    file = tmp_path / "checkpoint"
    job = train(planes, config, checkpoint=Checkpoint(file))
    for progress in job:
        if progress.loss is not None and progress.step >= 3:
            break
    job.close()
    resumed = run(train(planes, config, checkpoint=Checkpoint(file)))
    assert same_weights(whole, resumed)
    assert whole.shifts == resumed.shifts
    assert whole.views == resumed.views


def test_models_with_neighbours_are_saved_and_read(tmp_path: Path) -> None:
    from napari_aprrd.core.model.denoiser import load

    planes, _ = film(3)
    teacher = run(train(planes, TrainConfig(**BRIEF, neighbours=1)))
    teacher.save(tmp_path / "teacher.aprrd")
    read = load(tmp_path / "teacher.aprrd")
    window = teacher.stacked(planes).read(1, slice(0, 64), slice(0, 64))
    assert_same_pixels(read.predict(window), teacher.predict(window))
    assert (read.neighbours, read.stack_axis, read.views) == (1, "T", teacher.views)
