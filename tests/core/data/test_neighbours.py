"""Planes with their neighbours: their order, the ends of a stack, and frames that do not count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_aprrd.axes import ArrayPlanes, JoinedPlanes
from napari_aprrd.core.data.neighbours import Amid, StackedPlanes, offsets, with_those_beside
from napari_aprrd.core.data.planes import CutPlanes, Image, MemoryPlanes

from ..makers import noisy_stack

NONE = -1  # stands for a neighbour that is not there


def levels(count: int, *, channels: int = 1) -> MemoryPlanes:
    """A stack whose plane t has values of 100 t, plus 10 for each channel, and a little texture."""
    texture = np.random.default_rng(0).random((count, 1, 6, 7), np.float32)
    level = 100 * np.arange(count)[:, None] + 10 * np.arange(channels)
    stack = (texture + level[..., None, None]).astype(np.float32)
    return MemoryPlanes(list(stack), stack_axes="T")


def read(planes: Any, plane: int, reach: int, axis: str = "T") -> Image:
    height, width = planes.sizes[plane]
    return StackedPlanes(planes, axis, reach).read(plane, slice(0, height), slice(0, width))


def seen(planes: Any, plane: int, reach: int, axis: str = "T") -> list[int]:
    """Which planes of `levels` a plane is read with; `NONE` where all of one is NaN."""
    image = read(planes, plane, reach, axis)
    return [NONE if np.isnan(one).all() else int(one.min() // 10) for one in image]


def test_the_nearest_neighbours_come_first() -> None:
    assert offsets(0) == ()
    assert offsets(2) == (-1, 1, -2, 2)
    assert seen(levels(7), 3, 2) == [30, 20, 40, 10, 50]
    stacked = StackedPlanes(levels(7), "T", 2)
    assert (stacked.channels, stacked.sizes[0], stacked.stack_axes) == (5, (6, 7), "T")


def test_each_neighbour_has_all_its_channels() -> None:
    assert seen(levels(3, channels=2), 1, 1) == [10, 11, 0, 1, 20, 21]


@pytest.mark.parametrize(
    ("plane", "expected"),
    [
        (0, [0, 10, 10, 20, 20]),
        (1, [10, 0, 20, 30, 30]),
        (4, [40, 30, 30, 20, 20]),
    ],
)
def test_beyond_the_ends_are_the_planes_opposite(plane: int, expected: list[int]) -> None:
    assert seen(levels(5), plane, 2) == expected


def test_a_short_stack_has_nearer_ones_in_the_place_of_farther_ones() -> None:
    assert seen(levels(2), 0, 3) == [0, 10, 10, 10, 10, 10, 10]
    assert seen(levels(1), 0, 1) == [0, NONE, NONE]


def test_a_window_is_read_at_the_same_place_of_all_planes() -> None:
    planes, window = levels(3), (slice(2, 5), slice(1, 4))
    got = StackedPlanes(planes, "T", 1).read(1, *window)
    order = [planes.read(t, *window) for t in (1, 0, 2)]
    np.testing.assert_array_equal(got, np.concatenate(order))


@pytest.mark.parametrize("copy_of", ["the plane", "nothing", "no pixels"])
def test_repeated_and_blank_frames_do_not_count(copy_of: str) -> None:
    planes = levels(4)
    images = list(planes.images)
    images[2] = {
        "the plane": images[1].copy(),  # its noise is the noise to hide
        "nothing": np.zeros_like(images[1]),
        "no pixels": np.full_like(images[1], np.nan),
    }[copy_of]
    assert seen(MemoryPlanes(images, stack_axes="T"), 1, 1) == [10, 0, 0]


def test_a_frame_that_repeats_one_channel_does_not_count() -> None:
    images = list(levels(3, channels=2).images)
    images[2] = np.stack([images[2][0], images[1][1]])
    assert seen(MemoryPlanes(images, stack_axes="T"), 1, 1) == [10, 11, 0, 1, 0, 1]


def test_where_all_frames_repeat_there_is_no_neighbour() -> None:
    same = levels(1).images[0]
    assert seen(MemoryPlanes([same, same, same], stack_axes="T"), 1, 1) == [0, NONE, NONE]


def test_planes_without_a_stack_or_of_another_size_are_alone() -> None:
    images = levels(3).images
    assert seen(MemoryPlanes(images), 1, 1) == [10, NONE, NONE]
    assert seen(ArrayPlanes(np.concatenate(images), "ZYX"), 1, 1, "T") == [10, NONE, NONE]
    smaller = [images[0], images[1][:, :5], images[2][:, :5]]
    assert seen(MemoryPlanes(smaller, stack_axes="T"), 1, 1) == [10, 20, 20]


@pytest.mark.parametrize(
    ("axes", "shape", "axis", "expected"),
    [
        ("TZYX", (3, 4, 6, 7), "T", [5, 1, 9]),
        ("TZYX", (3, 4, 6, 7), "Z", [5, 4, 6]),
        ("YXZ", (6, 7, 3), "Z", [1, 0, 2]),
    ],
)
def test_planes_of_an_array_are_neighbours_along_one_axis(
    axes: str, shape: tuple[int, ...], axis: str, expected: list[int]
) -> None:
    planes = ArrayPlanes(noisy_stack(*shape), axes)
    whole = tuple(slice(0, n) for n in planes.size)
    order = [planes.read(number, *whole) for number in expected]
    np.testing.assert_array_equal(read(planes, expected[0], 1, axis), np.concatenate(order))


def test_axes_of_one_plane_and_independent_images_are_no_stacks() -> None:
    assert ArrayPlanes(noisy_stack(1, 2, 6, 7), "TZYX").stack_axes == "Z"
    assert ArrayPlanes(noisy_stack(2, 3, 6, 7), "ICYX").stack_axes == ""
    assert ArrayPlanes(noisy_stack(2, 2, 6, 7), "TZYX").stack_axes == "TZ"


def test_files_that_are_learnt_from_together_are_not_each_others_neighbours() -> None:
    stack, image = levels(2), MemoryPlanes([levels(9).images[8]])
    joined = JoinedPlanes([stack, image, levels(5)])
    assert joined.stack_axes == "T"
    assert seen(joined, 1, 1) == [10, 0, 0]
    assert seen(joined, 2, 1) == [80, NONE, NONE]
    assert seen(joined, 3, 1) == [0, 10, 10]
    assert seen(joined, 5, 1) == [20, 10, 30]


def test_parts_of_planes_have_the_same_part_of_the_others() -> None:
    cut = CutPlanes.of(levels(3), 4)
    assert len(cut.sizes) == 12
    assert cut.stack_axes == "T"
    assert [cut.beside(5, step, "T") for step in (-2, -1, 1, 2)] == [None, 1, 9, None]
    np.testing.assert_array_equal(
        read(cut, 5, 1), np.concatenate([cut.read(n, slice(0, 3), slice(0, 4)) for n in (5, 1, 9)])
    )


@pytest.mark.parametrize(("plane", "near"), [(3, [1, 2, 3, 4, 5]), (0, [0, 1, 2]), (6, [4, 5, 6])])
def test_the_planes_beside_one_are_found(plane: int, near: list[int]) -> None:
    assert with_those_beside(levels(7), plane, 2) == near
    assert with_those_beside(MemoryPlanes(levels(7).images), plane, 2) == [plane]


def test_planes_beside_one_along_both_axes_have_each_others_neighbours() -> None:
    volumes = ArrayPlanes(noisy_stack(4, 5, 6, 7), "TZYX")
    near = with_those_beside(volumes, 5 * 2 + 2, 1)
    assert near == [5 * t + z for t in (1, 2, 3) for z in (1, 2, 3)]


def test_a_window_of_a_plane_is_seen_amid_those_of_its_neighbours() -> None:
    amid = Amid.of(levels(7), 1, slice(2, 6), slice(0, 5), 2)
    assert (len(amid.planes.sizes), amid.plane) == (4, 1)
    assert seen(amid.planes, amid.plane, 2) == [10, 0, 20, 30, 30]


def test_a_plane_that_was_chosen_alone_has_no_stack() -> None:
    whole = (slice(0, 6), slice(0, 7))
    assert CutPlanes(levels(5), [(2, *whole)]).stack_axes == ""
    with_a_gap = CutPlanes(levels(5), [(0, *whole), (1, *whole), (4, *whole)])
    assert with_a_gap.stack_axes == "T"
    assert seen(with_a_gap, 1, 1) == [10, 0, 0]
    assert seen(with_a_gap, 2, 1) == [40, NONE, NONE]
