"""Distances between images, used by the losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["l1", "l2"]
_NORM: dict[Norm, Callable[[Tensor], Tensor]] = {"l1": torch.abs, "l2": torch.square}


def mean_norm(difference: Tensor, norm: Norm = "l1", mask: Tensor | None = None) -> Tensor:
    """Mean of |d| (l1) or d^2 (l2) over all elements, or those under a mask.

    Parameters
    ----------
    difference : Tensor, shape (..., C, H, W)
    norm : {"l1", "l2"}
    mask : Tensor, broadcastable to the shape of the difference, bool, optional
    """
    values = _NORM[norm](difference)
    if mask is None:
        return values.mean()
    weights = mask.to(values.dtype).expand_as(values)
    return (values * weights).sum() / weights.sum().clamp(min=1)
