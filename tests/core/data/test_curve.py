"""Smooth gradients under weak noise: no bands."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.data.curve import Curve, knots_of, residual_at
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.scaling import Calibration
from napari_aprrd.core.training.calibrate import refined as refine
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train

from ..makers import drive

NOISE = 300.0


def ramp(height: int = 96) -> NDArray[np.float64]:
    """From 2000 to 62000 along x, as a radiograph of 16 bits."""
    waves = 800 * np.sin(np.linspace(0, 4.5, height))
    return np.linspace(2000, 62000, 256) + waves[:, None]


def bands(error: NDArray[np.float64]) -> float:
    """Largest error of a column's mean, in units of the noise; the outermost ones do not count."""
    columns = error.mean(axis=0)
    return float(np.abs(columns[4:-4] - columns.mean()).max() / NOISE)


def test_a_smooth_ramp_has_no_bands() -> None:
    clean = ramp()
    noisy = np.random.default_rng(33).normal(clean, NOISE).round().astype(np.float32)
    planes = MemoryPlanes([noisy[None]])
    teacher, _ = drive(train(planes, TrainConfig(steps=1, precision="float32")))
    settings = DistillConfig(steps=8, precision="float32")
    student, _ = drive(distill(teacher, planes, settings))
    error = student.predict(noisy[None])[0] - clean
    assert bands(error) < 0.3  # 0.2; there are only 96 rows
    assert np.sqrt((error**2).mean()) < 0.5 * NOISE
    line = Calibration(student.calibration.gain, student.calibration.offset)
    student.calibration = line
    assert bands(student.predict(noisy[None])[0] - clean) > 0.45


def test_a_bend_is_made_straight() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 60_000, 100_000)
    bend = 200 * np.exp(-(((truth - 30_000) / 3000) ** 2))
    output = (truth - bend)[None].astype(np.float32)
    noisy = rng.normal(truth, NOISE)[None].astype(np.float32)
    flat = (noisy, output, output, 0 * output)
    line = Calibration.measure(*flat[:3])
    curved, clippings = refine(line, *flat)
    assert clippings == [None]
    before, after = (c.apply(output[:, None])[0, 0] - truth for c in (line, curved))
    assert np.abs(before).max() > 150
    assert np.abs(after).max() < 60
    stronger = (truth + 20 * (noisy[0] - truth))[None].astype(np.float32)
    line = Calibration.measure(stronger, *flat[1:3])
    assert refine(line, stronger, *flat[1:])[0] == line  # bends do not show: nothing changes


def test_noise_that_is_left_in_the_output_bends_nothing() -> None:
    rng = np.random.default_rng(0)
    truth, noise = rng.uniform(0, 100, 200_000), rng.normal(size=200_000)
    add = residual_at(np.linspace(0, 100, 20), truth + noise, truth + 0.5 * noise, truth)
    assert np.abs(add).max() < 0.1


def test_a_curve_is_straight_between_its_points_and_constant_beyond() -> None:
    curve = Curve((0.0, 10.0), (1.0, 3.0))
    values = np.array([[-5, 0, 5, 10, 20]], np.float32)
    assert curve.apply(values).tolist() == [[-4, 1, 7, 13, 23]]
    assert curve.apply(values).dtype == np.float32
    assert Curve((), ()).apply(values) is values


@pytest.mark.parametrize("output", [np.zeros(9), np.arange(9.0)])
def test_a_curve_of_hardly_anything_is_finite(output: NDArray[np.float64]) -> None:
    knots = knots_of(output, 0.0)
    assert np.isfinite(residual_at(knots, output + 1, output, output)).all()
