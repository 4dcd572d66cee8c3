"""Honest intensities without a reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.planes import Image, MemoryPlanes, some_windows
from napari_aprrd.core.data.scaling import Calibration
from napari_aprrd.core.jobs import Clock
from napari_aprrd.core.training import budget
from napari_aprrd.core.training.calibrate import FEWEST, SMALL, WINDOWS, Hurry, calibrate

from ..makers import distorted_denoiser, drive, noisy_image, noisy_planes, random_denoiser


@pytest.mark.parametrize(("gain", "offset"), [(0.6, 0.2), (1.5, -0.4), (1.0, 0.0)])
def test_calibration_restores_mean_and_slope(gain: float, offset: float) -> None:
    denoiser, image = distorted_denoiser(gain, offset), noisy_image(2, 100, 100)
    image += np.random.default_rng(1).exponential(20, image.shape).astype(np.float32)  # skewed
    _, reports = drive(calibrate(denoiser, denoiser, 1, MemoryPlanes([image]), Clock()))
    assert [(report.step, report.total) for report in reports] == [(1, 1)]
    output = denoiser.predict(image)
    raw = denoiser.predict(image, DenoiseConfig(calibrate=False))
    for noisy, clean, before in zip(image, output, raw, strict=True):
        slope, intercept = np.polyfit(clean.ravel(), noisy.ravel(), 1)
        assert slope == pytest.approx(1, abs=1e-3)
        assert intercept == pytest.approx(0, abs=0.2)
        assert clean.mean() == pytest.approx(noisy.mean(), rel=1e-3)
        if gain != 1:
            assert abs(np.polyfit(before.ravel(), noisy.ravel(), 1)[0] - 1) > 0.2


def test_calibration_is_the_regression_of_the_noisy_pixels_on_the_output() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (2, 20_000)).astype(np.float32)
    noisy = truth + rng.normal(0, 10, truth.shape).astype(np.float32)
    noisy[0, :50] = np.nan  # ignored
    calibration = Calibration.measure(noisy, 0.6 * truth + 7)
    restored = calibration.apply((0.6 * truth + 7)[:, :, None])[..., 0]
    assert restored.dtype == np.float32
    # Standard error of the mean: 10 / sqrt(20,000) = 0.07; at the ends of the range twice that.
    assert np.abs(restored - truth).max() < 1


def test_noise_left_in_the_output_does_not_bend_the_slope() -> None:
    rng = np.random.default_rng(0)
    truth = 50 + 30 * gaussian_filter(rng.normal(size=(1, 200, 200)), (0, 3, 3)) * 10
    noise = rng.normal(0, 25, truth.shape)
    output = 0.7 * truth + 0.4 * noise + 5  # compressed, and with a rest of the noise
    blind = gaussian_filter(truth, (0, 2, 2))  # blurred, as a blind spot does
    flat = [a.reshape(1, -1).astype(np.float32) for a in (truth + noise, output, blind)]
    assert Calibration.measure(*flat).gain[0] == pytest.approx(1 / 0.7, rel=0.02)
    assert abs(Calibration.measure(*flat[:2]).gain[0] * 0.7 - 1) > 0.1  # plain least squares


def test_small_sources_are_calibrated_on_all_their_pixels() -> None:
    planes = noisy_planes((130, 200), (40, 128))
    seen = [np.zeros(size, int) for size in planes.sizes]
    for plane, rows, columns in some_windows(planes, 64, WINDOWS):
        seen[plane][rows, columns] += 1
    assert all((count == 1).all() for count in seen)
    assert len(some_windows(noisy_planes((1000, 1000)), 64, WINDOWS)) == WINDOWS


def test_a_time_budget_that_is_spent_leaves_a_few_windows() -> None:
    denoiser, planes = distorted_denoiser(0.6, 0.2), noisy_planes(*[(64, 64)] * 10, channels=2)
    for minutes, looked_at in [(None, 10), (60.0, 10), (1e-9, FEWEST)]:
        _, reports = drive(calibrate(denoiser, denoiser, 1, planes, Clock(minutes)))
        assert [report.step for report in reports] == list(range(1, looked_at + 1))


def test_where_a_job_is_late_a_single_window_does() -> None:
    denoiser, planes = distorted_denoiser(0.6, 0.2), noisy_planes(*[(64, 64)] * 10, channels=2)
    clock = Clock(0.1)
    clock.go_on_from(6.0 + budget.late(0.1))
    how = Hurry.of(0.1, stopped=False)
    _, reports = drive(calibrate(denoiser, denoiser, 1, planes, clock, how))
    assert len(reports) == 1
    assert denoiser.calibration is not None


def test_where_the_user_waits_the_fewest_small_windows_do() -> None:
    denoiser, image = distorted_denoiser(0.6, 0.2), noisy_image(2, 600, 600)
    sides: list[int] = []

    class Noted(MemoryPlanes):
        def read(self, plane: int, rows: slice, columns: slice) -> Image:
            sides.append(rows.stop - rows.start)
            return super().read(plane, rows, columns)

    drive(calibrate(denoiser, denoiser, 1, Noted([image]), Clock(), Hurry(stopped=True)))
    assert sides == [SMALL] * FEWEST
    sides.clear()
    drive(calibrate(denoiser, denoiser, 1, Noted([image]), Clock()), stop_at="Calibrate")
    assert len(sides) == FEWEST  # told while it measures


def test_a_teacher_is_calibrated_at_its_own_shifts() -> None:
    teacher, image = random_denoiser("blind-spot"), noisy_image(1, 64, 64)
    teacher.record["target_shifts"] = [0, 1, 2]
    drive(calibrate(teacher, teacher, 2, MemoryPlanes([image]), Clock()))
    raw = [
        teacher.predict(image, DenoiseConfig(calibrate=False, shifts=shifts)).reshape(1, -1)
        for shifts in ((0, 1, 2), (2,))
    ]
    expected = Calibration.measure(image.reshape(1, -1), *raw)
    np.testing.assert_allclose(teacher.calibration.gain, expected.gain, rtol=1e-4)
    np.testing.assert_allclose(teacher.calibration.offset, expected.offset, rtol=1e-4)


def test_a_constant_output_is_only_moved_to_the_mean() -> None:
    noisy = np.array([[1.0, 2.0, 6.0]], np.float32)
    assert Calibration.measure(noisy, np.full((1, 3), 5, np.float32)) == Calibration((1,), (-2,))


def test_calibration_without_finite_pixels_stays_finite() -> None:
    calibration = Calibration.measure(np.full((1, 9), np.nan, np.float32), np.ones((1, 9)))
    assert np.isfinite(calibration.gain + calibration.offset).all()
