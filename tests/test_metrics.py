"""How close an image is to a reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_aprrd.core.errors import UserError
from napari_aprrd.metrics import Scores, affine_fit, evaluate, mean_scores, to_uint8

GAUSSIAN: dict[str, Any] = {
    **{"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
}


def picture(*shape: int, seed: int = 0, high: float = 200.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(10, high, shape)


def test_psnr_of_a_known_error() -> None:
    reference = picture(16, 16).astype(np.uint8)
    scores = evaluate(reference + 1.0, reference)
    assert scores.psnr == pytest.approx(20 * math.log10(255))  # 48.13 dB
    assert scores.data_range == 255


def test_psnr_and_ssim_are_those_of_skimage() -> None:
    reference, image = picture(20, 30), picture(20, 30, seed=1)
    scores = evaluate(image, reference, data_range=180)
    options = {"data_range": 180, **GAUSSIAN}
    assert scores.psnr == pytest.approx(peak_signal_noise_ratio(reference, image, data_range=180))
    assert scores.ssim == pytest.approx(structural_similarity(reference, image, **options))
    assert scores.data_range == 180


def test_photographs_are_scored_as_in_the_field() -> None:
    """8 bits, peak 255, all colours in one mean; SSIM per colour with Gaussian windows."""
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    output = reference + rng.normal(0, 20, reference.shape)
    image = to_uint8(output)
    scores = evaluate(image, reference, rgb=True)
    error = ((image.astype(int) - reference.astype(int)) ** 2).mean()
    assert scores.psnr == pytest.approx(10 * math.log10(255**2 / error))
    options = {"data_range": 255, **GAUSSIAN}
    pairs = [(reference[..., c], image[..., c]) for c in range(3)]
    assert scores.ssim == pytest.approx(
        np.mean([structural_similarity(*pair, **options) for pair in pairs])
    )


def test_8_bits_are_rounded_and_clipped() -> None:
    assert to_uint8([-3.0, 0.4, 0.6, 254.7, 300.0]).tolist() == [0, 0, 1, 255, 255]


def test_the_mean_over_images_is_of_their_decibels() -> None:
    reference = np.full((12, 12), 100.0)
    reference[0, 0] = 200
    each = [evaluate(reference + error, reference, data_range=255) for error in (1.0, 10.0)]
    assert mean_scores(each).psnr == pytest.approx(20 * math.log10(255) - 10)  # 0 and 20 dB lost


def test_ssim_of_a_single_window_by_hand() -> None:
    """In 11 x 11 pixels one window fits."""
    x, y = picture(11, 11, seed=1), picture(11, 11)
    bell = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(bell, bell) / bell.sum() ** 2
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
    both = (weights * (x - mx) * (y - my)).sum()
    c1, c2 = (0.01 * 100) ** 2, (0.03 * 100) ** 2
    by_hand = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert evaluate(x, y, data_range=100).ssim == pytest.approx(by_hand)


def test_an_image_is_equal_to_itself() -> None:
    reference = picture(16, 16)
    scores = evaluate(reference, reference)
    assert scores.psnr == math.inf
    assert scores.psnr_fitted > 200
    assert scores.ssim == pytest.approx(1)


@pytest.mark.parametrize(("gain", "offset"), [(2.0, -30.0), (0.1, 5.0), (-1.0, 0.0)])
def test_gain_and_offset_do_not_count_in_the_fitted_psnr(gain: float, offset: float) -> None:
    reference = picture(16, 16)
    image = reference + np.random.default_rng(1).normal(0, 5, reference.shape)
    straight, changed = evaluate(image, reference), evaluate(gain * image + offset, reference)
    assert changed.psnr_fitted == pytest.approx(straight.psnr_fitted)
    assert changed.psnr < straight.psnr - 1


def test_the_affine_fit_is_the_least_squares_solution() -> None:
    x, reference = picture(9, 8), picture(9, 8, seed=1)
    design = np.stack([x.ravel(), np.ones(x.size)], axis=1)
    expected = np.linalg.lstsq(design, reference.ravel())[0]
    assert affine_fit(x, reference) == pytest.approx(tuple(expected))


def test_the_affine_fit_of_a_line_by_hand() -> None:
    assert affine_fit(np.array([1.0, 2, 3]), np.array([5.0, 7, 9])) == pytest.approx((2, 3))


def test_a_constant_image_is_fitted_by_the_mean() -> None:
    reference = picture(16, 16)
    assert affine_fit(np.full((16, 16), 7.0), reference) == (0, pytest.approx(reference.mean()))
    scores = evaluate(np.zeros((16, 16)), reference, data_range=1)
    assert scores.psnr_fitted == pytest.approx(-10 * math.log10(reference.var()))


@pytest.mark.parametrize(
    ("dtype", "data_range"), [("u1", 255.0), ("u2", 150.0), ("i2", 150.0), ("f4", 150.0)]
)
def test_the_peak_is_255_for_8_bits_and_else_the_range(dtype: str, data_range: float) -> None:
    reference = np.linspace(20, 170, 256).reshape(16, 16).astype(dtype)
    assert evaluate(reference + 0.5, reference).data_range == data_range
    assert evaluate(reference + 0.5, reference, data_range=7).data_range == 7


def test_unsigned_integers_are_not_subtracted_with_wrapping() -> None:
    reference = np.linspace(20, 200, 256).reshape(16, 16).astype(np.uint8)
    scores = evaluate(reference - np.uint8(2), reference)
    assert scores.psnr == pytest.approx(20 * math.log10(255 / 2))


def test_one_reference_stands_for_every_plane() -> None:
    reference, stack = picture(16, 14), picture(2, 3, 16, 14, seed=1)
    scores = evaluate(stack, reference)
    assert scores == evaluate(stack, np.broadcast_to(reference, stack.shape))
    error = ((stack - reference) ** 2).mean()
    assert scores.psnr == pytest.approx(10 * math.log10(np.ptp(reference) ** 2 / error))
    each = [evaluate(plane, reference).ssim for plane in stack.reshape(-1, 16, 14)]
    assert scores.ssim == pytest.approx(np.mean(each))


def test_colours_are_no_plane() -> None:
    reference, image = picture(2, 16, 14, 3), picture(2, 16, 14, 3, seed=1)
    options = {"data_range": 190, "channel_axis": -1, **GAUSSIAN}
    each = [structural_similarity(a, b, **options) for a, b in zip(image, reference, strict=True)]
    scores = evaluate(image, reference, data_range=190, rgb=True)
    assert scores.ssim == pytest.approx(np.mean(each))


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ((16, 16), (16, 17)),
        ((16, 16), (2, 16, 16)),
        ((16, 16, 2), (16, 16)),
        ((2, 16, 16), (3, 16, 16)),
        ((2, 3, 16, 16), (2, 16, 16)),
        ((1, 16), (16, 16)),
    ],
)
def test_other_shapes_are_refused(image: tuple[int, ...], reference: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="they must be equal") as caught:
        evaluate(picture(*image), picture(*reference))
    assert str(image) in str(caught.value)
    assert str(reference) in str(caught.value)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
@pytest.mark.parametrize("data_range", [None, 255.0])
def test_a_constant_reference_is_refused(dtype: str, data_range: float | None) -> None:
    with pytest.raises(UserError, match="The reference is constant"):
        evaluate(picture(16, 16), np.full((16, 16), 7, dtype), data_range=data_range)


@pytest.mark.parametrize(
    ("shape", "rgb"), [((10, 30), False), ((30, 10), False), ((10, 30, 3), True)]
)
def test_images_too_small_for_ssim_are_refused(shape: tuple[int, ...], rgb: bool) -> None:
    with pytest.raises(UserError, match="at least 11 x 11 pixels"):
        evaluate(picture(*shape), picture(*shape, seed=1), rgb=rgb)


@pytest.mark.parametrize("place", ["image", "reference"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused(place: str, value: float) -> None:
    images = {"image": picture(16, 16), "reference": picture(16, 16, seed=1)}
    images[place][3, 4] = value
    with pytest.raises(UserError, match="NaN or infinite pixels"):
        evaluate(**images)


def test_scores_give_numbers_for_json() -> None:
    scores = Scores(psnr=30.0, psnr_fitted=31.0, ssim=0.9, data_range=255.0)
    expected = {"psnr": 30.0, "psnr_fitted": 31.0, "ssim": 0.9, "data_range": 255.0}
    assert scores.as_dict() == expected
