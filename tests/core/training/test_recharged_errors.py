"""The error of recharged targets is known without the clean image, whatever the noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_aprrd.core.data.planes import Image
from napari_aprrd.core.noise.autocorrelation import noise_field
from napari_aprrd.core.noise.left_over import left_over
from napari_aprrd.core.training.recharged_errors import Seen, recharged_errors
from napari_aprrd.core.training.restore_detail import lost_detail

from ..noise.test_sure import smoothed
from .test_auto_settings import noise

SETS = [range(last + 1) for last in range(5)]


def networks(image: Image) -> Seen:
    """A filter that keeps detail, and ever larger ones that are blind to the pixel."""
    plain = ndimage.gaussian_filter(np.nan_to_num(image), (0, 1.0, 1.0))
    return Seen(plain.astype(np.float64), smoothed(np.nan_to_num(image)).astype(np.float64))


def scene(wave: float) -> Image:
    y, x = np.mgrid[:256, :256] * wave
    return np.asarray((2 + np.sin(x) + np.sin(y))[None])


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("wave", [0.05, 0.15])  # radians per pixel
def test_estimates_differ_as_the_true_errors_do(wave: float, cut: bool) -> None:
    clean, report = scene(wave), noise(2, 2, correlated=0.3)
    field = noise_field((256, 256), report.correlation, np.random.default_rng(0))
    noisy = (clean + np.sqrt(0.1 + 0.1 * clean) * field).astype("f4")
    if cut:  # the mean of what is left is the truth then
        noisy, clean = np.maximum(noisy, 0.5), np.maximum(clean, 0.7)
    found = recharged_errors(noisy, networks, report, SETS, 2)
    true = []
    for numbers in SETS:
        mean = networks(noisy).outputs[list(numbers)].mean(0)
        excess, residual = lost_detail(mean, noisy)
        true.append(((mean + excess * residual - clean) ** 2).mean())
    assert np.ptp(true) > 0.01
    np.testing.assert_allclose(
        found.of_means - found.of_means.mean(), true - np.mean(true), atol=0.2 * np.ptp(true)
    )
    assert found.of_means.argmin() == np.argmin(true)


def test_the_strength_of_the_noise_is_found_under_texture() -> None:
    """A report needs flat blocks; a fine texture leaves none."""
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(0, 16, (1, 256, 256)), (0, 4, 4))
    report = noise(2, 2, correlated=0.3)
    field = noise_field((256, 256), report.correlation, rng)
    noisy = (texture + 0.5 * field).astype("f4")
    found = recharged_errors(noisy, networks, report, SETS, 2)
    assert found.noise == pytest.approx([0.25], rel=0.25)


def test_the_noise_is_found_at_each_brightness() -> None:
    clean = np.repeat(np.linspace(1, 9, 256), 256).reshape(1, 256, 256)
    noisy = clean + np.sqrt(clean) * np.random.default_rng(0).normal(0, 1, clean.shape)
    found = left_over(noisy.astype("f4"), clean, clean)
    for brightness in (2, 5, 8):
        there = np.abs(clean - brightness) < 0.5
        assert found[there].mean() == pytest.approx(brightness, rel=0.15)


def test_missing_pixels_have_no_say() -> None:
    report = noise(2, 2, correlated=0.3)
    field = noise_field((128, 128), report.correlation, np.random.default_rng(0))
    noisy = np.stack([field, field]).astype("f4")
    holes = noisy.copy()
    holes[:, 40:60, 40:60] = np.nan
    whole, damaged = (
        recharged_errors(image, networks, report, SETS, 2) for image in (noisy, holes)
    )
    np.testing.assert_allclose(np.diff(damaged.of_means), np.diff(whole.of_means), atol=0.05)
    nothing = recharged_errors(np.full_like(noisy, np.nan), networks, report, SETS, 2)
    assert not nothing.of_means.any()
    assert not nothing.noise.any()
