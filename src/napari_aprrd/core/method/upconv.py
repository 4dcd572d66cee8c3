"""Convolve an upsampled map without upsampling it.

Where each pixel became 2 x 2 equal ones, a 3x3 window holds only 2x2 different pixels, in one of
four places: four 2x2 convolutions of the small map do with 4/9 of the multiplications. And the
convolution of joined maps is the sum of the convolutions of each: nothing has to be joined.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_aten = torch.ops.aten

# In an even row, the window's first row sees one pixel, the other two the next; in an odd row,
# the first two see one pixel. (place, pixel, row of the window); the same for columns.
_SEES = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
_SEES_ABOVE = _SEES.flip(0)  # of a window whose last row is the pixel's own


def pays(x: Tensor) -> bool:
    """Whether this is faster here: measured in float32 on CPUs; it is not in bfloat16."""
    return x.device.type == "cpu" and x.dtype == torch.float32


def conv_upsampled(
    x: Tensor, skip: Tensor, weight: Tensor, bias: Tensor, *, looks_up: bool
) -> Tensor:
    """3x3 convolution, padded by 1, of x with its sides doubled (nearest) and joined by the skip.

    Parameters
    ----------
    x : Tensor, shape (B, C, H / 2, W / 2), float32
    skip : Tensor, shape (B, S, H, W), float32
    weight, bias : Tensor, shapes (K, C + S, 3, 3) and (K,)
    looks_up : bool
        Maps have a row of zeros on top, (B, C, 1 + H / 2, W / 2) and (B, S, 1 + H, W), as in
        `looking_up`; the last row of the output is then of no use. Half of an odd H is rounded up.

    Returns
    -------
    Tensor, shape (B, K, H, W), or (B, K, 1 + H, W)
    """
    if not torch.is_grad_enabled():  # so that it can be exported
        return _convolve(x, skip, *_split(x, weight, looks_up), bias, looks_up)
    result: Tensor = _ConvUpsampled.apply(x, skip, weight, bias, looks_up)  # type: ignore[no-untyped-call]
    return result


def _split(x: Tensor, weight: Tensor, looks_up: bool) -> tuple[Tensor, Tensor]:
    """Weights of the small map, (4 K, C, 2, 2), and of the skip, (K, S, 3, 3)."""
    c, rows = x.shape[1], _SEES_ABOVE if looks_up else _SEES
    small = torch.einsum("air,bjs,kcrs->abkcij", rows, _SEES, weight[:, :c]).flatten(0, 2)
    last = torch.channels_last
    return small.contiguous(memory_format=last), weight[:, c:].contiguous(memory_format=last)


def _convolve(
    x: Tensor, skip: Tensor, small: Tensor, of_skip: Tensor, bias: Tensor, looks_up: bool
) -> Tensor:
    places = F.conv2d(x, small, padding=(0 if looks_up else 1, 1))
    output = F.conv2d(skip, of_skip, bias, padding=1)
    for pixels, place in _interleaved(output, places, looks_up):
        pixels += place
    return output


class _ConvUpsampled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, skip: Tensor, weight: Tensor, bias: Tensor, looks_up: bool
    ) -> Tensor:
        small, of_skip = _split(x, weight, looks_up)
        ctx.save_for_backward(x, skip, small, of_skip)
        ctx.looks_up = looks_up
        return _convolve(x, skip, small, of_skip, bias, looks_up)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, skip, small, of_skip) = gradients, ctx.saved_tensors
        (batch, c, h, w), k = x.shape, len(of_skip)
        h += -1 if ctx.looks_up else 1
        places = gradient.new_zeros(batch, h, 1 + w, 4 * k).permute(0, 3, 1, 2)
        for pixels, place in _interleaved(gradient, places, ctx.looks_up):
            place.copy_(pixels)
        one, none, padding = [1, 1], [0, 0], [0 if ctx.looks_up else 1, 1]
        needed = [ctx.needs_input_grad[0], True, False]
        of_x, of_small, _ = _aten.convolution_backward(
            places, x, small, None, one, padding, one, False, none, 1, needed
        )
        needed = [ctx.needs_input_grad[1], True, True]
        of_skip, of_weight, of_bias = _aten.convolution_backward(
            gradient, skip, of_skip, [k], one, one, one, False, none, 1, needed
        )
        of_small = of_small.view(2, 2, k, c, 2, 2)
        rows = _SEES_ABOVE if ctx.looks_up else _SEES
        of_large = torch.einsum("air,bjs,abkcij->kcrs", rows, _SEES, of_small)
        return of_x, of_skip, torch.cat((of_large, of_weight), dim=1), of_bias, None


def _interleaved(pixels: Tensor, places: Tensor, looks_up: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """For even and odd rows and columns: their pixels, and their places.

    Pixels are (B, K, H, W), places (B, 4 K, 1 + H / 2, 1 + W / 2); looking up, (B, K, 1 + H, W) and
    (B, 4 K, H / 2, 1 + W / 2).
    """
    batch, _, rows, columns = places.shape
    places = places.permute(0, 2, 3, 1).view(batch, rows, columns, 2, 2, -1)
    places = places.permute(0, 5, 1, 2, 3, 4)  # (B, K, rows, columns, 2, 2)
    height, width = rows - (0 if looks_up else 1), columns - 1
    for a, b in itertools.product((0, 1), (0, 1)):
        top = 0 if looks_up else a
        place = places[:, :, top : top + height, b : b + width, a, b]
        yield pixels[:, :, a : 2 * height : 2, b::2], place
