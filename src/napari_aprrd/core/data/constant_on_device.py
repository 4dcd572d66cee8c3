"""Whether images may have constant areas, asked on the device on which they are.

The areas themselves are found by `constant.constant_areas`, on the CPU. Most images have none, and
a test that never overlooks one spares them that search.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .constant import LARGE, LONELY, SIDE, STRIP


def may_have_constant_areas(images: Tensor) -> Tensor:
    """Whether any channel of (B, M, h, w) may have a constant area: (B,), for h, w >= `SIDE`.

    True also for some images without one, never False for one that has it.
    """
    low = torch.where(images.isnan(), torch.inf, images).amin((2, 3), keepdim=True)
    values = torch.cat((low, torch.zeros_like(low)), dim=1)  # an area has either of them
    return _may_be_area(images.repeat(1, 2, 1, 1) == values).any(dim=1)


def _may_be_area(equal: Tensor) -> Tensor:
    """The same for the pixels of one value in each channel: (B, M, h, w) -> (B, M)."""
    others = ~equal
    around = F.avg_pool2d(others.float(), 5, 1, 2, divisor_override=1)
    specks = (others & (around < LONELY + 1.5)).flatten(2).any(dim=2)
    # As in `constant`: beyond the window an area may go on, so that a strip is enough there.
    wide = F.pad(equal, (SIDE - STRIP,) * 4, value=True)
    border = _has_square(wide, SIDE) & (equal.flatten(2).sum(dim=2) >= SIDE**2)
    return (border & ~specks) | _has_square(equal, min(LARGE, *equal.shape[2:]))


def _has_square(mask: Tensor, side: int) -> Tensor:
    """Whether there is a square of this side in each channel of a mask: (B, M, h, w) -> (B, M)."""
    for axis in (2, 3):
        length = 1  # of the runs that the mask stands for; it doubles
        while length < side:
            step = min(length, side - length)
            count = mask.shape[axis] - step
            mask = mask.narrow(axis, 0, count) & mask.narrow(axis, step, count)
            length += step
    return mask.flatten(2).any(dim=2)
