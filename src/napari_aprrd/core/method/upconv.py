"""Convolve an upsampled map without making the upsampled map.

A decoder doubles the sides of a map (nearest neighbour), joins it with the skip and convolves the
result with a 3x3 kernel. After the doubling, rows 2i and 2i + 1 are equal, and so are columns. A
3x3 window therefore covers only 2x2 different pixels, and which ones depends on whether its row
and its column are even or odd. Four 2x2 convolutions of the small map, whose kernels are sums of
entries of the 3x3 kernel, give the same values with 4/9 of the multiplications. A convolution of
joined maps is the sum of the convolutions of each, so the maps need not be joined either.

PyTorch would differentiate this through the interleaving of the four results, which copies more
than is saved. The gradient is therefore written by hand in `_ConvUpsampled`: it sorts the
gradient into the four cases, calls PyTorch's own gradient of a convolution twice, and sums the
2x2 kernels back into the 3x3 kernel. Measured in docs/experiments.md#kept, float32, one thread:
1.27 s become 0.67 s for a student on 1120 x 1120 pixels, and 1.74 s become 1.39 s for a training
step. NAPARI_APRRD_PLAIN=1 avoids all of it, see `plain`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import plain

# Which of the two source rows each kernel row meets: (parity of the output row, source row,
# kernel row). For even output rows 2i, the three kernel rows fall on source rows (i - 1, i, i);
# for odd ones, 2i + 1, on (i, i, i + 1). Columns behave alike.
_MEETS = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
# In upward maps the last kernel row is the pixel's own row, which swaps the two cases.
_MEETS_UPWARD = _MEETS.flip(0)


def is_faster_for(x: Tensor) -> bool:
    """Whether `conv_upsampled` should replace the plain convolution of this map.

    It is faster in float32 on CPUs. In bfloat16 it is slower: the costliest layer of a teacher
    takes 25 ms instead of 20 (docs/experiments.md#not-kept). GPUs were not measured.
    """
    return x.device.type == "cpu" and x.dtype == torch.float32 and not plain.WANTED


def conv_upsampled(
    x: Tensor, skip: Tensor, weight: Tensor, bias: Tensor, *, upward: bool
) -> Tensor:
    """3x3 convolution, padded by 1, of x with its sides doubled (nearest) and joined by the skip.

    Parameters
    ----------
    x : Tensor, shape (B, C, H / 2, W / 2), float32
    skip : Tensor, shape (B, S, H, W), float32
    weight, bias : Tensor, shapes (K, C + S, 3, 3) and (K,)
    upward : bool
        The maps have a row of zeros on top, (B, C, 1 + H / 2, W / 2) and (B, S, 1 + H, W), as in
        `upward`; the last row of the output is then meaningless. Half of an odd H is rounded up.

    Returns
    -------
    Tensor, shape (B, K, H, W), or (B, K, 1 + H, W)
    """
    if not torch.is_grad_enabled():  # exporters cannot trace a custom autograd function
        return _convolve(x, skip, *_split(x, weight, upward), bias, upward)
    result: Tensor = _ConvUpsampled.apply(x, skip, weight, bias, upward)  # type: ignore[no-untyped-call]
    return result


def _split(x: Tensor, weight: Tensor, upward: bool) -> tuple[Tensor, Tensor]:
    """Kernels for the small map, (4 K, C, 2, 2), and for the skip, (K, S, 3, 3)."""
    c, rows = x.shape[1], _MEETS_UPWARD if upward else _MEETS
    small = torch.einsum("air,bjs,kcrs->abkcij", rows, _MEETS, weight[:, :c]).flatten(0, 2)
    last = torch.channels_last
    return small.contiguous(memory_format=last), weight[:, c:].contiguous(memory_format=last)


def _convolve(
    x: Tensor, skip: Tensor, small: Tensor, skip_weight: Tensor, bias: Tensor, upward: bool
) -> Tensor:
    cases = F.conv2d(x, small, padding=(0 if upward else 1, 1))
    output = F.conv2d(skip, skip_weight, bias, padding=1)
    for pixels, case in _interleaved(output, cases, upward):
        pixels += case
    return output


class _ConvUpsampled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, skip: Tensor, weight: Tensor, bias: Tensor, upward: bool
    ) -> Tensor:
        small, skip_weight = _split(x, weight, upward)
        ctx.save_for_backward(x, skip, small, skip_weight)
        ctx.upward = upward
        return _convolve(x, skip, small, skip_weight, bias, upward)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, skip, small, skip_weight) = gradients, ctx.saved_tensors
        upward, (batch, c, h, w), k = ctx.upward, x.shape, len(skip_weight)
        h += -1 if upward else 1
        # What `_convolve` added into the output, taken apart again into the four cases.
        cases = gradient.new_zeros(batch, h, 1 + w, 4 * k).permute(0, 3, 1, 2)
        for pixels, case in _interleaved(gradient, cases, upward):
            case.copy_(pixels)
        x_gradient, small_gradient, _ = _convolution_gradients(
            cases, x, small, padding=(0 if upward else 1, 1), for_input=ctx.needs_input_grad[0]
        )
        skip_gradient, skip_weight_gradient, bias_gradient = _convolution_gradients(
            gradient, skip, skip_weight, padding=(1, 1), for_input=ctx.needs_input_grad[1], bias=k
        )
        # Each entry of the 3x3 kernel was added into several 2x2 kernels: sum their gradients.
        small_gradient = small_gradient.view(2, 2, k, c, 2, 2)
        rows = _MEETS_UPWARD if upward else _MEETS
        x_weight_gradient = torch.einsum("air,bjs,abkcij->kcrs", rows, _MEETS, small_gradient)
        weight_gradient = torch.cat((x_weight_gradient, skip_weight_gradient), dim=1)
        return x_gradient, skip_gradient, weight_gradient, bias_gradient, None


def _convolution_gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    *,
    padding: tuple[int, int],
    for_input: bool,
    bias: int = 0,
) -> tuple[Any, Any, Any]:
    """Gradients of a plain convolution with respect to its input, weight and bias.

    This is the private operation that PyTorch itself calls for `conv2d`. It has no public
    equivalent that returns all three gradients at once. `bias` is the number of biases.
    """
    found: tuple[Any, Any, Any] = torch.ops.aten.convolution_backward(
        gradient,
        x,
        weight,
        bias_sizes=[bias] if bias else None,
        stride=[1, 1],
        padding=list(padding),
        dilation=[1, 1],
        transposed=False,
        output_padding=[0, 0],
        groups=1,
        output_mask=[for_input, True, bias > 0],  # which of the three gradients are wanted
    )
    return found


def _interleaved(pixels: Tensor, cases: Tensor, upward: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of views, for even and odd rows and columns: of the pixels, and of their case.

    Pixels are (B, K, H, W) and cases (B, 4 K, 1 + H / 2, 1 + W / 2); with `upward` they are
    (B, K, 1 + H, W) and (B, 4 K, H / 2, 1 + W / 2).
    """
    batch, _, rows, columns = cases.shape
    cases = cases.permute(0, 2, 3, 1).view(batch, rows, columns, 2, 2, -1)
    cases = cases.permute(0, 5, 1, 2, 3, 4)  # (B, K, rows, columns, 2, 2)
    height, width = rows - (0 if upward else 1), columns - 1
    for a, b in itertools.product((0, 1), (0, 1)):
        top = 0 if upward else a
        case = cases[:, :, top : top + height, b : b + width, a, b]
        yield pixels[:, :, a : 2 * height : 2, b::2], case
