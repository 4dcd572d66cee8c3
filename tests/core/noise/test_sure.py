"""The error of an output is known without the clean image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_aprrd.core.data.planes import Image
from napari_aprrd.core.noise.autocorrelation import noise_field
from napari_aprrd.core.noise.sure import squared_errors

from ..training.test_auto_settings import noise


def smoothed(image: Image) -> Image:
    """Means of ever larger surroundings, of which only the first holds the pixel itself."""
    filters = []
    for width in (0.7, 1.0, 1.5, 2.0, 4.0):
        y, x = np.mgrid[-12:13, -12:13]
        weights = np.exp(-(y**2 + x**2) / (2 * width**2))
        if filters:  # blind to all noise that reaches the pixel
            weights[np.hypot(y, x) <= 4] = 0
        filters.append(weights / weights.sum())
    return np.stack([ndimage.convolve(image, weights[None]) for weights in filters])


@pytest.mark.parametrize("reach", [0, 3])
def test_estimates_differ_as_the_true_errors_do(reach: int) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256] * 0.08
    clean = (2 + np.sin(x) + np.sin(y))[None]
    report = noise(reach, reach, correlated=0.4)
    noisy = clean + np.sqrt(0.1 + 0.1 * clean) * noise_field((256, 256), report.correlation, rng)
    outputs = smoothed(noisy)
    counts = np.arange(1, len(outputs) + 1)[:, None, None, None]
    true = ((outputs.cumsum(axis=0) / counts - clean) ** 2).mean(axis=(1, 2, 3))
    estimated = squared_errors(noisy.astype("f4"), smoothed, report)
    assert np.ptp(true) > 0.04
    np.testing.assert_allclose(
        estimated - estimated.mean(), true - true.mean(), atol=0.15 * np.ptp(true)
    )


@pytest.mark.parametrize("reaches", [(0, 0), (3, 0), (0, 2), (2, 3)])
def test_added_noise_is_correlated_as_the_report_says(reaches: tuple[int, int]) -> None:
    field = noise_field(
        (400, 500), noise(*reaches, correlated=0.3).correlation, np.random.default_rng(0)
    )
    assert field.std() == pytest.approx(1, abs=0.02)
    for axis, reach in enumerate(reversed(reaches)):
        for lag in range(1, 5):
            moved = np.roll(field, lag, axis)
            expected = 0.3 if lag <= reach else 0.0
            assert (field * moved).mean() == pytest.approx(expected, abs=0.06)


def test_missing_pixels_have_no_say() -> None:
    rng = np.random.default_rng(0)
    noisy = rng.normal(0, 1, (1, 128, 128)).astype("f4")
    holes = noisy.copy()
    holes[:, 40:60, 40:60] = np.nan

    def filled(image: Image) -> Image:
        return smoothed(np.nan_to_num(image))

    whole, damaged = (squared_errors(image, filled, noise()) for image in (noisy, holes))
    np.testing.assert_allclose(np.diff(damaged), np.diff(whole), atol=0.05)
    assert not squared_errors(np.full_like(noisy, np.nan), filled, noise()).any()
