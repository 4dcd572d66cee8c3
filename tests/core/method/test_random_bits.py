"""Random draws that are made on the device: maps and masks of a seed."""

from __future__ import annotations

import torch

from napari_aprrd.core.method.apr import hashed_maps, replacer_maps
from napari_aprrd.core.method.random_bits import random_bits
from napari_aprrd.core.method.rd import hashed_masks


def seed(value: int) -> torch.Tensor:
    return torch.tensor(float(value), dtype=torch.float64)


def test_bits_are_those_of_splitmix64() -> None:
    def mix(value: int) -> int:
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % 2**64
        return value ^ (value >> 31)

    step = 0x9E3779B97F4A7C15
    start = mix((12345 + step) % 2**64)
    expected = [mix((start + i * step) % 2**64) for i in range(1, 5)]
    found = [int(bits) % 2**64 for bits in random_bits(seed(12345), 4)]
    assert found == expected


def test_maps_of_a_seed_are_as_random_as_drawn_ones() -> None:
    first, second = hashed_maps(8, 60, 60, window=3, seed=seed(1)).view(2, 8, 60, 60)
    inner = (..., slice(1, -1), slice(1, -1))
    at = torch.arange(3600).view(60, 60)
    assert not bool((first == second)[inner].any())  # two different neighbours of each pixel
    pairs = torch.stack([(part - at)[inner].flatten() for part in (first, second)])
    rows = (pairs + 60 + 30) // 60 - 1
    offsets = 3 * (rows + 1) + (pairs - 60 * rows) + 1
    assert set(offsets.flatten().tolist()) == set(range(9))
    counts = torch.bincount(9 * offsets[0] + offsets[1], minlength=81).view(9, 9).float()
    expected = offsets.shape[1] / 72  # of each ordered pair of different offsets
    off_diagonal = counts[~torch.eye(9, dtype=torch.bool)]
    assert float(((off_diagonal - expected) ** 2 / expected).sum()) < 120  # chi square, 71 degrees
    drawn = replacer_maps(8, 60, 60, generator=torch.Generator().manual_seed(0))
    assert drawn.shape == (2, 8, 3600)
    assert not torch.equal(
        hashed_maps(8, 60, 60, seed=seed(1)), hashed_maps(8, 60, 60, seed=seed(2))
    )


def test_masks_of_a_seed_share_out_the_pixels_evenly() -> None:
    masks = hashed_masks(5, 6, 20, 31, seed=seed(3))
    assert masks.shape == (5, 6, 1, 20, 31)
    assert bool((masks.sum(1) == 1).all())
    sizes = masks.sum((2, 3, 4))
    assert int(sizes.max() - sizes.min()) <= 1
    assert not torch.equal(masks[0], masks[1])
