"""Operations of a network whose receptive field lies in the rows at and above each pixel.

A map of such a network carries one row of zeros on top: (B, C, 1 + H, W). A plain 3x3 convolution
of it, padded by 1, computes in row i + 1 what an upward convolution gives in row i, because its
window ends one row lower. Moving the result down by one row, with zeros on top, yields the next
map; the activation writes its output there anyway, so that padding, moving and cropping cost
nothing. The 2x2 max pool of such a map pools rows that are moved down by one, so that no pooled row
depends on a row below it.

Three operations have a gradient written by hand, because PyTorch's would copy whole maps that are
only moved: `shifted_leaky_relu`, `join_upsampled` and the gather in `unrotate`, whose gradient is
the inverse gather instead of a slow scatter. Measured in docs/experiments.md#kept: a training step
in bfloat16 takes 44.4 ms instead of 60.6, and targets at six shifts 283 ms instead of 1608.
NAPARI_APRRD_PLAIN=1 takes the ordinary operations, see `plain`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import plain

# Lists that collect the index tensors in use, see `collecting_indices`.
_collected: list[list[Tensor]] = []


@contextmanager
def collecting_indices() -> Iterator[list[Tensor]]:
    """Collect the index tensors that are used meanwhile.

    A captured graph reads them where they lie in memory: whoever keeps the graph must keep them,
    too, since the caches here drop what was not used for a while.
    """
    found: list[Tensor] = []
    _collected.append(found)
    try:
        yield found
    finally:
        _collected.remove(found)


def _in_use(*indices: Tensor) -> tuple[Tensor, ...]:
    for found in _collected:
        found.extend(indices)
    return indices


def with_zeros_on_top(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 1 + H, W)."""
    return F.pad(x, (0, 0, 1, 0))


def shifted_leaky_relu(x: Tensor, slope: float) -> Tensor:
    """LeakyReLU of a convolved map, moved down by a row, with zeros on top.

    Parameters
    ----------
    x : Tensor, shape (B, C, 1 + H, W)
        A convolution, padded by 1, of a map with zeros on top. Its last row is meaningless.
    slope : float

    Returns
    -------
    Tensor, shape (B, C, 1 + H, W)
        At each pixel, what a convolution that sees no row below the pixel gives.
    """
    if plain.WANTED:
        return with_zeros_on_top(F.leaky_relu(x[:, :, :-1], slope))
    result: Tensor = _ShiftedLeakyReLU.apply(x, slope)  # type: ignore[no-untyped-call]
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
    if plain.WANTED:
        return _joined(x, skip)
    result: Tensor = _JoinUpsampled.apply(x, skip)  # type: ignore[no-untyped-call]
    return result


def _joined(x: Tensor, skip: Tensor) -> Tensor:
    doubled = F.interpolate(x, scale_factor=2.0, mode="nearest")
    return torch.cat((doubled[:, :, 1 : 1 + skip.shape[2]], skip), dim=1)


def unrotate(features: list[Tensor], size: tuple[int, int], shift: int) -> Tensor:
    """Shift the features of four rotations down, rotate them back and join their channels.

    All of that is one gather of pixels. The rows that are shifted in are zeros, taken from the
    row on top.

    Parameters
    ----------
    features : list of Tensor
        Features of the image rotated clockwise by 0, 90, 180, 270 degrees, one after the other
        along the batch: one tensor (4 B, C, 1 + H, W) for a square image, else four,
        (B, C, 1 + H, W) or (B, C, 1 + W, H). The last `shift` rows of each, which are shifted
        out of the image, may be missing.
    size : (H, W)
        Height and width of the image.
    shift : int

    Returns
    -------
    Tensor, shape (B, 4 C, H, W)
    """
    if plain.WANTED:
        return _unrotated(features, size, shift)
    batch, c = sum(len(f) for f in features) // 4, features[0].shape[1]
    flat = [f.permute(0, 2, 3, 1).reshape(-1, c) for f in features]
    pixels = flat[0] if len(flat) == 1 else torch.cat(flat)  # (4 B (H + 1) W, C)
    rows = tuple(features[turns % len(features)].shape[2] for turns in range(4))
    layout = (batch, *size, shift, rows, pixels.device)
    joined: Tensor = _Gather.apply(pixels, layout)  # type: ignore[no-untyped-call]
    return joined.view(batch, *size, 4 * c).permute(0, 3, 1, 2)


def _unrotated(features: list[Tensor], size: tuple[int, int], shift: int) -> Tensor:
    """The same step by step."""
    rotations = features if len(features) == 4 else list(features[0].chunk(4))
    parts = []
    for turns, part in enumerate(rotations):
        height = size[turns % 2]
        kept = part[:, :, 1 : 1 + max(height - shift, 0)]
        parts.append(torch.rot90(F.pad(kept, (0, 0, height - kept.shape[2], 0)), turns, (2, 3)))
    return torch.cat(parts, dim=1)


class _ShiftedLeakyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        output = torch.empty_like(x)
        output[:, :, 0].zero_()
        torch.ops.aten.leaky_relu.out(x[:, :, :-1], slope, out=output[:, :, 1:])
        ctx.save_for_backward(output)
        ctx.slope = slope
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (output,) = ctx.saved_tensors
        gradient = torch.empty_like(output)
        gradient[:, :, -1].zero_()
        # The sign of the output tells on which side of zero the input was.
        torch.ops.aten.leaky_relu_backward.grad_input(
            gradients[0][:, :, 1:],
            output[:, :, 1:],
            ctx.slope,
            self_is_result=True,
            grad_input=gradient[:, :, :-1],
        )
        return gradient, None


class _JoinUpsampled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, skip: Tensor) -> Tensor:
        ctx.shape = x.shape
        return _joined(x, skip)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,), channels = gradients, ctx.shape[1]
        x_gradient = gradient.new_empty(ctx.shape).contiguous(memory_format=torch.channels_last)
        x_gradient[:, :, 0].zero_()
        doubled = gradient[:, :channels, 1:]
        # A divisor of 1 makes the average a sum: four equal pixels share one source.
        x_gradient[:, :, 1:] = F.avg_pool2d(doubled, 2, ceil_mode=True, divisor_override=1)
        return x_gradient, gradient[:, channels:]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pixels: Tensor, layout: tuple[Any, ...]) -> Tensor:
        ctx.layout = layout
        (sources,) = _in_use(_sources(*layout))
        return pixels.index_select(0, sources)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        targets, unused = _in_use(*_targets(*ctx.layout))
        return gradients[0].index_select(0, targets).index_fill_(0, unused, 0), None


@functools.lru_cache(maxsize=8)
def _sources(
    batch: int, height: int, width: int, shift: int, rows: tuple[int, ...], device: torch.device
) -> Tensor:
    """Index of the feature pixel that each image, pixel and rotation takes, (B * H * W * 4,)."""
    start, rotations = 0, []
    for turns in range(4):
        h, w = (height, width) if turns % 2 == 0 else (width, height)
        pixels = rows[turns] * w  # of one image in this rotation, with the row of zeros
        frame = torch.arange(w, pixels, device=device, dtype=torch.int32).view(-1, w)
        zeros = torch.arange(w, device=device, dtype=torch.int32).expand(min(shift, h), w)
        rotated = torch.rot90(torch.cat((zeros, frame[: max(h - shift, 0)])), turns)
        images = pixels * torch.arange(batch, device=device, dtype=torch.int32)
        rotations.append(start + images[:, None, None] + rotated)  # (B, H, W)
        start += batch * pixels
    return torch.stack(rotations, dim=-1).flatten()


@functools.lru_cache(maxsize=8)
def _targets(
    batch: int, height: int, width: int, shift: int, rows: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """The inverse of `_sources`, and the indices of feature pixels that are not used."""
    sources = _sources(batch, height, width, shift, rows, device)
    pixels = batch * (width * (rows[0] + rows[2]) + height * (rows[1] + rows[3]))
    targets = torch.full((pixels,), -1, device=device, dtype=torch.int32)
    targets[sources.long()] = torch.arange(len(sources), device=device, dtype=torch.int32)
    return targets.clamp(min=0), (targets < 0).nonzero()[:, 0]
