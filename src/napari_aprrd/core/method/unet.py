"""The U-Net that all networks are made of; with `upward` no output row depends on one below it.

Parameter names are those of the published checkpoints, so that these load as they are.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .upconv import conv_upsampled, is_faster_for
from .upward import join_upsampled, shifted_leaky_relu, with_zeros_on_top

SLOPE = 0.1  # negative slope of every LeakyReLU, as published


class Conv(nn.Module):
    """3x3 convolution and LeakyReLU; with `upward`, no output row depends on a row below it."""

    def __init__(self, inputs: int, outputs: int, *, upward: bool = False) -> None:
        super().__init__()
        self.upward = upward
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), or with a row of zeros on top if `upward`."""
        return self._activated(self.conv(x))

    def upsampled(self, x: Tensor, skip: Tensor) -> Tensor:
        """Apply the layer to x with its sides doubled, joined by the skip."""
        if is_faster_for(x):
            weight, bias = self.conv.weight, cast(Tensor, self.conv.bias)
            return self._activated(conv_upsampled(x, skip, weight, bias, upward=self.upward))
        if self.upward:
            return self(join_upsampled(x, skip))  # type: ignore[no-any-return]
        return self(torch.cat((F.interpolate(x, scale_factor=2.0, mode="nearest"), skip), dim=1))  # type: ignore[no-any-return]

    def _activated(self, x: Tensor) -> Tensor:
        return shifted_leaky_relu(x, SLOPE) if self.upward else F.leaky_relu_(x, SLOPE)


class Encoder(nn.Module):
    """One convolution w -> w and, except at the bottleneck, the 2x2 max pool."""

    def __init__(self, width: int, *, upward: bool, pool: bool) -> None:
        super().__init__()
        self.pool = pool
        self.conv1 = Conv(width, width, upward=upward)

    def forward(self, x: Tensor) -> Tensor:
        """(B, w, H, W) -> (B, w, H / 2, W / 2), at the bottleneck (B, w, H, W)."""
        x = self.conv1(x)
        if not self.pool:
            return x
        x = F.max_pool2d(x, 2)
        return with_zeros_on_top(x) if self.conv1.upward else x


class Decoder(nn.Module):
    """Upsample, join with the skip, then two convolutions."""

    def __init__(self, inputs: int, middle: int, outputs: int, *, upward: bool) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, middle, upward=upward)
        self.conv2 = Conv(middle, outputs, upward=upward)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, ., H / 2, W / 2) and (B, ., H, W) -> (B, outputs, H, W)."""
        output: Tensor = self.conv2(self.conv1.upsampled(x, skip))
        return output


class UNet(nn.Module):
    """U-Net with skips taken after the pools; its last skip is the input itself.

    Parameters
    ----------
    channels : int
        Input channels C.
    outputs : int
        Output channels.
    width : int
        Feature channels w; the decoders have 2 w.
    depth : int
        Number of pools, at least 2. The sides of the input are multiples of 2 ** depth.
    upward : bool
        Keep the receptive field in the rows at and above each pixel.
    """

    def __init__(
        self, channels: int, outputs: int, width: int = 48, depth: int = 5, upward: bool = False
    ) -> None:
        super().__init__()
        self.depth, self.upward = depth, upward
        w = width
        self.intro = Conv(channels, w, upward=upward)
        for level in range(1, depth + 2):
            encoder = Encoder(w, upward=upward, pool=level <= depth)
            self.add_module(f"enc{level}", encoder)
        for level in range(depth, 0, -1):
            inputs = 2 * w if level == depth else 3 * w if level > 1 else 2 * w + channels
            last = outputs if level == 1 else 2 * w
            self.add_module(f"dec{level}", Decoder(inputs, 2 * w, last, upward=upward))

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, outputs, H, W); with `upward`, with one row of zeros on top."""
        if torch.is_autocast_enabled(image.device.type):
            # The input is also the last skip; in float32 it would make the last join float32.
            image = image.to(torch.get_autocast_dtype(image.device.type))
        if self.upward:
            image = with_zeros_on_top(image)
        skips = [image]
        x = self.intro(image)
        for level in range(1, self.depth + 1):
            x = self.get_submodule(f"enc{level}")(x)
            skips.append(x)  # after the pool
        skips.pop()  # the deepest map is x itself, the input of the bottleneck
        x = self.get_submodule(f"enc{self.depth + 1}")(x)
        for level in range(self.depth, 0, -1):
            x = self.get_submodule(f"dec{level}")(x, skips.pop())
        output: Tensor = x
        return output


def initialise(network: nn.Module, last: nn.Module | None = None) -> None:
    """Kaiming normal weights, zero biases; linear gain for a last layer without activation."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nonlinearity = "linear" if module is last else "leaky_relu"
            nn.init.kaiming_normal_(module.weight, a=SLOPE, nonlinearity=nonlinearity)  # type: ignore[arg-type]
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
