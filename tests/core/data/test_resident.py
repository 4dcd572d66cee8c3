"""Crops that a GPU gathers: the same that the CPU would cut. Here the GPU is the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_aprrd.core.data.crops import Crops, CropSampler
from napari_aprrd.core.data.feed import Feed, PrefetchedCrops
from napari_aprrd.core.data.neighbours import StackedPlanes
from napari_aprrd.core.data.planes import MemoryPlanes, Planes
from napari_aprrd.core.data.resident import ResidentCrops, feed_for
from napari_aprrd.core.data.scaling import Normalisation

from ..makers import LazyPlanes, noisy_image

CPU = torch.device("cpu")
GREY = Normalisation((100.0,), (30.0,))
COLOURS = Normalisation((100.0, 90.0, 80.0), (30.0, 31.0, 32.0), not_learnt=(1,))


def planes_of(*sizes: tuple[int, int], channels: int = 1, stack_axes: str = "") -> MemoryPlanes:
    images = [noisy_image(channels, *size, seed=seed) for seed, size in enumerate(sizes)]
    return MemoryPlanes(images, stack_axes=stack_axes)


def stack(planes: int = 5, channels: int = 1) -> MemoryPlanes:
    return planes_of(*[(70, 80)] * planes, channels=channels, stack_axes="T")


def with_constant_areas() -> Planes:
    planes = planes_of((100, 120), channels=3)
    planes.images[0][:, :60] = 7
    planes.images[0][0, :, :50] = 3
    return planes


def with_holes() -> Planes:
    planes = planes_of((100, 90), (64, 50), channels=3)
    for image in planes.images:
        image[:, np.random.default_rng(0).random(image.shape[1:]) < 0.05] = np.nan
        image[0, 10:50, 10:50] = np.inf  # whole crops of one channel
    return planes


def with_repeated_frames() -> Planes:
    planes = stack()
    planes.images[2][:] = planes.images[1]
    planes.images[3][:, :40] = 5
    planes.images[4][:, :, :50] = np.nan
    return StackedPlanes(planes, "T", 2)


CASES: dict[str, tuple[Planes, Normalisation]] = {
    "sizes": (planes_of((100, 120), (64, 47), (200, 33)), GREY),
    "narrow": (planes_of((100, 120), (40, 47), (9, 300), (20, 22)), GREY),
    "colours": (planes_of((100, 120), (64, 47), channels=3), COLOURS),
    "constant areas": (with_constant_areas(), COLOURS),
    "holes": (with_holes(), COLOURS),
    "stack": (StackedPlanes(stack(), "T", 1), GREY),
    "stack of colours": (StackedPlanes(stack(3, channels=3), "T", 2), COLOURS),
    "repeated frames": (with_repeated_frames(), GREY),
}


def sampler(planes: Planes, normalisation: Normalisation = GREY, **settings: Any) -> CropSampler:
    usual = {"batch": 6, "patch": 32, "seed": 3, "hold_out": 0.2}
    return CropSampler(planes, normalisation, **{**usual, **settings})


def drawn(feed: Feed) -> Crops:
    recipe = feed.draw()
    return feed.crops(torch.from_numpy(recipe.numbers), recipe.tensors)


@pytest.mark.parametrize("case", CASES)
def test_the_same_crops_are_drawn(case: str) -> None:
    planes, normalisation = CASES[case]
    usual, shared = (sampler(planes, normalisation) for _ in range(2))
    resident, channels = ResidentCrops(shared, CPU), len(normalisation.offset)
    for _ in range(12):
        expected, found = usual.draw(), drawn(resident)
        assert torch.equal(found.valid, expected.valid[:, :channels])
        assert torch.equal(found.held_out, expected.held_out)
        # Where pixels are filled in, means are taken in another order.
        torch.testing.assert_close(found.values, expected.values, rtol=0, atol=2e-6)
        assert resident.state() == usual.state()


@pytest.mark.parametrize("make", [ResidentCrops, PrefetchedCrops])
def test_a_state_is_that_of_the_crops_in_use(make: Any) -> None:
    usual, feed = (sampler(planes_of((100, 120)), batch=2) for _ in range(2))
    source = make(feed, CPU)
    for _ in range(3):
        assert torch.equal(drawn(source).values, usual.draw().values)
    state = source.state()
    assert state == usual.state()
    expected = [drawn(source).values for _ in range(4)]
    source.restore(state)
    assert all(torch.equal(drawn(source).values, values) for values in expected)


def test_planes_stay_on_the_device_where_they_fit_and_are_shown() -> None:
    planes = planes_of((100, 120))
    assert isinstance(feed_for(sampler(planes), CPU, free=4 * 12_000), ResidentCrops)
    assert isinstance(feed_for(sampler(planes), CPU, free=4 * 11_999), PrefetchedCrops)
    assert isinstance(feed_for(sampler(planes), CPU, free=1e9, shown=12_000), ResidentCrops)
    assert isinstance(feed_for(sampler(planes), CPU, free=1e9, shown=11_999), PrefetchedCrops)
    lazy = LazyPlanes(planes.images)
    assert isinstance(feed_for(sampler(lazy), CPU, free=1e9), PrefetchedCrops)
