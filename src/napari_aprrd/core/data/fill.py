"""Filling of pixels that are not finite, on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def fill(images: Tensor, valid: Tensor) -> Tensor:
    """Replace pixels of (B, C, h, w) that are not valid by the mean of their valid neighbours.

    Parameters
    ----------
    images : Tensor, shape (B, C, h, w), float32
    valid : Tensor, shape (B, C, h, w), bool
    """
    known, weight = torch.where(valid, images, 0), valid.float()
    mean = known.sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp(min=1)
    near, share = (F.avg_pool2d(t, 7, 1, 3, count_include_pad=False) for t in (known, weight))
    near = torch.where(share > 0, near / share.clamp(min=1e-9), mean)
    return torch.where(valid, images, near)
