"""Detail is restored in the targets where noise alone does not explain what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from napari_aprrd.core.training.restore_detail import restore_detail


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (1, 128, 128)).astype("f4")


def test_a_lost_texture_is_restored_and_flat_places_stay_clean(noise: np.ndarray) -> None:
    clean = np.zeros((1, 128, 128))
    clean[:, 40:70, 40:70] = 4 * (-1.0) ** np.arange(30)  # stripes that the targets have lost
    targets = np.zeros((3, 1, 128, 128), np.float32)
    restored = restore_detail(targets, clean + noise).mean(axis=0)
    inside, far = np.s_[:, 45:65, 45:65], np.s_[:, 90:, 90:]
    assert ((restored - clean)[inside] ** 2).mean() < 0.2 * (clean[inside] ** 2).mean()
    assert (restored[far] ** 2).mean() < 0.01


def test_a_hot_pixel_is_not(noise: np.ndarray) -> None:
    noise[0, 64, 64] = 1000
    restored = restore_detail(np.zeros((2, 1, 128, 128), np.float32), noise)
    assert np.abs(restored).max() < 1


def test_missing_pixels_change_nothing(noise: np.ndarray) -> None:
    noise[0, 10:20] = np.nan
    targets = np.full((2, 1, 128, 128), 0.5, np.float32)
    restored = restore_detail(targets, noise)
    assert np.isfinite(restored).all()
    assert (restored[:, 0, 10:20] == 0.5).all()
    assert (restore_detail(targets, np.full_like(noise, np.nan)) == targets).all()


def test_each_target_gets_the_same(noise: np.ndarray) -> None:
    targets = np.stack([np.zeros_like(noise), np.ones_like(noise)])
    noise[:, 40:70, 40:70] *= 10
    before, after = np.diff(targets, axis=0), np.diff(restore_detail(targets, noise), axis=0)
    np.testing.assert_allclose(after, before, atol=1e-5)
