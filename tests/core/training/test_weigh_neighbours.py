"""Outputs with and without neighbours are joined by what the noisy pixels say."""

from __future__ import annotations

import numpy as np
import pytest

from napari_aprrd.core.data.planes import Image
from napari_aprrd.core.training.weigh_neighbours import weigh_neighbours

SHAPE = (1, 96, 96)
ALL = np.array([True, True])


def scene() -> tuple[Image, Image, Image]:
    """The truth, which moved in its right half; what neighbours show; and the noisy image."""
    y, x = np.indices(SHAPE[1:])
    before = 10 * np.sin(x / 5) * np.sin(y / 5)
    now = np.where(x < 48, before, 10 * np.sin((x + 4) / 5) * np.sin(y / 5))
    noisy = now + np.random.default_rng(0).normal(0, 3, SHAPE[1:])
    return now[None].astype("f4"), before[None].astype("f4"), noisy[None].astype("f4")


def joined(noisy: Image, blind: np.ndarray = ALL) -> tuple[Image, Image]:
    """What comes out of blurred outputs alone and sharp ones of neighbours, and the truth."""
    now, before, _ = scene()
    alone = 0.6 * now  # as after a blur
    outputs = weigh_neighbours(np.stack([before] * 2), np.stack([alone] * 2), blind, noisy)
    return outputs, now


def test_neighbours_count_where_the_scene_stands_still_and_not_where_it_moved() -> None:
    outputs, now = joined(scene()[2])
    assert outputs.shape == (2, *SHAPE)
    assert outputs.dtype == np.float32
    error = np.abs(outputs - now)
    assert error[..., :36].mean() < 0.3 * np.abs(0.4 * now[..., :36]).mean()
    assert error[..., 60:].mean() < 1.3 * np.abs(0.4 * now[..., 60:]).mean()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_numbers_have_no_say(value: float) -> None:
    noisy = scene()[2]
    noisy[:, 20:30, 20:30] = value
    outputs, now = joined(noisy)
    assert np.isfinite(outputs).all()
    assert np.abs(outputs - now)[..., :36].mean() < 0.6


def test_outputs_that_agree_stay_as_they_are() -> None:
    now, _, noisy = scene()
    both = np.stack([now, now])
    np.testing.assert_array_equal(weigh_neighbours(both, both, ALL, noisy), both)
