"""Convolve an upsampled map without upsampling it.

Where each pixel became 2 x 2 equal ones, a 3x3 window holds only 2x2 different pixels, in one of
four places: four 2x2 convolutions of the small map do with 4/9 of the multiplications. And the
convolution of joined maps is the sum of the convolutions of each: nothing has to be joined.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

# In an even row, the window's first row sees one pixel, the other two the next; in an odd row,
# the first two see one pixel. (place, pixel, row of the window); the same for columns.
_SEES = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]], [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])


def pays(x: Tensor) -> bool:
    """Whether this is faster here: measured in float32 on CPUs; it is not in bfloat16."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled()


def conv_upsampled(x: Tensor, skip: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """3x3 convolution, padded by 1, of x with its sides doubled (nearest) and joined by the skip.

    Parameters
    ----------
    x : Tensor, shape (B, C, H / 2, W / 2)
    skip : Tensor, shape (B, S, H, W)
    weight, bias : Tensor, shapes (K, C + S, 3, 3) and (K,)

    Returns
    -------
    Tensor, shape (B, K, H, W)
    """
    (batch, c, h, w), k = x.shape, weight.shape[0]
    output = F.conv2d(skip, weight[:, c:], bias, padding=1)
    small = torch.einsum("air,bjs,kcrs->abkcij", _SEES, _SEES, weight[:, :c]).flatten(0, 2)
    places = F.conv2d(x, small, padding=1)  # (B, 4 K, 1 + H / 2, 1 + W / 2)
    places = places.permute(0, 2, 3, 1).view(batch, 1 + h, 1 + w, 2, 2, k)
    pixels = output.permute(0, 2, 3, 1)
    for a, b in itertools.product((0, 1), (0, 1)):  # even and odd rows, columns
        pixels[:, a::2, b::2] += places[:, a : a + h, b : b + w, a, b]
    return output
