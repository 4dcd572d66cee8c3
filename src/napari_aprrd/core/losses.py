"""The two losses of the method: APR [6] and recharged distillation [9]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from .replace import replace_pixels

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


def apr_loss(
    network: Callable[[Tensor], Tensor],
    noisy: Tensor,
    maps: Tensor,
    *,
    regularization: float = 4.0,
    norm: Norm = "l1",
    mask: Tensor | None = None,
) -> Tensor:
    """APR loss, equation [6].

    |f(h1(y)) - h2(y)| + lambda * |f(h1(y)) - h2(y) - (h1(f^(y)) - h2(f^(y)))|

    Parameters
    ----------
    network : callable
        The blind-spot network f at its training shift, (B, C, H, W) -> (B, C, H, W).
    noisy : Tensor, shape (B, C, H, W)
        y, normalised.
    maps : Tensor, shape (2, B, H * W), int64
        The replacer's maps, see `replace.replacer_maps`.
    regularization : float
        lambda. At 0 the second pass through the network is saved.
    norm : {"l1", "l2"}
        L1 as in the paper, or mean squared error.
    mask : Tensor, shape (B, 1 or C, H, W), bool, optional
        Pixels to learn from; default all.

    Returns
    -------
    Tensor, scalar
        Means over all elements.
    """
    h1, h2 = replace_pixels(noisy, maps)
    difference_target = torch.zeros_like(noisy)
    if regularization > 0:
        with torch.no_grad():  # f^: without gradient
            f1, f2 = replace_pixels(network(noisy), maps)
        difference_target = f1 - f2
    predicted = network(h1)
    loss = mean_norm(predicted - h2, norm, mask)
    if regularization > 0:
        residual = predicted - h2 - difference_target
        loss = loss + regularization * mean_norm(residual, norm, mask)
    return loss


def distillation_loss(
    student: Tensor, targets: Tensor, *, norm: Norm = "l1", mask: Tensor | None = None
) -> Tensor:
    """Sum over the targets of the student's distance to each, equations [3] and [9].

    Plain distillation (D) passes the teacher's outputs T, recharged distillation (RD) passes
    T_RD from `recharge.recharge`. With L1 the optimum at a pixel is near the median of its
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
