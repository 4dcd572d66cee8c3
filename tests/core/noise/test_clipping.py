"""Intensities of images whose noise was cut off at an end of the range."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.scaling import Calibration
from napari_aprrd.core.jobs import Clock
from napari_aprrd.core.noise.clipping import Clipping, find_clipping
from napari_aprrd.core.training.calibrate import calibrate
from napari_aprrd.core.training.calibrate import refined as refine

from ..makers import drive, random_denoiser

Array = NDArray[np.float64]
RANGE = 255


def scene(dark: float, bright: float = 230, seed: int = 0, rise: float = 0.6) -> Array:
    """Blobs on a dark ground, which is the smaller, the more they rise, (192, 192)."""
    waves = gaussian_filter(np.random.default_rng(seed).normal(size=(192, 192)), 6)
    return dark + (bright - dark) * np.clip(waves / waves.std() + rise, 0, 2.4) / 2.4


def cut(truth: Array, noise: float) -> Array:
    """A noisy image of 8 bits."""
    return np.random.default_rng(1).normal(truth, noise).round().clip(0, RANGE)


def learnt(truth: Array, noise: float, loss: str) -> Array:
    """What a network learns from cut noise: means with L2, medians with L1; and some noise."""
    means = Clipping(0, RANGE, 0, noise, 0).moments(truth)[0] if loss == "l2" else truth
    rest = gaussian_filter(np.random.default_rng(2).normal(0, noise, truth.shape), 2)
    return means + rest


def refined(noisy: Array, output: Array) -> tuple[Array, list[Clipping | None]]:
    """The output, calibrated; what was cut off."""
    blind = gaussian_filter(output, 0.7)
    steep = np.hypot(*np.gradient(gaussian_filter(output, 1)))
    flat = [a.reshape(1, -1).astype(np.float32) for a in (noisy, output, blind, steep)]
    calibration, clippings = refine(Calibration.measure(*flat[:3]), *flat)
    return calibration.apply(output[None].astype(np.float32))[0].astype(float), clippings


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize(
    ("noise", "dark", "rise", "share"), [(10, 14, 0.6, 0.02), (25, 8, 0.6, 0.1), (45, 5, 0.2, 0.25)]
)
def test_cut_noise_does_not_change_the_mean(
    noise: float, dark: float, rise: float, share: float, loss: str
) -> None:
    truth = scene(dark, rise=rise)
    noisy = cut(truth, noise)
    assert (noisy == 0).mean() == pytest.approx(share, rel=0.25)
    output, (clipping,) = refined(noisy, learnt(truth, noise, loss))
    if noise > 10:  # else the cut hardly matters
        assert clipping is not None
        assert clipping.sigma(np.array(0.0)) == pytest.approx(noise, rel=0.1)
    error, shadows = output - truth, truth < dark + 10
    assert abs(error.mean()) < 0.01 * RANGE
    assert abs(error[shadows].mean()) < 0.01 * RANGE
    if noise > 10:  # and without it is too bright there
        assert (noisy - truth)[shadows].mean() > 0.01 * RANGE


def test_cut_noise_at_the_top_does_not_change_the_mean() -> None:
    truth = RANGE - scene(20)
    noisy = cut(truth, 25)
    output, (clipping,) = refined(noisy, learnt(truth, 25, "l2"))
    assert clipping is not None
    assert clipping.high == RANGE
    lights = truth > RANGE - 30
    assert abs((output - truth).mean()) < 0.01 * RANGE
    assert abs((output - truth)[lights].mean()) < 0.01 * RANGE
    assert (noisy - truth)[lights].mean() < -0.01 * RANGE


def black_background() -> tuple[Array, Array]:
    truth = np.where(scene(0, seed=3) > 60, scene(60), 0)
    return truth, np.where(truth > 0, cut(truth, 8), 0)


def saturated() -> tuple[Array, Array]:
    truth = np.where(scene(0, seed=3) > 150, RANGE, scene(60, 180))
    return truth, np.where(truth < RANGE, cut(truth, 8), RANGE)


def photons() -> tuple[Array, Array]:
    truth = scene(0.5, 20)
    return truth, np.random.default_rng(1).poisson(truth).astype(float)


def nothing_cut() -> tuple[Array, Array]:
    truth = scene(60, 190)
    return truth, cut(truth, 8)


@pytest.mark.parametrize("made", [black_background, saturated, photons, nothing_cut])
def test_where_no_noise_was_cut_off_nothing_changes(made) -> None:
    truth, noisy = made()
    rest = np.where(noisy == truth, 0, np.sqrt(np.maximum(truth, 1)) / 5)
    output = truth + rest * gaussian_filter(np.random.default_rng(2).normal(size=truth.shape), 1)
    _, clippings = refined(noisy, output)
    assert clippings == [None]
    flat = [a.reshape(1, -1).astype(np.float32) for a in (noisy, output, output, output)]
    line = Calibration.measure(*flat[:3])
    assert refine(line, *flat)[0] == line


def test_black_places_without_noise_stay_black() -> None:
    truth = scene(8)
    truth[:96] = 0
    noisy = np.where(truth > 0, cut(truth, 25), 0)
    output = np.where(truth > 0, learnt(truth, 25, "l2"), 0)
    after, _ = refined(noisy, output)
    assert np.abs(after[:96]).max() < 0.02 * RANGE


def test_the_cut_of_a_mean_is_undone_exactly() -> None:
    noise, truth = Clipping(0, RANGE, 0, 30, 0.5), np.linspace(0, RANGE, 100)
    means, variances = noise.moments(truth)
    draws = np.random.default_rng(0).normal(truth, noise.sigma(truth), (20_000, 100))
    np.testing.assert_allclose(means, draws.clip(0, RANGE).mean(0), atol=1)
    np.testing.assert_allclose(variances, draws.clip(0, RANGE).var(0), rtol=0.06)
    np.testing.assert_allclose(noise.undone(means), truth, atol=0.1)
    assert noise.undone(np.array([-5.0, 1.0])).tolist() == [0, 0]  # never beyond the range


def test_a_few_pixels_tell_nothing() -> None:
    few = np.array([0.0, 0, 1, 2, 5])
    assert find_clipping(few, few, few, few) is None


def test_the_user_and_the_record_are_told() -> None:
    truth = scene(8)
    noisy = cut(truth, 25)[None].astype(np.float32)
    denoiser = random_denoiser("student-1.00M")
    smooth = learnt(truth, 25, "l2")[None].astype(np.float32)
    denoiser.predict = lambda *_: smooth  # type: ignore[method-assign]
    facts, reports = drive(calibrate(denoiser, denoiser, 1, MemoryPlanes([noisy]), Clock()))
    fact, *_ = facts["clipped"]
    assert (fact["end"], fact["value"]) == ("low", 0)
    assert fact["noise"] == pytest.approx(25, rel=0.1)
    assert fact["share"] == pytest.approx((noisy == 0).mean(), abs=1e-3)
    assert "cut off at 0" in reports[-1].note
