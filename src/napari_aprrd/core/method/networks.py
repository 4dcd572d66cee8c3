"""The blind-spot network, whose shift may change after training.

Blind spot by shifting: S. Chen et al., "Exploring Efficient Asymmetric Blind-Spots for
Self-Supervised Denoising in Real-World Scenarios" (AT-BSN), CVPR 2024. Parameter names are
those of the published checkpoints, so that these load as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .unet import SLOPE, UNet, initialise
from .upward import unrotate

Target = tuple[int, bool]  # an output of a teacher: its shift, and whether it sees the neighbours


class BlindSpot(Protocol):
    """Interface that APR and RD need from a blind-spot network: a module with these two methods.

    At shift s a pixel of the output must not depend on the (2s - 1) x (2s - 1) pixels around it;
    at shift 0 it may depend on all. See examples/custom_bsn.py for one that is not AT-BSN. Where
    an image has more channels than the network gives, those of neighbouring planes follow its own.
    """

    def __call__(self, image: Tensor, shift: int) -> Tensor:
        """`forward`: denoise (B, C, H, W) with one blind spot."""

    def all_shifts(self, image: Tensor, shifts: Iterable[int]) -> Tensor:
        """Denoise with several: (B, C, H, W) -> (B, j, C, H, W)."""


class BlindSpotNetwork(nn.Module):
    """AT-BSN: at shift s a pixel's output is blind to the (2s - 1) x (2s - 1) window around it.

    The U-Net sees the image in four rotations, in each of them only the rows at and above a
    pixel. Its features are shifted down by s rows, rotated back, and joined by 1x1 convolutions.
    Shift 1 hides just the pixel itself, shift 0 hides nothing. Only the shift and the 1x1
    convolutions depend on s.

    Neighbouring planes of a stack, whose noise is independent, need no blind spot: they pass
    through a `NeighbourBranch`, which joins in front of the 1x1 convolutions.

    Parameters
    ----------
    channels : int
        Image channels C.
    width, depth : int
        Size of the U-Net. The published network has 48 and 5: 1,268,547 parameters for C = 3.
    neighbours : int
        Neighbouring planes k on either side; 0 as published.
    """

    def __init__(
        self, channels: int = 1, width: int = 48, depth: int = 5, neighbours: int = 0
    ) -> None:
        super().__init__()
        w = width
        self.channels = channels
        self.unet = UNet(channels, 2 * w, w, depth, upward=True)
        self.nin_A = nn.Conv2d(8 * w, 8 * w, 1)
        self.nin_B = nn.Conv2d(8 * w, 2 * w, 1)
        self.nin_C = nn.Conv2d(2 * w, channels, 1)
        initialise(self, last=self.nin_C)
        if neighbours:
            self.beside = NeighbourBranch(2 * neighbours * channels, 8 * w, w // 2, depth)

    def forward(self, image: Tensor, shift: int) -> Tensor:
        """Denoise (B, C, H, W) with one blind spot; sides are multiples of 2 ** depth.

        With neighbours the image is (B, (2 k + 1) C, H, W), its own channels first; without them
        (or where they are zeros throughout) it is denoised alone.
        """
        centre, beside = self._split(image)
        return self._at(self._features(centre, shift), centre, shift, beside)

    def all_shifts(self, image: Tensor, shifts: Iterable[int]) -> Tensor:
        """Targets T = {f_s(y)} from one U-Net pass: (B, C, H, W) -> (B, j, C, H, W)."""
        return self.targets(image, [(shift, True) for shift in shifts])

    def targets(self, image: Tensor, targets: Sequence[Target]) -> Tensor:
        """The same over shifts, each with the image's neighbours or without: T of a stack."""
        centre, beside = self._split(image)
        features = self._features(centre, min(shift for shift, _ in targets))
        outputs = [
            self._at(features, centre, shift, beside if with_neighbours else None)
            for shift, with_neighbours in targets
        ]
        return torch.stack(outputs, dim=1)

    def among(self, neighbours: Tensor) -> Callable[[Tensor, int], Tensor]:
        """The network (image, shift) -> output for several images amid the same neighbours.

        (B, 2 k C, H, W): they pass through their branch once.
        """
        beside = self.beside(neighbours)
        return lambda image, shift: self._at(self._features(image, shift), image, shift, beside)

    def _split(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """The image without its neighbours, and what these contribute; None where it is alone."""
        if image.shape[1] == self.channels:
            return image, None
        centre, planes = image[:, : self.channels], image[:, self.channels :]
        return centre, self.beside(planes)

    def _features(self, image: Tensor, shift: int) -> list[Tensor]:
        """U-Net features of the image rotated clockwise by 0, 90, 180, 270 degrees.

        The last rows of each, which the shift moves out of the image, are left out: no other row
        depends on them, since the U-Net only sees rows at and above a pixel.
        """
        rotated = [torch.rot90(image, -r, (2, 3)) for r in range(4)]
        rotated = [t[:, :, : max(t.shape[2] - shift, 1)] for t in rotated]
        if image.shape[2] == image.shape[3]:
            return [self._unet(rotated)]
        upright, sideways = (self._unet(rotated[start::2]).chunk(2) for start in (0, 1))
        return [upright[0], sideways[0], upright[1], sideways[1]]

    def _unet(self, rotated: list[Tensor]) -> Tensor:
        output: Tensor = self.unet(torch.cat(rotated).contiguous(memory_format=torch.channels_last))
        return output

    def _at(
        self, features: list[Tensor], image: Tensor, shift: int, beside: Tensor | None
    ) -> Tensor:
        """Join the features at one shift, and what the neighbours contribute."""
        size = (image.shape[2], image.shape[3])
        x = self.nin_A(unrotate(features, size, shift))
        x = F.leaky_relu_(x if beside is None else x + beside, SLOPE)
        output: Tensor = self.nin_C(F.leaky_relu_(self.nin_B(x), SLOPE))
        return output


class NeighbourBranch(nn.Module):
    """What neighbouring planes contribute to the blind-spot network; it sees them whole.

    At first it contributes nothing: a network with neighbours starts as one without.

    Parameters
    ----------
    channels : int
        Channels of all neighbours together.
    outputs : int
        Features that it is added to.
    width, depth : int
        Size of its U-Net.
    """

    def __init__(self, channels: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.unet = UNet(channels, 2 * width, width, depth)
        self.join = nn.Conv2d(2 * width, outputs, 1, bias=False)
        initialise(self.unet)
        # Zeros only here: were the U-Net zero as well, neither would get a gradient.
        nn.init.zeros_(self.join.weight)

    def forward(self, planes: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, outputs, H, W); zeros for images without neighbours."""
        there = (planes != 0).flatten(1).any(dim=1)
        planes = planes.contiguous(memory_format=torch.channels_last)
        joined: Tensor = self.join(self.unet(planes))
        return joined * there[:, None, None, None]


class PerChannel(nn.Module):
    """A separate network for each channel.

    Parameters
    ----------
    networks : iterable of Module
        Blind-spot networks or students of one channel.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, image: Tensor, *shift: int) -> Tensor:
        """Denoise (B, C, H, W), one channel after the other, each with its own neighbours."""
        channels = zip(self.networks, self._split(image), strict=True)
        return torch.cat([network(channel, *shift) for network, channel in channels], dim=1)

    def all_shifts(self, image: Tensor, shifts: Iterable[int]) -> Tensor:
        """Targets T as in `BlindSpotNetwork`: (B, C, H, W) -> (B, j, C, H, W)."""
        return self.targets(image, [(shift, True) for shift in shifts])

    def targets(self, image: Tensor, targets: Sequence[Target]) -> Tensor:
        """Targets T over shifts, with neighbours or without, as in `BlindSpotNetwork`."""
        channels = zip(self.networks, self._split(image), strict=True)
        outputs = [network.targets(channel, targets) for network, channel in channels]  # type: ignore[operator]
        return torch.cat(outputs, dim=2)

    def among(self, neighbours: Tensor) -> Callable[[Tensor, int], Tensor]:
        """The networks for several images amid the same neighbours, as in `BlindSpotNetwork`."""
        pairs = zip(self.networks, self._split(neighbours), strict=True)
        networks = [network.among(channel) for network, channel in pairs]  # type: ignore[operator]
        return lambda image, shift: torch.cat(
            [one(image[:, [channel]], shift) for channel, one in enumerate(networks)], dim=1
        )

    def _split(self, image: Tensor) -> list[Tensor]:
        """Every channel of the image and of its neighbours: C tensors (B, 2 k + 1, H, W)."""
        count = len(self.networks)
        return [image[:, channel::count] for channel in range(count)]
