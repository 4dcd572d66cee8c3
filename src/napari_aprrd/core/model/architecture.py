"""Which network a model has, and how large it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from ..config import Config
from ..method.networks import BlindSpotNetwork, PerChannel, Student, StudentSkipsBeforePools

Kind = Literal["blind-spot", "student-1.00M", "student-1.02M"]


class Architecture(Config):
    """Which network, and its size."""

    kind: Kind
    channels: Annotated[int, Field(ge=1, le=1024)]
    width: Annotated[int, Field(ge=1, le=512)]
    depth: Annotated[int, Field(ge=2, le=8)]
    separate: bool = False  # a network for each channel, not one for all

    def build(self) -> nn.Module:
        """Make the network with fresh weights from torch's current random state."""
        networks: dict[Kind, Callable[[int, int, int], nn.Module]] = {
            "blind-spot": BlindSpotNetwork,
            "student-1.00M": Student,
            "student-1.02M": StudentSkipsBeforePools,
        }
        make = networks[self.kind]
        if self.separate:
            network: nn.Module = PerChannel(
                make(1, self.width, self.depth) for _ in range(self.channels)
            )
        else:
            network = make(self.channels, self.width, self.depth)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @property
    def multiple(self) -> int:
        """The sides of the network's input are multiples of this, in pixels."""
        return 1 << self.depth

    @property
    def bytes_per_pixel(self) -> int:
        """Memory at the peak of denoising for each pixel of the input; measured, float32."""
        floats = 40 if self.kind == "blind-spot" else 8
        return 4 * floats * (self.width + self.channels)

    def halo(self, shifts: Sequence[int] = ()) -> int:
        """Bound of the receptive field's reach to any side at these shifts, in pixels."""
        # 3x3 convolutions reach stride pixels far: at strides 1, 2, 4 .. 2 ** depth one on
        # the way down (two at stride 1), two at each stride below 2 ** depth on the way up.
        # 2 ** depth more for the grid of the pools.
        reach = 5 * self.multiple - 2
        # Looking up, a convolution reaches twice as far, and each pool adds a row.
        return 2 * reach + max(shifts, default=0) if self.kind == "blind-spot" else reach


@dataclass(frozen=True)
class OwnArchitecture:
    """How to make a blind-spot network that is not one of this package's.

    The network is a `torch.nn.Module` with the two methods of `networks.BlindSpot`. Its teacher
    trains, distils and denoises like any other, but is not saved: opening a model file never runs
    foreign code. Its student is, as always.

    Parameters
    ----------
    make : callable
        Makes the network with fresh weights.
    channels : int
        Image channels C that it takes and gives.
    reach : callable
        How far it looks to any side at a shift, in pixels: tiles get that much context.
    multiple : int
        The sides of its input are multiples of this, in pixels.
    bytes_per_pixel : int
        Memory at the peak of denoising for each pixel of the input, for the size of the tiles.
    """

    make: Callable[[], nn.Module]
    channels: int
    reach: Callable[[int], int]
    multiple: int = 1
    bytes_per_pixel: int = 4096
    kind: Literal["blind-spot"] = "blind-spot"
    separate: Literal[False] = False

    def build(self) -> nn.Module:
        """Make the network with fresh weights from torch's current random state."""
        return self.make().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def halo(self, shifts: Sequence[int] = ()) -> int:
        """How far the outputs at these shifts look to any side, in pixels."""
        return max(map(self.reach, shifts), default=self.reach(1))
