"""What a network that looks up is made of, without copies.

A map of such a network carries one row of zeros on top: (B, C, 1 + H, W), written with the
activation. A plain 3x3 convolution of it, padded by 1, then sees of each pixel the row itself
and two above, and its 2x2 max pool already pools rows moved down by one, so that no pooled row
sees the row below it. Padding, moving and cropping cost nothing of their own.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_aten = torch.ops.aten


def with_zeros_on_top(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 1 + H, W)."""
    return F.pad(x, (0, 0, 1, 0))


def activate(x: Tensor, slope: float) -> Tensor:
    """LeakyReLU of a convolved map, moved down by a row, with zeros on top.

    Parameters
    ----------
    x : Tensor, shape (B, C, 1 + H, W)
        A convolution of a map with zeros on top, padded by 1. Its last row is of no use.
    slope : float

    Returns
    -------
    Tensor, shape (B, C, 1 + H, W)
        Of each pixel, what a convolution that sees no row below it gives.
    """
    result: Tensor = _Activate.apply(x, slope)  # type: ignore[no-untyped-call]
    return result


def join_upsampled(x: Tensor, skip: Tensor) -> Tensor:
    """Double the sides of x (nearest), and join the channels of the skip.

    Parameters
    ----------
    x : Tensor, shape (B, C, 1 + H / 2, W / 2)
        Half of an odd H is rounded up, as the pool does.
    skip : Tensor, shape (B, K, 1 + H, W)

    Returns
    -------
    Tensor, shape (B, C + K, 1 + H, W)
    """
    result: Tensor = _JoinUpsampled.apply(x, skip)  # type: ignore[no-untyped-call]
    return result


def turn_back(features: list[Tensor], size: tuple[int, int], shift: int) -> Tensor:
    """Shift the features of four rotations down, turn them back and join their channels.

    All of that is one gather of pixels; zeros come in from the row on top.

    Parameters
    ----------
    features : list of Tensor
        Of the image turned clockwise by 0, 90, 180, 270 degrees, one after the other along the
        batch: one tensor (4 B, C, 1 + H, W) of a square image, else four, (B, C, 1 + H, W) or
        (B, C, 1 + W, H). The last `shift` rows of each, which are moved out of the image, may
        be missing.
    size : (H, W)
        Of the image.
    shift : int

    Returns
    -------
    Tensor, shape (B, 4 C, H, W)
    """
    batch, c = sum(len(f) for f in features) // 4, features[0].shape[1]
    flat = [f.permute(0, 2, 3, 1).reshape(-1, c) for f in features]
    pixels = flat[0] if len(flat) == 1 else torch.cat(flat)  # (4 B (H + 1) W, C)
    rows = tuple(features[turns % len(features)].shape[2] for turns in range(4))
    place = (batch, *size, shift, rows, pixels.device)
    joined: Tensor = _Gather.apply(pixels, place)  # type: ignore[no-untyped-call]
    return joined.view(batch, *size, 4 * c).permute(0, 3, 1, 2)


class _Activate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        output = torch.empty_like(x)
        output[:, :, 0].zero_()
        _aten.leaky_relu.out(x[:, :, :-1], slope, out=output[:, :, 1:])
        ctx.save_for_backward(output)
        ctx.slope = slope
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        gradient = torch.empty_like(output)
        gradient[:, :, -1].zero_()
        rows, above = gradients[0][:, :, 1:], gradient[:, :, :-1]
        _aten.leaky_relu_backward.grad_input(
            rows, output[:, :, 1:], ctx.slope, True, grad_input=above
        )
        return gradient, None


class _JoinUpsampled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, skip: Tensor) -> Tensor:
        ctx.shape = x.shape
        upsampled = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return torch.cat((upsampled[:, :, 1 : 1 + skip.shape[2]], skip), dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,), channels = gradients, ctx.shape[1]
        of_x = gradient.new_empty(ctx.shape).contiguous(memory_format=torch.channels_last)
        of_x[:, :, 0].zero_()
        of_pixels = gradient[:, :channels, 1:]
        of_x[:, :, 1:] = F.avg_pool2d(of_pixels, 2, ceil_mode=True, divisor_override=1)  # a sum
        return of_x, gradient[:, channels:]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pixels: Tensor, place: tuple[Any, ...]) -> Tensor:
        ctx.place = place
        return pixels.index_select(0, _sources(*place))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        targets, unused = _targets(*ctx.place)
        return gradients[0].index_select(0, targets).index_fill_(0, unused, 0), None


@functools.lru_cache(maxsize=8)
def _sources(
    batch: int, height: int, width: int, shift: int, rows: tuple[int, ...], device: torch.device
) -> Tensor:
    """For each image, pixel and rotation: which pixel of the features, (B * H * W * 4,)."""
    begun, rotations = 0, []
    for turns in range(4):
        h, w = (height, width) if turns % 2 == 0 else (width, height)
        of_one = rows[turns] * w
        frame = torch.arange(w, of_one, device=device, dtype=torch.int32).view(-1, w)
        zeros = torch.arange(w, device=device, dtype=torch.int32).expand(min(shift, h), w)
        turned = torch.rot90(torch.cat((zeros, frame[: max(h - shift, 0)])), turns)
        images = of_one * torch.arange(batch, device=device, dtype=torch.int32)
        rotations.append(begun + images[:, None, None] + turned)  # (B, H, W)
        begun += batch * of_one
    return torch.stack(rotations, dim=-1).flatten()


@functools.lru_cache(maxsize=8)
def _targets(
    batch: int, height: int, width: int, shift: int, rows: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """The inverse of `_sources`, and which pixels of the features go nowhere."""
    sources = _sources(batch, height, width, shift, rows, device)
    pixels = batch * (width * (rows[0] + rows[2]) + height * (rows[1] + rows[3]))
    targets = torch.full((pixels,), -1, device=device, dtype=torch.int32)
    targets[sources.long()] = torch.arange(len(sources), device=device, dtype=torch.int32)
    return targets.clamp(min=0), (targets < 0).nonzero()[:, 0]
