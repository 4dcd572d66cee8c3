"""Recharging: noisy pixels spread over the targets of distillation (equations [7] and [8])."""

from __future__ import annotations

import torch
from torch import Tensor


def recharge_masks(
    batch: int, classes: int, height: int, width: int, *, generator: torch.Generator
) -> Tensor:
    """Draw random masks M_0..M_{j-1} that partition the pixels into equal classes [7].

    Parameters
    ----------
    batch : int
        Number of images; each gets a partition of its own.
    classes : int
        Number j of targets.
    height, width : int
        Size of the images in pixels.
    generator : torch.Generator
        CPU generator.

    Returns
    -------
    Tensor, shape (B, j, 1, H, W), bool
        Exactly one mask is true at each pixel. The sizes of the classes differ by at most
        one; where j does not divide H * W, chance says which classes are the larger.
    """
    pixels = height * width
    # Ranks 0, 1, 2, ... in random order, modulo j: classes as equal as they can be.
    order = torch.rand(batch, pixels, generator=generator).argsort(dim=1)
    start = torch.randint(classes, (batch, 1), generator=generator)
    labels = ((order + start) % classes).view(batch, 1, height, width)
    return torch.stack([labels == i for i in range(classes)], dim=1)


def recharge(targets: Tensor, noisy: Tensor, masks: Tensor) -> Tensor:
    """Refill each target with its class of noisy pixels [8].

    x~_i = f_i(y) * (1 - M_i) + y * M_i

    Parameters
    ----------
    targets : Tensor, shape (B, j, C, H, W)
        T, the teacher's outputs f_0(y)..f_{j-1}(y).
    noisy : Tensor, shape (B, C, H, W)
        y.
    masks : Tensor, shape (B, j, 1, H, W), bool
        From `recharge_masks`.

    Returns
    -------
    Tensor, shape (B, j, C, H, W)
        T_RD, the recharged targets.
    """
    return torch.where(masks, noisy[:, None], targets)
