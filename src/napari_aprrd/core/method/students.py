"""Students: plain U-Nets without a blind spot, in the two published sizes."""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from .unet import Conv, UNet, initialise


class Student(nn.Module):
    """Student C, published size 1.00M: the U-Net without shifts and rotations.

    With `neighbours` k, its input is (B, (2 k + 1) C, H, W), the image's own channels first.
    """

    def __init__(
        self, channels: int = 1, width: int = 48, depth: int = 5, neighbours: int = 0
    ) -> None:
        super().__init__()
        self.inputs = (2 * neighbours + 1) * channels
        self.unet = UNet(self.inputs, channels, width, depth)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """Denoise (B, C, H, W); sides are multiples of 2 ** depth."""
        output: Tensor = self.unet(with_neighbours_missing(image, self.inputs))
        return output


class StudentSkipsBeforePools(nn.Module):
    """Student C, published size 1.02M: skips taken before the pools, linear last layer.

    Neighbours are as in `Student`.
    """

    def __init__(
        self, channels: int = 1, width: int = 48, depth: int = 5, neighbours: int = 0
    ) -> None:
        super().__init__()
        self.depth = depth
        self.inputs = (2 * neighbours + 1) * channels
        w = width
        for level in range(1, depth + 2):
            self.add_module(f"enc{level}", Conv(self.inputs if level == 1 else w, w))
        for level in range(depth, 0, -1):
            inputs = 2 * w if level == depth else 3 * w
            self.add_module(f"dec{level}_2", Conv(inputs, 2 * w))
            last = Conv(2 * w, 2 * w) if level > 1 else nn.Conv2d(2 * w, channels, 3, padding=1)
            self.add_module(f"dec{level}_1", last)
        initialise(self, last=self.get_submodule("dec1_1"))

    def forward(self, image: Tensor) -> Tensor:
        """Denoise (B, C, H, W); sides are multiples of 2 ** depth."""
        x, skips = with_neighbours_missing(image, self.inputs), []
        for level in range(1, self.depth + 1):
            x = self.get_submodule(f"enc{level}")(x)
            skips.append(x)  # before the pool
            x = F.max_pool2d(x, 2)
        x = self.get_submodule(f"enc{self.depth + 1}")(x)
        for level in range(self.depth, 0, -1):
            x = cast(Conv, self.get_submodule(f"dec{level}_2")).upsampled(x, skips.pop())
            x = self.get_submodule(f"dec{level}_1")(x)
        output: Tensor = x
        return output


def with_neighbours_missing(image: Tensor, channels: int) -> Tensor:
    """The image with zeros for neighbours that it lacks: (B, channels, H, W)."""
    lacking = channels - image.shape[1]
    return F.pad(image, (0, 0, 0, 0, 0, lacking)) if lacking else image
