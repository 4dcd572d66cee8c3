"""What neighbouring planes may spoil is found in the user's own stack, and good results stay calm.

Scenes are cells that move, with short events: spots of a single frame. Outputs are made by hand,
so that what was lost is known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.data.synthetic import OFFSET, NoiseKind, add_noise, cells
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.noise.report import inspect
from napari_aprrd.core.trust.domain_shift import misfit, unlike
from napari_aprrd.core.trust.moments import PLANES_ALONE, stacked
from napari_aprrd.core.trust.report import TrustReport, examine, spread_map
from napari_aprrd.core.trust.ring_correlation import resolution

from ..makers import random_denoiser

Stack = NDArray[np.float64]  # (T, Y, X)
SIDE, FRAMES, SPEED = 192, 6, 4
CHECKS = ("Change", "Noise")
ALL_GOOD = {"Change": "good", "Noise": "good"}


class Scene(NamedTuple):
    truth: Stack
    noise: Stack
    events: Stack  # part of the truth
    error: Stack  # of a good result: a quarter of the noise, smooth

    @property
    def noisy(self) -> Stack:
        return self.truth + self.noise

    @property
    def good(self) -> Stack:
        return self.truth + self.error


@functools.cache
def scene(kind: NoiseKind = "white") -> Scene:
    """Cells that move by about four pixels a frame, and twenty spots of one frame each."""
    clean = cells((SPEED * (FRAMES - 1) + 1, SIDE, SIDE))[::SPEED].astype(float)
    rng, events = np.random.default_rng(5), np.zeros_like(clean)
    y, x = np.indices((SIDE, SIDE))
    for _ in range(20):
        frame, row, column = rng.integers(1, FRAMES - 1), *rng.uniform(12, SIDE - 12, 2)
        height = 6 * np.sqrt(clean[frame, int(row), int(column)] / 0.1 + 100)
        spot = np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2 / 1.7**2)
        events[frame] += height * spot
    return _exposed(clean + events, events, kind)


@functools.cache
def still(kind: NoiseKind = "white", *, empty: bool = False) -> Scene:
    """The same in every frame: cells, or nothing at all."""
    one = np.zeros((1, SIDE, SIDE)) if empty else cells((1, SIDE, SIDE)).astype(float)
    clean = np.repeat(one, FRAMES, axis=0)
    return _exposed(clean, np.zeros_like(clean), kind)


def _exposed(clean: Stack, events: Stack, kind: NoiseKind) -> Scene:
    noisy = add_noise(clean.astype(np.float32), kind=kind, seed=1).astype(float)
    noise = noisy - clean - OFFSET
    error = gaussian_filter(np.random.default_rng(0).normal(size=clean.shape), (0, 3, 3))
    return Scene(clean + OFFSET, noise, events, noise.std() / 4 / error.std() * error)


def mean_of_3(stack: Stack) -> Stack:
    """With the frame before and the frame after; at both ends twice with the only one."""
    padded = np.concatenate([stack[1:2], stack, stack[-2:-1]])
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3


def planes(stack: NDArray[Any], axis: str = "T") -> MemoryPlanes:
    return MemoryPlanes([plane[None] for plane in stack.astype(np.float32)], stack_axes=axis)


def record(neighbours: int = 1, axis: str = "T") -> dict[str, Any]:
    return {"train": {"config": {"neighbours": neighbours}, "stack_axis": axis}}


def report_on(scene: Scene, output: Stack, axis: str = "T") -> TrustReport:
    return examine(planes(scene.noisy, axis), planes(output, axis), record=record(axis=axis))


def judged(report: TrustReport) -> dict[str, str]:
    return {v.check: v.status for v in report.verdicts if v.check in CHECKS}


def sentence(report: TrustReport, check: str = "Change") -> str:
    return next(v.sentence for v in report.verdicts if v.check == check)


CALM: dict[str, Callable[[Scene], Stack]] = {
    "truth": lambda s: s.truth + 1e-3 * s.error,
    "good": lambda s: s.good,
    "a tenth of the noise": lambda s: s.good + 0.1 * s.noise,
    "slightly blurred": lambda s: 0.8 * s.good + 0.2 * gaussian_filter(s.good, (0, 2, 2)),
}


@pytest.mark.parametrize("kind", ["white", "blobby"])
@pytest.mark.parametrize("name", CALM)
def test_planes_denoised_alone_keep_what_changes(name: str, kind: NoiseKind) -> None:
    report = report_on(scene(kind), CALM[name](scene(kind)))
    assert judged(report) == ALL_GOOD
    assert sentence(report) == "What changes from frame to frame is kept."


@pytest.mark.parametrize("kind", ["white", "blobby"])
def test_a_mean_over_frames_is_bad_where_things_move(kind: NoiseKind) -> None:
    moving = scene(kind)
    report = report_on(moving, mean_of_3(moving.noisy))
    assert judged(report) == {"Change": "bad", "Noise": "bad"}
    assert report.change is not None
    assert report.change.faded == pytest.approx(2 / 3, abs=0.05)
    assert sentence(report) == (
        f"What changes from frame to frame fades by at least {100 * report.change.faded:.0f} %: "
        "train with fewer neighbours (--neighbours 0)."
    )
    assert "neighbouring frames" in sentence(report, "Noise")


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_the_share_that_came_from_the_neighbours_is_measured(share: float) -> None:
    moving = scene()
    mixed = (1 - share) * moving.truth + share * mean_of_3(moving.truth) + moving.error
    report = report_on(moving, mixed)
    assert report.change is not None
    assert report.change.faded == pytest.approx(2 / 3 * share, abs=0.06)
    assert judged(report)["Change"] != "good"


def test_events_that_fade_give_a_warning_though_all_else_is_kept() -> None:
    moving = scene()
    report = report_on(moving, moving.good - moving.events + mean_of_3(moving.events))
    assert report.change is not None
    assert (report.change.faded or 0) < 0.05
    assert judged(report) == {"Change": "warn", "Noise": "good"}
    assert sentence(report).startswith("Some of what a single frame shows may have faded")


def test_averaging_a_still_scene_costs_no_change() -> None:
    """What is left of the noise is told as noise."""
    for kind in ("white", "blobby"):
        calm = still(kind)
        report = report_on(calm, mean_of_3(calm.noisy))
        assert judged(report) == {"Change": "good", "Noise": "bad"}
        assert sentence(report) == (
            "Hardly anything that changes from frame to frame stands out from the noise."
        )
        assert judged(report_on(calm, calm.truth + 0.3 * calm.error)) == ALL_GOOD


@pytest.mark.parametrize("kind", ["white", "blobby"])
def test_pure_noise_changes_nothing(kind: NoiseKind) -> None:
    empty = still(kind, empty=True)
    for output in (empty.good, gaussian_filter(empty.noisy, (0, 3, 3))):
        assert judged(report_on(empty, output))["Change"] == "good"


def test_a_pattern_that_every_frame_has_and_the_output_keeps_is_noise() -> None:
    """The residual of an output that keeps it looks like noise: only the neighbours tell."""
    calm = still()
    pattern = np.random.default_rng(8).normal(0, 0.8 * calm.noise.std(), (1, SIDE, SIDE))
    soiled = calm._replace(noise=calm.noise + pattern)
    kept = report_on(soiled, soiled.good + pattern)
    assert judged(kept)["Noise"] == "bad"
    assert "Noise that neighbouring frames have as well" in sentence(kept, "Noise")
    assert judged(report_on(soiled, soiled.good)) == ALL_GOOD


def test_slices_are_called_slices_and_only_used_neighbours_are_asked_about() -> None:
    moving = scene()
    assert "from slice to slice" in sentence(report_on(moving, moving.good, "Z"))
    noisy = planes(moving.noisy)
    strange: dict[str, Any] = {"train": {"config": {"neighbours": "?"}, "stack_axis": ["T"]}}
    unused = {**record(), "target_views": "alone"}  # by a teacher
    for other in ({}, record(0), record(axis="Z"), strange, unused):
        assert stacked(other, None, noisy) == PLANES_ALONE
    assert stacked(record(2), None, noisy) == ("T", 2)
    assert stacked({**unused, "distill": {}}, None, noisy) == ("T", 1)  # by its student
    two = planes(moving.noisy[:2]), planes(moving.good[:2])
    assert examine(*two, record=record()).change is None


def test_an_invalid_frame_is_no_surprise() -> None:
    moving = scene()
    noisy, good = moving.noisy.copy(), moving.good.copy()
    noisy[2], good[2], noisy[4, :, :20] = np.nan, np.nan, np.nan
    report = examine(planes(noisy), planes(good), record=record())
    assert report.change is not None
    assert judged(report) == ALL_GOOD


def test_noise_that_planes_share_is_told_where_those_of_the_training_did_not() -> None:
    calm = still()
    learnt, pattern = planes(calm.noisy), calm.noise[:1]
    soiled = planes(calm.noisy + 0.5 * pattern)
    model = random_denoiser(neighbours=1)
    model.normalisation = Normalisation.measure(learnt)
    model.record = {**record(), "noise": inspect(learnt).model_dump(mode="json")}
    assert not misfit(model, learnt)
    assert "Neighbouring frames of these images share noise" in misfit(model, soiled)
    assert "frames of these images share noise" in unlike(model.record, inspect(soiled))
    alone = {**model.record, **record(0)}
    assert not unlike(alone, inspect(soiled))


def test_frames_are_compared_that_share_no_input() -> None:
    calm = still()
    noisy, clean = planes(calm.noisy), planes(mean_of_3(calm.noisy))
    report = examine(noisy, clean, frames=range(FRAMES), record=record())
    assert report.frames_apart == 3
    assert report.frames == (resolution(noisy, [0, 3]), resolution(clean, [0, 3]))
    assert sentence(report, "Frames").startswith(
        "Frames that were denoised from different frames (3 apart) show the same"
    )
    alone = examine(noisy, clean, frames=range(FRAMES))
    assert sentence(alone, "Frames").startswith("Every other frame shows the same")
    few = examine(noisy, clean, frames=range(FRAMES), record=record(3))
    assert "Frames" not in {verdict.check for verdict in few.verdicts}


def test_a_teacher_gets_the_neighbours_that_it_learnt_with() -> None:
    teacher = random_denoiser(neighbours=1)
    teacher.normalisation = Normalisation((100.0,), (50.0,))
    stack = planes(scene().noisy[:3, :64, :64])
    window = teacher.stacked(stack).read(1, slice(0, 64), slice(0, 64))
    outputs = teacher.targets(window, teacher.targets_at(teacher.shifts), DenoiseConfig())
    spread = spread_map(window, teacher)
    np.testing.assert_allclose(spread, 50 * outputs.std(0), rtol=1e-3, atol=1e-3)
    assert not np.allclose(spread, spread_map(window[:1], teacher))
    report = examine(stack, stack, teacher)
    spreads = [spread_map(_whole(teacher, stack, n), teacher) for n in range(3)]
    assert report.spread is not None
    wanted = np.sqrt(np.mean(np.square(spreads))) / report.noise.sigma
    assert report.spread == pytest.approx(float(wanted), rel=1e-3)
    assert report.frames_apart == 3


def _whole(teacher: Denoiser, stack: MemoryPlanes, number: int) -> NDArray[np.float32]:
    return teacher.stacked(stack).read(number, slice(0, 64), slice(0, 64))
