"""Upsampled maps are convolved without being made: the same values and gradients.

Only processors do so (`is_faster_for`), wherever the other tests run.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate

from napari_aprrd.core.method.upconv import conv_upsampled
from napari_aprrd.core.method.upward import join_upsampled


def plainly(x: Tensor, skip: Tensor, weight: Tensor, bias: Tensor, upward: bool) -> Tensor:
    if upward:
        return conv2d(join_upsampled(x, skip), weight, bias, padding=1)[:, :, :-1]
    doubled = interpolate(x, scale_factor=2.0, mode="nearest")
    return conv2d(torch.cat((doubled, skip), dim=1), weight, bias, padding=1)


@pytest.mark.parametrize("skips", [1, 4])
@pytest.mark.parametrize(
    ("upward", "size"),
    [(False, (8, 12)), (False, (2, 2)), (True, (8, 12)), (True, (2, 2)), (True, (7, 12))],
)
def test_values_and_gradients_are_those_of_the_joined_map(
    upward: bool, skips: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    h, w = size
    x = torch.randn(2, 5, (h + 1) // 2 + upward, w // 2)
    skip = torch.randn(2, skips, h + upward, w)
    if upward:  # such maps have a row of zeros on top
        x[:, :, 0], skip[:, :, 0] = 0, 0
    ways = []
    for fast in (False, True):
        inputs = [t.clone().requires_grad_() for t in (x, skip)]
        generator = torch.Generator().manual_seed(1)
        weights = [torch.randn(s, generator=generator) for s in ((6, 5 + skips, 3, 3), (6,))]
        inputs += [t.requires_grad_() for t in weights]
        if fast:
            y = conv_upsampled(*inputs, upward=upward)
            y = y[:, :, :-1] if upward else y
        else:
            y = plainly(*inputs, upward)
        y.square().sum().backward()
        of_maps = [t.grad[:, :, int(upward) :] for t in inputs[:2]]  # zeros get no gradient
        if fast:
            with torch.no_grad():
                alone = conv_upsampled(*inputs, upward=upward)
            torch.testing.assert_close(alone[:, :, :-1] if upward else alone, y)
        ways.append([y.detach(), *of_maps, *(t.grad for t in inputs[2:])])
    for plain, fast_one in zip(*ways, strict=True):
        torch.testing.assert_close(fast_one, plain, rtol=1e-4, atol=1e-3)
