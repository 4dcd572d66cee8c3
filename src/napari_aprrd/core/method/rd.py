"""Recharged Distillation (RD): random masks [7], recharged targets [8], and the loss [3], [9].

This is the paper's way. Automatic settings recharge by measurement instead, see
`core.training.restore_detail`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .norms import Norm, mean_norm
from .random_bits import below, halves, random_bits


def recharge_masks(
    batch: int, classes: int, height: int, width: int, *, generator: torch.Generator
) -> Tensor:
    """Draw random masks M_0..M_{j-1} that partition the pixels into equal classes [7].

    Parameters
    ----------
    batch : int
        Number of images; each gets its own partition.
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
        one; where j does not divide H * W, the larger classes are drawn at random.
    """
    pixels = height * width
    # Ranks 0, 1, 2, ... in random order, modulo j, give classes that are as equal as possible.
    order = torch.rand(batch, pixels, generator=generator).argsort(dim=1)
    start = torch.randint(classes, (batch, 1), generator=generator)
    return _masks((order + start) % classes, classes, height, width)


def hashed_masks(batch: int, classes: int, height: int, width: int, *, seed: Tensor) -> Tensor:
    """Masks as those of `recharge_masks`, made on the device of a seed.

    Parameters
    ----------
    batch, classes, height, width : int
        As for `recharge_masks`.
    seed : Tensor, scalar
        A whole number: the same one gives the same masks on every device.

    Returns
    -------
    Tensor, shape (B, j, 1, H, W), bool
    """
    bits = random_bits(seed, batch * (height * width + 1)).view(batch, -1)
    order, start = bits[:, 1:].argsort(dim=1), below(classes, halves(bits[:, :1])[0])
    return _masks((order + start) % classes, classes, height, width)


def _masks(labels: Tensor, classes: int, height: int, width: int) -> Tensor:
    """One mask for each class, of the class of each pixel, (B, H * W)."""
    labels = labels.view(len(labels), 1, height, width)
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


def distillation_loss(
    student: Tensor, targets: Tensor, *, norm: Norm = "l1", mask: Tensor | None = None
) -> Tensor:
    """Sum over the targets of the student's distance to each, equations [3] and [9].

    Plain distillation (D) passes the teacher's outputs T, recharged distillation (RD) passes
    T_RD from `recharge`. With L1 the optimum at a pixel is near the median of its
    targets, of which recharging makes exactly one noisy.

    Parameters
    ----------
    student : Tensor, shape (B, C, H, W)
        f_D(y).
    targets : Tensor, shape (B, j, C, H, W)
        T or T_RD.
    norm : {"l1", "l2"}
        L1 as in the paper, or mean squared error.
    mask : Tensor, shape (B, 1 or C, H, W), bool, optional
        Pixels to learn from; default all.

    Returns
    -------
    Tensor, scalar
    """
    j = targets.shape[1]
    return j * mean_norm(student[:, None] - targets, norm, None if mask is None else mask[:, None])
