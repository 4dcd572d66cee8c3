"""Recharging: the masks and the refilling."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_aprrd.core.method.rd import recharge, recharge_masks

from .. import naive


def draw(batch: int, classes: int, height: int, width: int, seed: int = 0) -> Tensor:
    return recharge_masks(
        batch, classes, height, width, generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize(
    ("classes", "size"), [(6, (12, 12)), (6, (7, 11)), (5, (8, 9)), (1, (4, 4)), (4, (1, 3))]
)
def test_masks_partition_the_image_equally(classes: int, size: tuple[int, int]) -> None:
    masks = draw(3, classes, *size)
    assert masks.shape == (3, classes, 1, *size)  # one channel: the same for all of the image's
    assert masks.dtype == torch.bool
    assert (masks.sum(1) == 1).all()
    sizes = masks.sum((2, 3, 4))
    assert (sizes.amax(1) - sizes.amin(1) <= 1).all()


def test_chance_says_which_classes_are_the_larger() -> None:
    sizes = draw(600, 4, 3, 3).sum((0, 2, 3, 4))  # 9 pixels: one class of 3, three of 2
    larger = sizes - 600 * 2
    assert larger.sum() == 600
    assert (larger - 150).abs().max() < 5 * (600 * 0.25 * 0.75) ** 0.5


def test_every_pixel_falls_into_every_class_equally_often() -> None:
    n = 4000
    counts = draw(n, 4, 4, 4).sum(0).flatten(1).double()  # (4, 16)
    assert (counts - n / 4).abs().max() < 5 * (n * 0.25 * 0.75) ** 0.5


def test_images_have_masks_of_their_own() -> None:
    masks = draw(2, 6, 12, 12)
    assert not torch.equal(masks[0], masks[1])


def test_the_seed_decides() -> None:
    assert torch.equal(draw(2, 6, 9, 9, seed=1), draw(2, 6, 9, 9, seed=1))
    assert not torch.equal(draw(2, 6, 9, 9, seed=1), draw(2, 6, 9, 9, seed=2))


def test_recharging_equals_the_plain_definition() -> None:
    targets, noisy, masks = torch.rand(2, 4, 3, 5, 6), torch.rand(2, 3, 5, 6), draw(2, 4, 5, 6)
    assert torch.equal(recharge(targets, noisy, masks), naive.recharge(targets, noisy, masks))


def test_every_noisy_pixel_appears_in_exactly_one_target() -> None:
    targets, noisy = torch.zeros(2, 6, 3, 8, 8), torch.rand(2, 3, 8, 8) + 1
    recharged = recharge(targets, noisy, draw(2, 6, 8, 8))
    assert torch.equal(recharged.sum(1), noisy)
    # The same pixels in all channels.
    assert torch.equal(recharged[:, :, 0] > 0, recharged[:, :, 2] > 0)


def test_the_inputs_are_left_alone() -> None:
    targets, noisy = torch.zeros(1, 2, 1, 4, 4), torch.ones(1, 1, 4, 4)
    recharge(targets, noisy, draw(1, 2, 4, 4))
    assert targets.abs().max() == 0
