"""Constant areas are told from images of few photons, and are not learnt from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_aprrd.core.data.constant import constant_areas, without_constant
from napari_aprrd.core.data.crops import CropSampler
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.scaling import Normalisation

from ..makers import noisy_image

IDENTITY = Normalisation((0.0,), (1.0,))
SIZE = 200


def photons(rate: float, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).poisson(rate, (1, SIZE, SIZE)).astype(np.float32)


def test_an_image_without_constant_areas_is_passed_on_untouched() -> None:
    image = noisy_image(2, 64, 64)
    assert without_constant(image) is image


@pytest.mark.parametrize("width", [3, 9, 20, 70])
@pytest.mark.parametrize("value", [0.0, -5.0])
def test_a_black_border_is_found_to_the_pixel(width: int, value: float) -> None:
    image = noisy_image(1, SIZE, SIZE)
    border = np.ones(image.shape, bool)
    border[:, width:-width, width:] = False
    image[border] = value
    np.testing.assert_array_equal(constant_areas(image), border)


@pytest.mark.parametrize("angle", [3, 20, 45])
def test_the_corners_of_a_rotated_picture_are_found(angle: float) -> None:
    picture = ndimage.rotate(noisy_image(1, SIZE, SIZE)[0], angle, order=1)
    corners = ndimage.rotate(np.ones((SIZE, SIZE)), angle, order=1) == 0
    missed = constant_areas(picture[None])[0] != corners
    assert missed.mean() < 1e-3


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 0.02, 0.2, 1, 5])
def test_the_dark_ground_of_few_photons_is_not_constant(rate: float) -> None:
    assert not constant_areas(photons(rate)).any()


@pytest.mark.parametrize("rate", [0.1, 1, 5])
def test_a_border_around_few_photons_is_found(rate: float) -> None:
    image = photons(rate)
    image[:, :40] = 0
    found = constant_areas(image)
    assert found[:, :40].all()
    assert found[:, 41:].mean() < 0.01


def test_a_channel_that_is_the_same_everywhere_is_constant_whatever_its_value() -> None:
    image = noisy_image(2, 64, 64)
    image[1] = 7
    image[1, 3, 3] = np.nan
    found = constant_areas(image)
    assert not found[0].any()
    np.testing.assert_array_equal(found[1], np.isfinite(image[1]))


def test_a_border_has_no_say_in_the_normalisation() -> None:
    image = noisy_image(1, SIZE, SIZE)
    image[:, :90] = 0
    alone = Normalisation.measure(MemoryPlanes([image[:, 90:]]))
    with_border = Normalisation.measure(MemoryPlanes([image]))
    assert with_border.offset == pytest.approx(alone.offset, rel=0.02)
    assert with_border.scale == pytest.approx(alone.scale, rel=0.05)


def test_black_frames_are_not_drawn_from() -> None:
    black = np.zeros((1, 64, 64), np.float32)
    planes = MemoryPlanes([black, black, noisy_image(1, 64, 64), black])
    crops = CropSampler(planes, IDENTITY, batch=40, patch=32, seed=0).draw()
    assert (crops.values > 50).any((1, 2, 3)).all()
    assert crops.valid.all()


def test_a_black_frame_of_one_channel_is_not_learnt_from() -> None:
    image = noisy_image(2, 64, 64)
    image[1] = 0
    planes = MemoryPlanes([image])
    two = Normalisation((0.0, 0.0), (1.0, 1.0))
    valid = CropSampler(planes, two, batch=4, patch=32, seed=0).draw().valid
    assert valid[:, 0].all()
    assert not valid[:, 1].any()


@pytest.mark.parametrize("size", [(8, 100), (100, 20), (9, 9), (31, 32)])
def test_narrow_planes_are_reflected_and_only_their_own_pixels_are_learnt_from(
    size: tuple[int, int],
) -> None:
    image = noisy_image(1, *size)
    sampler = CropSampler(MemoryPlanes([image]), IDENTITY, batch=8, patch=32, seed=0, hold_out=0.2)
    crops = sampler.draw()
    assert crops.values.shape == (8, 1, 32, 32)
    expected = min(size[0], 32) * min(size[1], 32)
    assert (crops.valid.sum((1, 2, 3)) == expected).all()
    assert not (crops.held_out & ~crops.valid).any()
    own = torch.from_numpy(image).unique()
    assert torch.isin(crops.values, own).all()
