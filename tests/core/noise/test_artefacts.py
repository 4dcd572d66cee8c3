"""Hot pixels and patterns that repeat are named, and nothing else is taken for them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.synthetic import NoiseKind, cells, noisy_cells
from napari_aprrd.core.noise.report import NoiseReport, inspect


def report_on(images: NDArray[np.generic]) -> NoiseReport:
    """Inspect planes (T, Y, X)."""
    return inspect(MemoryPlanes([image[None].astype(np.float32) for image in images]))


def advice(report: NoiseReport) -> str:
    return " ".join(report.advice)


@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("kind", ["white", "blobby"])
def test_hot_pixels_are_counted_and_named(kind: NoiseKind, planes: int) -> None:
    noisy, _ = noisy_cells((planes, 256, 256), kind=kind)
    hot = np.random.default_rng(0).random((256, 256)) < 5e-4
    report = report_on(np.where(hot, np.minimum(noisy + 2000.0, 65535), noisy))
    assert report.hot == pytest.approx(hot.mean(), rel=0.15)
    assert "of the pixels are hot (far brighter than all their neighbours)" in advice(report)


@pytest.mark.parametrize("kind", ["white", "blobby", "line-x"])
def test_ordinary_noise_is_neither_hot_nor_fixed(kind: NoiseKind) -> None:
    report = report_on(noisy_cells((3, 256, 256), kind=kind)[0])
    assert report.hot == 0
    assert "are hot" not in advice(report)
    assert "pattern" not in advice(report)


@pytest.mark.parametrize("photons", [0.1, 1, 10, 300])
def test_photons_of_a_still_scene_are_neither_hot_nor_fixed(photons: float) -> None:
    scene = cells((256, 256)).astype(np.float64)
    rates = photons * (0.02 + scene / scene.max())
    report = report_on(np.random.default_rng(0).poisson(rates, (3, 256, 256)))
    assert report.hot == 0
    assert "pattern" not in advice(report)


@pytest.mark.parametrize("width", [0.7, 1.0])
def test_focused_spots_are_not_hot(width: float) -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:256, :256]
    image = np.full((256, 256), 20.0)
    for cy, cx in rng.uniform(0, 256, (60, 2)):
        image += 500 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 2 / width**2)
    assert report_on(rng.poisson(image, (1, 256, 256))).hot == 0


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_fixed_pattern_is_named_with_its_share_of_the_noise(share: float) -> None:
    rng = np.random.default_rng(2)
    pattern = rng.normal(0, 10 * share**0.5, (256, 256))
    noise = rng.normal(0, 10 * (1 - share) ** 0.5, (3, 256, 256))
    report = report_on(cells((256, 256)) + pattern + noise)
    assert report.between_planes == pytest.approx(share, abs=0.04)
    assert f"share a pattern ({100 * report.between_planes:.0f} % of the noise)" in advice(report)


@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
@pytest.mark.parametrize("fixed", [True, False])
def test_stripes_that_stay_are_told_from_those_that_change(direction: str, fixed: bool) -> None:
    rng = np.random.default_rng(3)
    lines = np.broadcast_to(rng.normal(0, 10, (1 if fixed else 3, 256, 1)), (3, 256, 256))
    if direction == "vertical":
        lines = lines.swapaxes(1, 2)
    report = report_on(100 + lines + rng.normal(0, 10, (3, 256, 256)))
    assert report.stripes == direction
    assert report.stripes_repeat == fixed
    assert ("the same in every plane" in advice(report)) == fixed
