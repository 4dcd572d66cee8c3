"""Weights to start from: where they fit, and that they help."""

from __future__ import annotations

import numpy as np
import pytest

from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model import pretrained
from napari_aprrd.core.model.architecture import Architecture
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train
from napari_aprrd.metrics import evaluate

from ..makers import noisy_planes, random_denoiser, same_weights

FEW = {"steps": 2, "batch": 1, "hold_out": 0, "device": "cpu"}


@pytest.mark.parametrize("kind", ["white", "blobby", "line-x"])
def test_a_few_steps_are_enough_for_a_first_look(kind: str) -> None:
    noisy, truth = noisy_cells((128, 128), kind=kind, seed=5)
    planes = MemoryPlanes([noisy[None].astype(np.float32)])

    def quality(start: str) -> float:
        teacher = run(train(planes, TrainConfig(**FEW, start=start)), None)
        return evaluate(teacher.predict(planes.images[0])[0], truth).psnr_fitted

    assert quality("starter") > quality("scratch") + 3
    assert quality("starter") > evaluate(noisy, truth).psnr_fitted + 3


@pytest.mark.parametrize("kind", ["white", "blobby", "line-x"])
def test_a_first_look_needs_no_training(kind: str) -> None:
    noisy, truth = noisy_cells((128, 128), kind=kind, seed=5)
    image = noisy[None].astype(np.float32)
    image[0, 7, 7] = np.nan
    look = pretrained.first_look(image)[0]
    assert np.isnan(look[7, 7])
    assert np.isfinite(look).sum() == look.size - 1
    look[7, 7] = truth[7, 7]
    gained = evaluate(look, truth).psnr - evaluate(noisy, truth).psnr  # not fitted: units are right
    assert gained > 4.5


def test_a_first_look_takes_each_channel_by_itself() -> None:
    one, two = (noisy_cells((64, 64), seed=seed)[0][None].astype(np.float32) for seed in (0, 1))
    both = pretrained.first_look(np.concatenate((one, 3 * two + 50)))
    np.testing.assert_allclose(both[:1], pretrained.first_look(one), rtol=1e-4)
    np.testing.assert_allclose(both[1:], 3 * pretrained.first_look(two) + 50, rtol=1e-3)


def test_students_start_from_theirs() -> None:
    planes, teacher = noisy_planes(), random_denoiser(width=4)
    student = run(distill(teacher, planes, DistillConfig(**FEW)), None)
    assert student.record["distill"]["start"] == "starter"


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        *(({"width": 8}, {}), ({"depth": 2}, {}), ({"channels": 3}, {})),
        *(({"kind": "student-1.02M"}, {}), ({}, {"start": "scratch"}), ({}, {"preset": "paper"})),
    ],
)
def test_networks_of_other_sizes_start_from_scratch(
    changes: dict[str, int], settings: dict[str, str]
) -> None:
    architecture = Architecture.of(pretrained.FITTING["teacher"], **changes)
    c = architecture.channels
    denoiser = Denoiser.fresh(architecture, Normalisation((0.0,) * c, (1.0,) * c), seed=0)
    before = denoiser.copy()
    assert not pretrained.begin(denoiser, TrainConfig(**settings))
    assert same_weights(before, denoiser)


def test_each_of_several_networks_starts_from_them() -> None:
    architecture = Architecture.of(pretrained.FITTING["teacher"], channels=2, separate=True)
    denoiser = Denoiser.fresh(architecture, Normalisation((0.0,) * 2, (1.0,) * 2), seed=0)
    assert pretrained.begin(denoiser, TrainConfig())
    first, second = (network.state_dict() for network in denoiser.network.networks)
    assert all((first[name] == second[name]).all() for name in first)


def test_the_weights_are_small() -> None:
    assert sum(pretrained.path_of(name).stat().st_size for name in pretrained.FITTING) < 3e6
