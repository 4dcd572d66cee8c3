"""Photographs with the noise of a small camera: what the noise report must get right."""

from __future__ import annotations

import numpy as np
import pytest

from napari_aprrd.core.data.camera_noise import (
    as_8_bits,
    camera_like,
    curved,
    demosaicked,
    linear,
    photographed,
)


def test_without_noise_a_smooth_picture_stays_as_it_is() -> None:
    y, x = np.mgrid[:64, :64]
    clean = np.stack([60 + x, 200 - y, 40 + x + y], axis=-1)
    taken = photographed(clean, photon=0.0, read=0.0)
    assert np.abs(taken - clean)[4:-4, 4:-4].max() < 1
    assert (as_8_bits(taken)[4:-4, 4:-4] == clean[4:-4, 4:-4]).mean() > 0.9


def test_demosaicking_keeps_the_pixels_that_were_measured() -> None:
    mosaic = np.random.default_rng(0).normal(size=(16, 18))
    colours = demosaicked(mosaic)
    for colour, rows, columns in ((0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 1, 1)):
        kept = (slice(rows, None, 2), slice(columns, None, 2))
        np.testing.assert_array_equal(colours[(*kept, colour)], mosaic[kept])


def test_the_curve_is_undone_and_goes_on_below_0() -> None:
    values = np.linspace(0, 1, 50)
    np.testing.assert_allclose(curved(linear(values)), values, atol=1e-6)
    np.testing.assert_allclose(curved(-linear(values)), -values, atol=1e-6)


def test_its_noise_is_strong_cut_off_and_spread_over_neighbours_and_colours() -> None:
    photographs = camera_like()
    assert len(photographs) == 8 == len({photograph.name for photograph in photographs})
    for one in photographs:
        assert one.noisy.shape == one.clean.shape == (256, 256, 3)
        noise = one.uncut - one.clean
        assert 15 < noise.std() < 50
        assert 0.02 < (one.noisy == 0).mean() < 0.2
        red, green, blue = np.moveaxis(noise, -1, 0)
        assert red.std() > green.std() or blue.std() > green.std()
        assert np.corrcoef(red.ravel(), green.ravel())[0, 1] > 0.3
        assert np.corrcoef(red[:, 1:].ravel(), red[:, :-1].ravel())[0, 1] > 0.2


def test_the_same_seed_draws_the_same_noise() -> None:
    first, again, other = (camera_like(seed)[0] for seed in (0, 0, 1))
    assert (first.noisy == again.noisy).all()
    assert (first.clean == other.clean).all()
    assert (first.noisy != other.noisy).any()


@pytest.mark.parametrize("level", [40, 128, 220])
def test_photon_noise_has_the_strength_that_was_asked_for(level: int) -> None:
    """Green is measured at half of the pixels, where the curve has a known slope."""
    clean = np.full((128, 128, 3), level, np.uint8)
    noisy = photographed(clean, photon=1e-4, read=1e-3)
    light = float(linear(np.array(level / 255)))
    slope = float((curved(np.array(light + 1e-6)) - curved(np.array(light - 1e-6))) / 2e-6)
    expected = 255 * slope * np.sqrt(1e-4 * light + 1e-6)
    measured = noisy[::2, 1::2, 1]
    assert measured.std() == pytest.approx(expected, rel=0.1)
