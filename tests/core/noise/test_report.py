"""The noise report: right about noise whose truth is known, also on textured images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_aprrd.core.data.camera_noise import camera_like
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.synthetic import NoiseKind, NoiseModel, noisy_cells
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.noise.report import LAGS, NoiseReport, inspect

from ..makers import noisy_image, noisy_planes

ARX = np.array([0.5, 0.25, 0.125, 0.0625])  # a slow detector, see `synthetic`
BLOB, NONE = np.array([0.6, 0.255, 0.055, 0.01]), np.zeros(LAGS)
TRUTH = {
    "white": (NONE, NONE),
    "blobby": (BLOB, BLOB),
    "line-x": (ARX, NONE),
    "line-y": (NONE, ARX),
}
REACHES = {"white": (0, 0), "blobby": (2, 2), "line-x": (2, 0), "line-y": (0, 2)}  # at least


def report_on(*images: NDArray[np.float32]) -> NoiseReport:
    """Inspect images (Y, X)."""
    return inspect(MemoryPlanes([image[None].astype(np.float32) for image in images]))


def flat(side: int = 256, mean: float = 100, seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(mean, 10, (side, side))
    return noise.astype(np.float32)


@pytest.mark.parametrize("kind", ["white", "blobby", "line-x", "line-y"])
@pytest.mark.parametrize("seed", [0, 1])
def test_correlations_are_right_on_textured_images(kind: NoiseKind, seed: int) -> None:
    noisy, _ = noisy_cells((2, 256, 256), kind=kind, seed=seed)
    report = report_on(*noisy)
    for found, truth in zip(
        (report.correlation["x"], report.correlation["y"]), TRUTH[kind], strict=True
    ):
        assert np.abs(np.subtract(found, truth)).max() < 0.1
    for reach, least in zip((report.reach_x, report.reach_y), REACHES[kind], strict=True):
        assert least <= reach <= (least + 1 if least else 0)
    assert not report.stripes


@pytest.mark.parametrize("kind", ["white", "blobby"])
def test_the_standard_deviation_is_that_of_the_noise(kind: NoiseKind) -> None:
    noisy, truth = noisy_cells((2, 256, 256), kind=kind)
    assert report_on(*noisy).sigma == pytest.approx((noisy - truth).std(), rel=0.2)


@pytest.fixture(scope="module")
def photographs() -> list[tuple[NDArray[np.float64], NoiseReport]]:
    """The noise of photographs before it was cut off, (3, H, W), and reports on what was left."""
    pairs = []
    for one in camera_like():
        planes = MemoryPlanes([np.moveaxis(one.noisy, -1, 0).astype(np.float32)], colours=True)
        pairs.append((np.moveaxis(one.uncut - one.clean, -1, 0), inspect(planes)))
    return pairs


def test_noise_of_photographs_is_as_strong_as_before_it_was_cut_off(
    photographs: list[tuple[NDArray[np.float64], NoiseReport]],
) -> None:
    for noise, report in photographs:
        found = [channel.sigma for channel in report.channels]
        np.testing.assert_allclose(found, noise.std((1, 2)), rtol=0.17)
        assert all(channel.uncut for channel in report.channels)
        assert any("before it was cut off" in sentence for sentence in report.advice)


def test_noise_of_photographs_is_correlated_as_reported_in_each_channel_and_between_them(
    photographs: list[tuple[NDArray[np.float64], NoiseReport]],
) -> None:
    for noise, report in photographs:
        for one, channel in zip(noise, report.channels, strict=True):
            rest = one - one.mean()
            truth = (rest[:, 1:] * rest[:, :-1]).mean() / rest.var()
            assert channel.correlation["x"][0] == pytest.approx(truth, abs=0.13)
        truth = np.corrcoef(noise.reshape(3, -1))
        np.testing.assert_allclose(report.between_channels, truth, atol=0.2)
        assert any("Channels share noise" in sentence for sentence in report.advice)


@pytest.mark.parametrize("dark", [20.0, 5.0])
def test_cut_noise_is_undone_at_each_brightness(dark: float) -> None:
    """A ramp from the dark, where up to 40 % of the pixels are cut off at 0."""
    clean = np.linspace(dark, 200, 512)[None].repeat(256, 0)
    noisy = np.random.default_rng(0).normal(clean, 20).round().clip(0, 255)
    (channel,) = report_on(noisy).channels
    assert channel.sigma == pytest.approx(20, rel=0.06)
    for one in channel.by_brightness:
        assert one.sigma == pytest.approx(20, rel=0.12)
        assert one.correlation == pytest.approx(0, abs=0.06)
    darkest = channel.by_brightness[0].brightness
    assert dark < darkest < dark + 25


def test_counted_photons_are_not_taken_for_noise_that_was_cut_off() -> None:
    clean = np.linspace(0.3, 12, 512)[None].repeat(256, 0)
    (channel,) = report_on(np.random.default_rng(0).poisson(clean)).channels
    assert not channel.uncut
    assert channel.sigma**2 == pytest.approx(clean.mean(), rel=0.1)
    for one in channel.by_brightness:
        assert one.sigma**2 == pytest.approx(one.brightness, rel=0.25)


def test_a_black_ground_without_noise_is_not_taken_for_noise_that_was_cut_off() -> None:
    noisy, truth = noisy_cells((256, 256), kind="white")
    noisy = noisy.astype(np.float32)
    noisy[:, :100] = 0
    noisy[::9, :100:7] = 40  # specks, so that it is no constant area
    report = report_on(noisy)
    assert not report.channels[0].uncut
    assert report.channels[0].sigma == pytest.approx(
        (noisy[:, 100:] - truth[:, 100:]).std(), rel=0.25
    )


def test_channels_with_noise_of_their_own_share_none() -> None:
    planes = MemoryPlanes([np.stack([flat(), 3 * flat(seed=1), flat(seed=2)])], colours=True)
    report = inspect(planes)
    assert [channel.channel for channel in report.channels] == [0, 1, 2]
    np.testing.assert_allclose([c.sigma for c in report.channels], [10, 30, 10], rtol=0.05)
    np.testing.assert_allclose(report.between_channels, np.eye(3), atol=0.05)
    assert any(" in the channels." in sentence for sentence in report.advice)
    assert not any("share noise" in sentence for sentence in report.advice)


def test_photons_counted_in_a_film_are_not_taken_for_noise_that_was_cut_off() -> None:
    """Bright areas with strong noise next to those with hardly a photon."""
    clean = np.concatenate([np.full((256, 192), 0.4), np.full((256, 64), 12.0)], axis=1)
    clean = ndimage.gaussian_filter(clean, 4)
    frames = np.random.default_rng(0).poisson(clean, (3, 256, 256)).astype(np.float32)
    report = inspect(MemoryPlanes([frame[None] for frame in frames]))
    (channel,) = report.channels
    assert not channel.uncut
    assert channel.sigma**2 == pytest.approx(clean.mean(), rel=0.2)


def test_images_in_grey_that_are_not_clipped_need_no_second_measurement() -> None:
    assert report_on(flat()).channels == ()


def test_reports_of_older_models_are_still_read() -> None:
    facts = report_on(flat()).model_dump(exclude={"channels", "between_channels"})
    old = NoiseReport.model_validate(facts)
    assert (old.channels, old.between_channels) == ((), ())


def test_photon_noise_is_told_from_read_noise() -> None:
    """Where brightness varies slowly, both parts of var = read^2 + shot * intensity show."""
    rng, model = np.random.default_rng(0), NoiseModel(photons=0.1, read=10)
    mean = np.linspace(0, 400, 512)[None].repeat(512, 0)
    variance = mean / model.photons + model.read**2
    photons = report_on(mean + rng.normal(0, np.sqrt(variance)))
    assert photons.shot == pytest.approx(1 / model.photons, rel=0.25)
    assert any("photon noise" in sentence for sentence in photons.advice)
    read = report_on(mean + rng.normal(0, model.read, mean.shape))
    assert read.read == pytest.approx(model.read, rel=0.15)
    assert not any("photon noise" in sentence for sentence in read.advice)


def test_intensities_may_be_of_any_size() -> None:
    noisy, _ = noisy_cells((256, 256))
    plain, tiny = report_on(noisy), report_on(noisy * 1e-6 - 3)
    np.testing.assert_allclose(tiny.correlation["x"], plain.correlation["x"], atol=0.02)
    assert tiny.sigma == pytest.approx(1e-6 * plain.sigma, rel=0.02)
    assert tiny.relative == pytest.approx(plain.relative, rel=0.02)


def test_clipped_pixels_are_counted() -> None:
    low = report_on(np.maximum(flat(), 90))
    assert low.clipped_low == pytest.approx(0.16, abs=0.01)  # below one standard deviation
    assert low.clipped_high == 0
    assert any("clipped at the lowest value" in sentence for sentence in low.advice)
    high = report_on(np.minimum(flat(), 120))
    assert high.clipped_high == pytest.approx(0.023, abs=0.005)
    assert high.clipped_low == 0


def test_long_stripes_are_named_as_what_cannot_be_removed() -> None:
    lines = np.random.default_rng(1).normal(0, 10, (256, 1)).astype(np.float32)
    for image, name in ((flat() + lines, "horizontal"), (flat() + lines.T, "vertical")):
        report = report_on(image)
        assert report.stripes == name
        assert any(
            f"{name} stripes: denoising does not remove" in sentence for sentence in report.advice
        )
    assert report_on(flat()).stripes == ""


def test_words_say_how_far_the_noise_spreads() -> None:
    white = report_on(noisy_cells((256, 256), kind="white")[0])
    blobby = report_on(noisy_cells((256, 256), kind="blobby")[0])
    assert "white" in white.advice[0]
    assert "spreads over about 2 pixels in x and y" in blobby.advice[0]
    assert "Noise2Void would keep it" in blobby.advice[0]
    assert not any("blind spot" in sentence for sentence in (*white.advice, *blobby.advice))
    assert white.details == (
        "Unless you choose otherwise, training uses a blind spot of 3 x 3 pixels (shift 2).",
    )


@pytest.mark.parametrize(
    ("to_peak", "size", "why"),
    [(0.01, "3 x 3", "fewer than"), (0.074, "11 x 11", "more than"), (0.02, "7 x 7", "")],
)
def test_a_blind_spot_that_looks_odd_is_explained(to_peak: float, size: str, why: str) -> None:
    report = report_on(noisy_cells((256, 256), kind="blobby")[0])
    said = NoiseReport.of(report, reach_x=4, reach_y=4, to_peak=to_peak).details[0]
    assert f"a blind spot of {size} pixels" in said
    assert f", {why} the noise reaches" in said if why else said.endswith("(shift 4).")


def test_small_bright_spots_keep_the_blind_spot_small() -> None:
    y, x = np.mgrid[:256, :256]
    spots = 300 * np.exp(-((y % 64 - 32) ** 2 + (x % 64 - 32) ** 2) / 4)
    kernel = np.array([[0.5, 1, 0.5]])
    grain = ndimage.convolve(flat(mean=0), kernel.T @ kernel / 2)
    assert report_on(grain).shift > report_on(grain + spots).shift == 2


def test_waves_everywhere_are_not_taken_for_noise() -> None:
    report = report_on(noisy_image(1, 128, 128)[0])
    assert report.reach == 0
    assert report.sigma == pytest.approx(10, rel=0.15)


def test_a_pattern_that_stays_is_told_from_noise() -> None:
    pattern = np.random.default_rng(9).normal(0, 10, (128, 128)).astype(np.float32)
    fixed = report_on(*(flat(128, seed=seed) + pattern for seed in range(3)))
    assert fixed.between_planes == pytest.approx(0.5, abs=0.05)
    assert any("share a pattern" in sentence for sentence in fixed.advice)
    fresh = report_on(*(noisy_image(1, 128, 128, seed=seed)[0] for seed in range(3)))
    assert fresh.between_planes == pytest.approx(0, abs=0.05)  # although structure is the same
    assert report_on(flat(128)).between_planes is None


def test_what_the_next_plane_shows_too_is_not_taken_for_noise() -> None:
    grain = np.random.default_rng(8).normal(0, 1, (256, 256))
    texture = 10 / 0.2821 * ndimage.gaussian_filter(grain, 1)  # as strong as the noise
    alone = report_on(flat() + texture)
    assert alone.correlation["x"][0] > 0.25
    film = report_on(*(flat(seed=seed) + texture for seed in range(3)))
    assert np.abs(film.correlation["x"]).max() < 0.05
    assert film.sigma == pytest.approx(10, rel=0.05)


def test_planes_of_other_brightness_are_not_compared() -> None:
    report = report_on(flat(mean=100), 10 * flat(mean=100, seed=1))
    assert report.read == pytest.approx(10, rel=0.1)


def test_invalid_pixels_are_left_out() -> None:
    image = flat()
    expected = report_on(image)
    image[:100], image[150, 30:60] = np.nan, np.inf
    report = report_on(image)
    assert report.sigma == pytest.approx(expected.sigma, rel=0.1)
    np.testing.assert_allclose(report.correlation["x"], expected.correlation["x"], atol=0.1)


def test_the_same_seed_gives_the_same_report() -> None:
    planes = MemoryPlanes([noisy_image(1, 700, 2000)])  # more than is looked at
    assert inspect(planes) == inspect(planes)
    assert inspect(planes, seed=1) != inspect(planes)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((64, 64), 7), "constant"),
        (np.full((64, 64), np.nan), "no finite pixel"),
        (np.arange(100).reshape(10, 10), "too small"),
    ],
)
def test_images_without_noise_to_measure_are_refused(
    image: NDArray[np.float32], words: str
) -> None:
    for planes in ([image], [image, image[::-1]]):
        with pytest.raises(UserError, match=words):
            report_on(*planes)


def test_jpeg_compression_is_seen() -> None:
    noisy, _ = noisy_cells((256, 256), kind="white")
    bytes_ = (noisy / noisy.max() * 255).clip(0, 255).astype(np.uint8)
    compressed = io.BytesIO()
    Image.fromarray(bytes_).save(compressed, "JPEG", quality=60)
    moved = np.asarray(Image.open(compressed))[3:, 5:]  # whatever corner was cut off
    assert report_on(moved).jpeg
    assert any("JPEG" in sentence for sentence in report_on(moved).advice)


@pytest.mark.parametrize("kind", ["white", "blobby", "line-x", "line-y"])
def test_a_camera_s_own_image_is_neither_compressed_nor_filtered(kind: NoiseKind) -> None:
    noisy, _ = noisy_cells((256, 256), kind=kind)
    report = report_on(noisy)
    assert (report.jpeg, report.smoothed) == (False, False)


@pytest.mark.parametrize(("noise", "weak"), [(0.3, True), (10.0, False)])
def test_noise_that_is_weak_against_the_detail_is_seen(noise: float, weak: bool) -> None:
    y, x = np.indices((256, 256))
    clean = 60 + 0.3 * y + 20 * np.sin(x / 2) * np.cos(y / 3) * (x > 100)
    noisy = clean + np.random.default_rng(0).normal(0, noise, clean.shape)
    report = report_on(noisy)
    assert report_on(1e-8 * noisy).detail == pytest.approx(report.detail, abs=1e-3)
    assert any("compare closely" in sentence for sentence in report.advice) == weak
    assert report.detail == pytest.approx(_detail(clean, noise), abs=0.15)


def _detail(clean: NDArray[np.float64], noise: float) -> float:
    """Of the squared differences of neighbours, the share of the clean image."""
    detail = sum(float((np.diff(clean, axis=axis) ** 2).mean()) for axis in (0, 1))
    return detail / (detail + 4 * noise**2)


def test_an_image_that_was_filtered_is_seen() -> None:
    noisy, _ = noisy_cells((256, 256), kind="white")
    report = report_on(ndimage.gaussian_filter(noisy, 1.5))
    assert report.smoothed
    assert any("raw image" in sentence for sentence in report.advice)


def test_a_report_is_one_line_in_a_console() -> None:
    said = repr(inspect(noisy_planes()))
    assert said == "<noise 9.99, independent between pixels; in words: .advice>"
