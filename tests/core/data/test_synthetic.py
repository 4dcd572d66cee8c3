"""Synthetic micrographs: what their noise and their truth promise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from napari_aprrd.core.data.synthetic import (
    OFFSET,
    NoiseKind,
    NoiseModel,
    add_noise,
    cells,
    noisy_cells,
)

KINDS: tuple[NoiseKind, ...] = ("white", "blobby", "line-x", "line-y")
FLAT = np.full((4, 256, 256), 200, np.float32)  # counts; 262,144 pixels: s.e. of r is 0.002


def lag_1(noise: NDArray[np.float32]) -> tuple[float, float]:
    """Correlation of neighbours in y and in x."""
    y = np.corrcoef(noise[..., 1:, :].ravel(), noise[..., :-1, :].ravel())[0, 1]
    x = np.corrcoef(noise[..., 1:].ravel(), noise[..., :-1].ravel())[0, 1]
    return float(y), float(x)


@pytest.mark.parametrize("shape", [(2, 48, 80), (50, 40)])
def test_equal_seeds_give_equal_images(shape: tuple[int, ...]) -> None:
    first, again, other = (noisy_cells(shape, seed=seed) for seed in (3, 3, 4))
    for image, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(image, same)
        assert not np.array_equal(image, different)


@pytest.mark.parametrize("shape", [(2, 48, 80), (51, 41)])
def test_shapes_and_types_are_as_promised(shape: tuple[int, ...]) -> None:
    noisy, truth = noisy_cells(shape)
    assert (noisy.shape, noisy.dtype) == (shape, np.uint16)
    assert (truth.shape, truth.dtype) == (shape, np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_noisy_images_have_the_type_asked_for(dtype: DTypeLike) -> None:
    noisy = add_noise(FLAT[0], dtype=dtype)
    assert noisy.dtype == dtype
    integer = np.issubdtype(dtype, np.integer)
    assert np.array_equal(noisy, np.rint(noisy)) == integer


def test_bright_pixels_are_clipped_and_do_not_wrap_around() -> None:
    noisy = add_noise(np.full((64, 64), 1000, np.float32), dtype=np.uint8)
    assert (noisy == 255).all()


@pytest.mark.parametrize(
    ("kind", "y", "x"),
    [("white", 0.0, 0.0), ("blobby", 0.6, 0.6), ("line-x", 0.0, 0.5), ("line-y", 0.5, 0.0)],
)
def test_neighbours_correlate_by_the_kind_of_noise(kind: NoiseKind, y: float, x: float) -> None:
    assert lag_1(NoiseModel(kind=kind).sample(FLAT, seed=0)) == pytest.approx((y, x), abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_has_zero_mean_and_the_cameras_variance(kind: NoiseKind) -> None:
    noise = NoiseModel(photons=0.1, read=10, kind=kind).sample(FLAT, seed=0)
    sd = np.sqrt(200 / 0.1 + 10**2)
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(sd, rel=0.03)
    # Correlation widens the mean's scatter: at most sum(taps)**2 / sum(taps**2) = 8.4 times.
    assert abs(noise.mean()) < 5 * sd * np.sqrt(8.4 / noise.size)


def test_fewer_photons_make_more_noise_and_bright_pixels_too() -> None:
    def sd(photons: float, counts: float) -> float:
        clean = np.full((128, 128), counts, np.float32)
        return float(NoiseModel(photons=photons).sample(clean, seed=0).std())

    assert sd(0.01, 200) > 2 * sd(0.1, 200)
    assert sd(0.1, 400) > 1.2 * sd(0.1, 200) > 1.2 * sd(0.1, 0)
    assert sd(0.1, 0) == pytest.approx(10, rel=0.05)  # read noise alone


def test_frames_have_independent_noise() -> None:
    noise = NoiseModel().sample(FLAT, seed=0)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


def test_the_noisy_image_scatters_around_the_truth() -> None:
    noisy, truth = noisy_cells((4, 128, 128))
    error = noisy - truth
    assert abs(error.mean()) < 2  # counts
    assert error.std() > 20
    slope, _ = np.polyfit(truth.ravel(), noisy.ravel(), 1)
    assert slope == pytest.approx(1, abs=0.05)


def test_the_truth_is_not_negative_and_has_structure() -> None:
    clean = cells((2, 128, 128))
    assert clean.min() >= 0
    assert np.percentile(clean, 99.9) == pytest.approx(400, rel=0.01)
    assert clean.std() > 0.2 * clean.mean()
    assert min(lag_1(clean)) > 0.9  # drawn, not noise
    _, truth = noisy_cells((2, 128, 128))
    assert truth.min() >= OFFSET


def test_cells_move_from_frame_to_frame() -> None:
    clean = cells((3, 96, 96))
    near, far = (np.abs(clean[0] - clean[t]).mean() for t in (1, 2))
    assert 0 < near < far < clean.std()
