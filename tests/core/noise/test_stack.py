"""What planes of a stack share: right on simulated stacks whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_aprrd.axes import ArrayPlanes, JoinedPlanes
from napari_aprrd.core.data.planes import Image, MemoryPlanes, Planes
from napari_aprrd.core.data.synthetic import cells
from napari_aprrd.core.noise.report import NoiseReport, inspect
from napari_aprrd.core.noise.stack import StackReport, measure_stack

Stack = NDArray[np.float64]
FRAMES, SIDE = 12, 160
WHITE: dict[str, Sequence[float]] = {"x": (0.0,) * 4, "y": (0.0,) * 4}
RNG = np.random.default_rng


def noise(*shape: int, sd: float = 20.0, seed: int = 0) -> Stack:
    return RNG(seed).normal(0, sd, shape)


def moving(step: int, frames: int = FRAMES) -> Stack:
    """A scene that moves by so many pixels from frame to frame along both axes, noise-free."""
    scene = cells((SIDE + step * frames,) * 2, seed=1).astype(np.float64)
    starts = [step * frame for frame in range(frames)]
    return np.stack([scene[i : i + SIDE, i : i + SIDE] for i in starts])


def still(frames: int = FRAMES) -> Stack:
    return moving(0, frames) + noise(frames, SIDE, SIDE)


def of(stack: Stack, axis: str = "T") -> StackReport:
    report = measured(MemoryPlanes([p[None].astype(np.float32) for p in stack], stack_axes=axis))
    assert report is not None
    return report


def measured(planes: Planes) -> StackReport | None:
    return measure_stack(planes, 1, WHITE)


def test_frames_of_a_still_scene_with_fresh_noise_are_used() -> None:
    report = of(still())
    assert report.neighbours >= 1
    assert set(report.correlation) == {"1", "2", "3", "10"}
    assert max(map(abs, report.correlation.values())) < 0.02
    assert report.same > 0.95
    assert report.motion is not None
    assert report.motion < 0.5
    assert report.gains[0] == 0
    assert 0.2 < report.gains[1] < report.gains[2] < report.gains[3] < 0.6
    percent = f"{100 * report.gains[report.neighbours]:.0f} %"
    assert report.sentence == (
        "Frames share their scene and not their noise: 2 neighbours on either side are used, which "
        f"should lower the error by about {percent}."
    )


@pytest.mark.parametrize("step", [1, 2])
def test_a_slow_motion_still_gains_and_is_measured(step: int) -> None:
    scene = moving(step)
    report = of(scene + noise(*scene.shape))
    assert report.neighbours >= 1
    assert report.motion == pytest.approx(step * 2**0.5, abs=0.4)
    assert report.gains[1] < of(still()).gains[1]


def test_a_small_gain_is_not_told_in_figures() -> None:
    scene = moving(3)
    report = of(scene + noise(*scene.shape))
    assert report.neighbours >= 1
    assert 0 < report.gains[report.neighbours] < 0.1
    assert report.sentence.endswith("used, which should lower the error a little.")


def test_a_scene_that_moves_too_far_is_denoised_frame_by_frame() -> None:
    scene = moving(8)
    report = of(scene + noise(*scene.shape))
    assert report.neighbours == 0
    assert "The scene moves by about 11 pixels from frame to frame, too far" in report.sentence


def test_frames_that_show_different_things_are_denoised_alone() -> None:
    scenes = np.stack([cells((SIDE, SIDE), seed=seed) for seed in range(6)])
    report = of(scenes + noise(*scenes.shape))
    assert report.neighbours == 0
    assert report.sentence == "Frames have no scene in common: each frame is denoised alone."


def test_pure_noise_gets_no_neighbours() -> None:
    report = of(100 + noise(FRAMES, SIDE, SIDE))
    assert report.neighbours == 0
    assert max(report.gains) < 0.01
    assert "no scene in common" in report.sentence


@pytest.mark.parametrize("step", [0, 4])
def test_a_fixed_pattern_is_named_in_still_and_moving_scenes(step: int) -> None:
    scene = moving(step)
    pattern = noise(1, SIDE, SIDE, sd=20 * 0.2**0.5, seed=3)
    report = of(scene + pattern + noise(*scene.shape, sd=20 * 0.8**0.5))
    assert report.neighbours == 0
    assert report.gains == ()
    assert list(report.correlation.values()) == pytest.approx([0.2] * 4, abs=0.03)
    assert report.sentence.startswith("A fixed pattern repeats in every frame (")
    assert report.sentence.endswith("each frame is denoised alone; subtract a dark frame first.")


def test_a_faint_pattern_costs_a_part_of_the_gain() -> None:
    pattern = noise(1, SIDE, SIDE, sd=20 * 0.06**0.5, seed=3)
    scene = moving(0)
    report = of(scene + pattern + noise(*scene.shape, sd=20 * 0.94**0.5))
    assert report.neighbours >= 1
    assert report.gains[report.neighbours] < of(still()).gains[2] - 0.05
    assert "share their scene and little noise (correlation 0.0" in report.sentence


def running_mean(stack: Stack) -> Stack:
    return (stack[2:] + stack[1:-1] + stack[:-2]) / 3


def doubled_by_interpolation(stack: Stack) -> Stack:
    between = (stack[1:] + stack[:-1]) / 2
    return np.stack([plane for pair in zip(stack, between, strict=False) for plane in pair])


def recursive_mean(stack: Stack) -> Stack:
    mean = stack[:1]
    for plane in stack[1:]:
        mean = np.concatenate([mean, 0.6 * mean[-1:] + 0.4 * plane])
    return mean


@pytest.mark.parametrize("filtered", [running_mean, doubled_by_interpolation, recursive_mean])
@pytest.mark.parametrize(("axis", "name"), [("T", "frame"), ("Z", "slice")])
def test_planes_that_were_averaged_or_interpolated_are_denoised_alone(
    filtered: Callable[[Stack], Stack], axis: str, name: str
) -> None:
    report = of(filtered(still(14)), axis)
    assert report.neighbours == 0
    assert report.correlation["1"] > 0.5
    assert report.sentence.startswith(f"Neighbouring {name}s share noise (correlation 0.")
    assert f"each {name} is denoised alone" in report.sentence


def test_slices_of_a_reconstruction_share_only_coarser_noise() -> None:
    white = noise(FRAMES + 2, SIDE, SIDE)
    spectrum = np.fft.fft2(white)
    along = (0.3 * spectrum[2:] + spectrum[1:-1] + 0.3 * spectrum[:-2]) / 1.18**0.5
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)
    coarse = np.hypot(fy, fx) < 0.32
    shared = np.fft.ifft2(np.where(coarse, along, spectrum[1:-1])).real
    report = of(moving(0) + shared, "Z")
    assert report.correlation["1"] > 0.08
    assert abs(report.correlation["2"]) < 0.03
    assert report.neighbours == 0
    assert "reconstructed together" in report.sentence


@pytest.mark.parametrize("depth", [0.6, 1.0, 1.5])
def test_dense_texture_that_slices_share_is_not_taken_for_noise(depth: float) -> None:
    texture = ndimage.gaussian_filter(noise(FRAMES, SIDE, SIDE), (depth, 1, 1))
    report = of(100 + 20 * texture / texture.std() + noise(FRAMES, SIDE, SIDE, sd=8, seed=1), "Z")
    assert max(report.correlation.values()) < 0.05
    assert report.neighbours >= 1
    assert report.motion is None


def test_copies_do_not_count_as_neighbours_and_are_told() -> None:
    report = of(np.repeat(still(6), 2, axis=0))
    assert report.neighbours >= 1
    assert report.copies == pytest.approx(0.5, abs=0.2)
    assert abs(report.correlation["1"]) < 0.05
    planes = [p[None].astype(np.float32) for p in np.repeat(still(6), 2, axis=0)]
    advice = inspect(MemoryPlanes(planes, stack_axes="T")).advice
    assert sum("exact copies" in sentence for sentence in advice) == 1


def test_one_image_that_is_repeated_is_no_stack() -> None:
    report = of(np.repeat(still(1), 4, axis=0))
    assert report.neighbours == 0
    assert report.sentence == (
        "Every frame is an exact copy of the next: each frame is denoised alone."
    )


def test_two_planes_have_one_neighbour_each() -> None:
    report = of(still(2))
    assert report.neighbours == 1
    assert set(report.correlation) == {"1"}
    assert len(report.gains) == 2
    shared = of(still(2) + noise(1, SIDE, SIDE, seed=5))
    assert shared.neighbours == 0
    assert shared.correlation["1"] == pytest.approx(0.5, abs=0.03)
    assert "averaged, or a fixed pattern?" in shared.sentence


@pytest.mark.parametrize("shape", [(6, 16, 16), (3, 16, 300), (1, 64, 64)])
def test_where_there_is_too_little_to_measure_nothing_is_claimed(shape: tuple[int, ...]) -> None:
    planes = [p[None].astype(np.float32) for p in noise(*shape)]
    assert measured(MemoryPlanes(planes, stack_axes="T")) is None


def test_small_stacks_are_not_accused_of_sharing_noise() -> None:
    for seed in range(8):
        scene = still(2)[:, :48, :48] + noise(2, 48, 48, sd=30, seed=seed)
        assert "share noise" not in of(scene).sentence


def test_invalid_pixels_and_empty_planes_are_passed_over() -> None:
    stack = still()
    expected = of(stack)
    stack[:, :30], stack[3], stack[6, 50:60, 40:90] = np.nan, np.nan, np.inf
    stack[8], stack[:, -20:] = 0, 0
    report = of(stack)
    assert report.neighbours == expected.neighbours
    assert report.gains == pytest.approx(expected.gains, abs=0.08)


def test_units_do_not_matter() -> None:
    report, tiny = of(still()), of(1e-9 * still() - 3e-7)
    assert tiny.gains == pytest.approx(report.gains, abs=0.01)


def test_bleaching_frames_are_used() -> None:
    fading = np.exp(-np.arange(FRAMES) / 8)[:, None, None]
    report = of((100 + moving(0)) * fading + noise(FRAMES, SIDE, SIDE))
    assert report.neighbours >= 1
    assert "not their noise" in report.sentence


@pytest.mark.parametrize("better", ["T", "Z"])
def test_of_two_axes_the_one_that_gains_more_is_taken(better: str) -> None:
    scenes = np.stack([cells((96, 96), seed=seed) for seed in range(5)])
    stack = np.repeat(scenes[None], 6, axis=0)  # still in time, slices differ
    if better == "Z":
        stack = stack.swapaxes(0, 1)
    report = measured(ArrayPlanes(stack + noise(*stack.shape), "TZYX"))
    assert report is not None
    assert report.axis == better
    assert report.neighbours >= 1


def test_images_without_the_axis_are_passed_over() -> None:
    single = ArrayPlanes(noise(500, 500) + 100, "YX")
    report = measured(JoinedPlanes([single, ArrayPlanes(still(), "TYX"), single]))
    assert report is not None
    assert report.gains == pytest.approx(of(still()).gains, abs=0.05)


def test_channels_count_alike_and_empty_ones_not_at_all() -> None:
    stack = still()
    channels = np.stack([stack, 1000 * stack + 5, 0 * stack], axis=1)
    report = measured(ArrayPlanes(channels, "TCYX"))
    assert report is not None
    assert report.gains == pytest.approx(of(stack).gains, abs=0.05)


@dataclass(frozen=True)
class Counted(MemoryPlanes):
    """Planes that are slow to read."""

    read_pixels: list[int] = field(default_factory=list)
    in_memory = False

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        window = super().read(plane, rows, columns)
        self.read_pixels.append(window.size)
        return window


def test_little_is_read_of_a_large_lazy_stack() -> None:
    wide = np.tile(moving(0, 1), (1, 4, 4)).astype(np.float32)
    frames = [wide + RNG(seed).normal(0, 20, wide.shape).astype(np.float32) for seed in range(12)]
    planes = Counted(frames, stack_axes="T")
    report = measured(planes)
    assert report is not None
    assert report.neighbours >= 1
    assert len(planes.read_pixels) <= 40
    assert max(planes.read_pixels) <= 256**2


def test_the_noise_report_says_it_once() -> None:
    pattern = noise(1, SIDE, SIDE, seed=3)
    for stack in (still(), still() + pattern, running_mean(still())):
        planes = [p[None].astype(np.float32) for p in stack]
        report = inspect(MemoryPlanes(planes, stack_axes="T"))
        assert report.stack is not None
        assert report.advice.count(report.stack.sentence) == 1
        assert not any("Neighbouring planes share a pattern" in said for said in report.advice)
    assert inspect(MemoryPlanes(planes)).stack is None


def test_a_fixed_pattern_is_a_caution_and_a_gain_is_not() -> None:
    planes = [p[None].astype(np.float32) for p in still() + noise(1, SIDE, SIDE, seed=3)]
    report = inspect(MemoryPlanes(planes, stack_axes="T"))
    assert report.stack is not None
    assert report.stack.sentence in report.cautions
    planes = [p[None].astype(np.float32) for p in still()]
    report = inspect(MemoryPlanes(planes, stack_axes="T"))
    assert report.stack is not None
    assert report.stack.sentence not in report.cautions


def test_reports_survive_json_also_those_of_older_versions() -> None:
    planes = [p[None].astype(np.float32) for p in still(4)]
    report = inspect(MemoryPlanes(planes, stack_axes="T"))
    facts = report.model_dump(mode="json")
    assert NoiseReport.model_validate(facts) == report
    assert (
        NoiseReport.model_validate({k: v for k, v in facts.items() if k != "stack"}).stack is None
    )
    older = {"axis": "T", "neighbours": 1, "sentence": ""}
    assert StackReport.model_validate(older).gains == ()
