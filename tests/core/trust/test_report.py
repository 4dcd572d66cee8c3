"""The trust report is right where the truth is known, and says what it means."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.synthetic import NoiseKind, noisy_cells
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.noise.report import inspect
from napari_aprrd.core.trust.report import TrustReport, examine, plane_maps, spread_map
from napari_aprrd.core.trust.ring_correlation import resolution, ring_correlation

from ..makers import random_denoiser

Image = NDArray[np.float32]
Case = tuple[Image, Image, Image]  # noisy, truth, a good result


@functools.cache
def scene(kind: NoiseKind) -> Case:
    """Each (T, Y, X). The good result errs by a quarter of the noise, smoothly."""
    noisy, truth = noisy_cells((2, 256, 256), kind=kind)
    noise = noisy - truth
    error = gaussian_filter(np.random.default_rng(0).normal(size=noise.shape), (0, 3, 3))
    good = truth + 0.25 * noise.std() / error.std() * error
    return noisy.astype(np.float32), truth, good.astype(np.float32)


def blurred(image: Image, sigma: float) -> Image:
    return gaussian_filter(image, (0, sigma, sigma))


def without_spots(truth: Image) -> Image:
    """The brightest small spots are gone, the rest is as it was."""
    detail = blurred(truth, 1) - blurred(truth, 3)
    spots = blurred((detail > np.quantile(detail, 0.98)).astype(np.float32), 1).clip(0, 1)
    return truth * (1 - spots) + spots * blurred(truth, 5)


def planes(stack: Image) -> MemoryPlanes:
    return MemoryPlanes([np.asarray(plane, np.float32)[None] for plane in stack])


def judged(report: TrustReport) -> dict[str, str]:
    """Checks that are not good."""
    return {v.check: v.status for v in report.verdicts if v.status != "good"}


CASES: dict[str, tuple[NoiseKind, Callable[[Case], Image], dict[str, str]]] = {
    "good, white noise": ("white", lambda c: c[2], {}),
    "good, blobby noise": ("blobby", lambda c: c[2], {}),
    "good, line noise": ("line-x", lambda c: c[2], {}),
    "over-smoothed, white noise": ("white", lambda c: blurred(c[2], 2), {"Signal": "bad"}),
    "over-smoothed, blobby noise": ("blobby", lambda c: blurred(c[0], 3), {"Signal": "bad"}),
    "over-smoothed, line noise": ("line-x", lambda c: blurred(c[2], 2), {"Signal": "bad"}),
    "noisy, white noise": ("white", lambda c: 0.7 * c[2] + 0.3 * c[0], {"Noise": "bad"}),
    "noisy, blobby noise": ("blobby", lambda c: 0.7 * c[2] + 0.3 * c[0], {"Noise": "bad"}),
    "spots removed": ("white", lambda c: without_spots(c[2]), {"Signal": "bad"}),
    "shifted": ("white", lambda c: c[2] + 0.5 * (c[0] - c[1]).std(), {"Brightness": "bad"}),
}


@pytest.mark.parametrize("name", CASES)
def test_ten_cases_with_known_truth(name: str) -> None:
    kind, make, wanted = CASES[name]
    case = scene(kind)
    report = examine(planes(case[0]), planes(make(case)), frames=range(2))
    assert judged(report) == wanted, [verdict.sentence for verdict in report.verdicts]
    assert report.status == (next(iter(wanted.values())) if wanted else "good")
    if wanted:
        assert report.verdicts[0].check in wanted  # the worst news first


def test_real_references_are_trusted_and_their_blur_is_not(fluorescence: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    for name in ("confocal_mice", "widefield_bpae_r"):
        noisy = tifffile.imread(fluorescence / f"{name}_noisy.tif")[:1].astype(np.float32)
        truth = tifffile.imread(fluorescence / f"{name}_reference.tif").astype(np.float32)[None]
        gain, offset = np.polyfit(truth.ravel(), noisy.ravel(), 1)
        truth = np.float32(gain) * truth + np.float32(offset)
        assert judged(examine(planes(noisy), planes(truth))) == {}
        assert judged(examine(planes(noisy), planes(blurred(noisy, 3)))) == {"Signal": "bad"}
        mixed = 0.7 * truth + 0.3 * noisy
        assert judged(examine(planes(noisy), planes(mixed)))["Noise"] == "bad"


def test_the_sentences_say_how_large_and_what_to_do() -> None:
    noisy, _, good = scene("white")
    first = examine(planes(noisy), planes(blurred(good, 2))).verdicts[0]
    assert first.sentence == "Structure about 4 pixels wide is being removed: train longer."
    assert "smaller shift" in first.details
    first = examine(planes(noisy), planes(0.7 * good + 0.3 * noisy)).verdicts[0].sentence
    assert "about 30 %" in first
    darker = examine(planes(noisy), planes(good - 20)).verdicts[0].sentence
    assert "too dark" in darker
    assert "train longer" in darker


def test_an_error_that_exceeds_the_noise_means_that_the_model_never_saw_such_data() -> None:
    noisy, truth, good = scene("white")
    far = planes(good - 3 * (noisy - truth).std())
    report = examine(planes(noisy), far)
    assert report.verdicts[0].check == "Training data"
    assert report.verdicts[0].status == "bad"
    said = " ".join(verdict.sentence for verdict in report.verdicts)
    assert "never seen images like this one: train on this image" in said
    assert "too dark by" in said
    assert "train longer" not in said
    same = {"input": {"sha256": "0"}}
    own = examine(planes(noisy), far, record={"train": same, "denoise": same})
    assert own.learnt_here
    assert "never seen" not in " ".join(verdict.sentence for verdict in own.verdicts)


def test_a_record_of_other_noise_is_told() -> None:
    noisy, _, good = scene("white")
    own, other = planes(noisy), planes(0.1 * noisy)
    record: dict[str, Any] = {"train": {}, "noise": inspect(other).model_dump(mode="json")}
    report = examine(own, planes(good), record=record)
    assert judged(report) == {"Training data": "warn"}
    assert "noise of these images is 10 times stronger than in those this model learnt from" in (
        report.verdicts[0].sentence
    )
    fitting = record | {"noise": inspect(own).model_dump(mode="json")}
    scaled = record | {"denoise": {"config": {"normalise": "image"}}}
    strange: dict[str, Any] = {"train": 1, "noise": "?", "denoise": []}  # of another program
    for silent in (fitting, scaled, strange, {}):
        assert judged(examine(own, planes(good), record=silent)) == {}


def test_frames_are_described_in_words() -> None:
    noisy, _, good = scene("white")
    film = examine(planes(noisy), planes(good), frames=range(2)).verdicts
    said = next(verdict.sentence for verdict in film if verdict.check == "Frames")
    assert said.startswith("Every other frame shows the same as the frames between")
    assert "px" not in said


def test_units_offsets_and_channels_change_no_verdict() -> None:
    noisy, _, good = scene("white")
    plain = examine(planes(noisy), planes(good))
    scaled = examine(planes(1e-4 * noisy - 3), planes(1e-4 * good - 3))
    assert judged(scaled) == judged(plain) == {}
    assert scaled.scales[1].excess == pytest.approx(plain.scales[1].excess, rel=0.05)
    both = MemoryPlanes([np.repeat(noisy[:1], 2, axis=0)])
    result = np.stack([good[0], good[0] - 30]).astype(np.float32)
    report = examine(both, MemoryPlanes([result]))
    assert len(report.biases) == 2
    assert judged(report) == {"Brightness": "bad"}


def test_invalid_pixels_and_a_result_that_is_the_input_are_no_surprise() -> None:
    noisy, _, good = scene("white")
    holed = noisy.copy()
    holed[:, 40:60, 40:60] = np.nan
    result = np.where(np.isfinite(holed), good, holed)
    assert judged(examine(planes(holed), planes(result))) == {}
    same = examine(planes(noisy), planes(noisy))
    assert same.sigma_ratio < 0.01
    assert same.status == "bad"


def test_what_does_not_belong_together_is_refused() -> None:
    noisy, _, good = scene("white")
    with pytest.raises(UserError, match="size and the channels"):
        examine(planes(noisy), planes(good[:, :-1]))
    with pytest.raises(UserError, match="finite"):
        examine(planes(noisy), planes(np.full_like(noisy, np.nan)))


def test_maps_show_where() -> None:
    noisy, _, good = scene("white")
    untouched, smooth = good[0].copy(), good[0].copy()
    untouched[:64] = noisy[0, :64]
    seen = plane_maps(noisy[0], untouched)
    np.testing.assert_allclose(seen.residual, noisy[0] - untouched, atol=1e-3)
    assert seen.left[10:50].mean() > 0.8
    assert seen.left[90:].mean() < 0.2
    smooth[128:] = blurred(good, 5)[0, 128:]
    seen = plane_maps(noisy[0], smooth)
    assert seen.removed[140:].max() > 1.5 * seen.removed[:116].max()


def test_frames_agree_down_to_the_size_that_the_noise_leaves() -> None:
    noisy, truth, _ = scene("white")
    still = np.repeat(truth[:1], 8, axis=0)
    noise = np.random.default_rng(1).normal(0, 30, still.shape).astype(np.float32)
    few, many = (resolution(planes(still + s * noise), range(8)) for s in (2.0, 0.5))
    assert few is not None
    assert many is not None
    assert 2 < many < few < 40
    assert resolution(planes(still), range(8)) == 2.0
    assert resolution(planes(noisy), [0]) is None
    assert resolution(planes(noisy), ()) is None


def test_rings_are_what_a_direct_sum_gives() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 32, 32))
    b += a
    window = np.outer(np.hanning(32), np.hanning(32))
    fa, fb = (np.fft.fft2((i - i.mean()) * window) for i in (a, b))
    k = np.fft.fftfreq(32) * 32
    near = np.rint(np.hypot(k[:, None], k[None])) == 7
    naive = (fa * fb.conj())[near].real.sum()
    naive /= np.sqrt((abs(fa[near]) ** 2).sum() * (abs(fb[near]) ** 2).sum())
    assert ring_correlation(a, b)[7] == pytest.approx(naive, abs=0.03)


def test_only_a_teacher_tells_how_far_its_shifts_agree() -> None:
    noisy, _, good = scene("white")
    teacher, student = (random_denoiser(kind) for kind in ("blind-spot", "student-1.00M"))
    pair = planes(noisy[:1]), planes(good[:1])
    assert examine(*pair, student).spread is None
    report = examine(*pair, teacher)
    assert report.spread is not None
    assert any(verdict.check == "Repeatability" for verdict in report.verdicts)
    image = noisy[:1, :64, :64] / 100
    configs = [DenoiseConfig(shifts=(shift,)) for shift in teacher.shifts]
    outputs = [teacher.predict(image, config) for config in configs]
    np.testing.assert_allclose(spread_map(image, teacher), np.std(outputs, axis=0), atol=1e-4)
