"""Predicting with a trained network: units, shifts, invalid pixels, calibration."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.denoiser import Denoiser

from ..makers import (
    KINDS,
    NetworkKind,
    assert_same_pixels,
    noisy_image,
    random_denoiser,
    same_weights,
)


@pytest.mark.parametrize("size", [(64, 64), (37, 51), (5, 100), (1, 1), (1, 40), (17, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_any_size_gives_the_same_size_in_float32(kind: NetworkKind, size: tuple[int, int]) -> None:
    output = random_denoiser(kind, channels=2).predict(noisy_image(2, *size))
    assert output.shape == (2, *size)
    assert output.dtype == np.float32
    assert np.isfinite(output).all()


def test_values_go_through_normalisation_and_back() -> None:
    plain, image = random_denoiser("student-1.00M", channels=2), noisy_image(2, 40, 40)
    scaled = plain.copy()
    scaled.normalisation = Normalisation((100.0, 50.0), (60.0, 20.0))
    offset, scale = (np.array(v, np.float32)[:, None, None] for v in ([100, 50], [60, 20]))
    expected = plain.predict((image - offset) / scale) * scale + offset
    np.testing.assert_allclose(scaled.predict(image), expected, rtol=1e-4)


def test_half_the_bits_change_targets_little() -> None:
    teacher, image = random_denoiser(), noisy_image(1, 40, 48) / 100
    exact = teacher.targets(image, (0, 2), DenoiseConfig())
    rough = teacher.targets(image, (0, 2), DenoiseConfig(), "bfloat16")
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() < 0.05 * np.abs(exact).max()


def test_a_teacher_gives_the_mean_over_its_shifts() -> None:
    denoiser, image = random_denoiser(), noisy_image(1, 40, 48) / 100
    single = [denoiser.predict(image, DenoiseConfig(shifts=(s,))) for s in (0, 2, 5)]
    together = denoiser.predict(image, DenoiseConfig(shifts=(0, 2, 5)))
    np.testing.assert_allclose(together, np.mean(single, axis=0), atol=1e-5)
    assert not np.allclose(single[0], single[1], atol=1e-3)
    targets = denoiser.targets(image, (0, 2, 5), DenoiseConfig())
    np.testing.assert_allclose(targets, single, atol=1e-5)


@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M"])
def test_the_self_ensemble_is_the_mean_over_flips_and_turns(kind: NetworkKind) -> None:
    denoiser, image = random_denoiser(kind), noisy_image(1, 128, 160) / 100
    outputs = []
    for turns in range(4):
        turned = np.rot90(image, turns, axes=(1, 2))
        outputs.append(np.rot90(denoiser.predict(turned), -turns, axes=(1, 2)))
        flipped = denoiser.predict(turned[:, ::-1].copy())[:, ::-1]
        outputs.append(np.rot90(flipped, -turns, axes=(1, 2)))
    tiled = denoiser.predict(image, DenoiseConfig(self_ensemble=True, tile=64))
    np.testing.assert_allclose(tiled, np.mean(outputs, axis=0), atol=1e-5)
    assert not np.allclose(outputs[0], outputs[3], atol=1e-3)


def test_a_student_has_no_shifts_and_no_targets() -> None:
    denoiser, image = random_denoiser("student-1.02M"), noisy_image(1, 40, 40)
    shifted = denoiser.predict(image, DenoiseConfig(shifts=(3,)))
    assert_same_pixels(shifted, denoiser.predict(image))
    with pytest.raises(UserError, match="teacher"):
        denoiser.targets(image, (0, 1), DenoiseConfig())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile", [64, 512])
def test_invalid_pixels_stay_and_spoil_no_others(kind: NetworkKind, tile: int) -> None:
    image = noisy_image(2, 100, 90) / 100
    image[0, 3, 3], image[0, 50, 44:48], image[1, 99, 89] = np.nan, np.inf, -np.inf
    output = random_denoiser(kind, channels=2).predict(image, DenoiseConfig(tile=tile))
    invalid = ~np.isfinite(image)
    np.testing.assert_array_equal(output[invalid], image[invalid])
    assert np.isfinite(output[~invalid]).all()
    assert np.abs(output[~invalid]).max() < 100  # nothing blew up


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_without_finite_pixels_comes_back_as_it_is(value: float) -> None:
    image = np.full((1, 40, 40), value, np.float32)
    np.testing.assert_array_equal(random_denoiser().predict(image), image)


def test_a_copy_is_independent() -> None:
    denoiser = random_denoiser()
    copy = denoiser.copy()
    assert same_weights(copy, denoiser)
    with torch.no_grad():
        next(copy.network.parameters()).add_(1)
    copy.record["note"] = "changed"
    assert not same_weights(copy, denoiser)
    assert denoiser.record == {}


def test_predicting_leaves_gradients_and_random_numbers_alone() -> None:
    denoiser, state = random_denoiser(), torch.get_rng_state()
    for _ in denoiser.predict_tiles(
        lambda rows, columns: np.zeros((1, 100, 100), np.float32)[:, rows, columns],
        (100, 100),
        DenoiseConfig(tile=64),
    ):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.requires_grad and p.grad is None for p in denoiser.network.parameters())


def test_a_model_is_one_line_in_a_console(teacher: Denoiser) -> None:
    said = repr(teacher)
    assert said.startswith("<teacher: 1 channel, 6 steps, noise ")
    assert said.endswith("learnt from 1 plane, 0.004 megapixels>")
    assert (
        repr(random_denoiser("student-1.00M", channels=3)) == "<student: 3 channels, not trained>"
    )
    teacher.record["train"]["stopped"] = True
    assert "6 steps, stopped early" in repr(teacher)
