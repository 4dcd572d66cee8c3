"""The networks that a model can have, and their sizes.

A new student is one more class in `method.networks` and one more entry of `NETWORKS` here; its name
goes into `NetworkKind` and into `config.StudentKind`, from which forms and options take their
choices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from torch import nn

from ..config import MOST_NEIGHBOURS, Config
from ..method.networks import BlindSpotNetwork, PerChannel
from ..method.students import Student, StudentSkipsBeforePools

NetworkKind = Literal["blind-spot", "student-1.00M", "student-1.02M"]


class NetworkFacts(NamedTuple):
    """Everything that the rest of the package needs to know about one network."""

    make: Callable[[int, int, int, int], nn.Module]  # from channels, width, depth, neighbours
    is_teacher: bool  # blind-spot networks take a shift, students do not
    # Peak memory of denoising, in float32 numbers for each pixel and feature. It only plans the
    # size of tiles, which are divided further where memory runs out all the same.
    floats: int
    mark: str  # name of a weight that published checkpoints of this network have, earlier ones not
    first: str  # name of the weight of the first convolution


NETWORKS: dict[NetworkKind, NetworkFacts] = {  # in the order in which checkpoints are recognised
    "blind-spot": NetworkFacts(
        BlindSpotNetwork, True, 40, mark="nin_A.weight", first="unet.intro.conv.weight"
    ),
    "student-1.00M": NetworkFacts(
        Student, False, 8, mark="unet.intro.conv.weight", first="unet.intro.conv.weight"
    ),
    "student-1.02M": NetworkFacts(
        StudentSkipsBeforePools, False, 8, mark="enc1.conv.weight", first="enc1.conv.weight"
    ),
}


class Architecture(Config):
    """The kind of network, and its size."""

    kind: NetworkKind
    channels: Annotated[int, Field(ge=1, le=1024)]
    width: Annotated[int, Field(ge=1, le=512)]
    depth: Annotated[int, Field(ge=2, le=8)]
    separate: bool = False  # one network for each channel instead of one for all
    neighbours: Annotated[int, Field(ge=0, le=MOST_NEIGHBOURS)] = 0  # planes on either side

    @model_serializer(mode="wrap")
    def _as_older_versions_read_it(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what a network without neighbours does not need."""
        fields: dict[str, Any] = dump(self)
        if not self.neighbours:
            del fields["neighbours"]
        return fields

    def build(self) -> nn.Module:
        """Make the network with fresh weights from torch's current random state."""
        make = NETWORKS[self.kind].make
        if self.separate:
            network: nn.Module = PerChannel(
                make(1, self.width, self.depth, self.neighbours) for _ in range(self.channels)
            )
        else:
            network = make(self.channels, self.width, self.depth, self.neighbours)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    @property
    def multiple(self) -> int:
        """The sides of the network's input are multiples of this, in pixels."""
        return 1 << self.depth

    @property
    def bytes_per_pixel(self) -> int:
        """Peak memory of denoising for each pixel of the input, in float32."""
        inputs = (2 * self.neighbours + 1) * self.channels
        return 4 * NETWORKS[self.kind].floats * (self.width + inputs)

    def halo(self, shifts: Sequence[int] = ()) -> int:
        """Upper bound of the receptive field's reach to any side at these shifts, in pixels."""
        # A 3x3 convolution reaches as many pixels as its stride: at strides 1, 2, 4 .. 2 ** depth
        # there is one on the way down (two at stride 1), and at each stride below 2 ** depth there
        # are two on the way up. The grid of the pools adds up to 2 ** depth.
        reach = 5 * self.multiple - 2
        if not NETWORKS[self.kind].is_teacher:
            return reach
        # An upward convolution reaches twice as far, and each pool adds a row.
        return 2 * reach + max(shifts, default=0)


@dataclass(frozen=True)
class OwnArchitecture:
    """A blind-spot network that is defined outside this package.

    The network is a `torch.nn.Module` with the two methods of `networks.BlindSpot`. Its teacher
    trains, distils and denoises like any other. It cannot be saved, because opening a model file
    never runs foreign code; its student can.

    Parameters
    ----------
    make : callable
        Makes the network with fresh weights.
    channels : int
        Image channels C that it takes and gives.
    reach : callable
        Reach of its receptive field at a shift, in pixels; tiles get that much context.
    multiple : int
        The sides of its input are multiples of this, in pixels.
    bytes_per_pixel : int
        Peak memory of denoising for each pixel of the input, for planning the size of tiles.
    """

    make: Callable[[], nn.Module]
    channels: int
    reach: Callable[[int], int]
    multiple: int = 1
    bytes_per_pixel: int = 4096
    kind: Literal["blind-spot"] = "blind-spot"
    separate: Literal[False] = False
    neighbours: Literal[0] = 0

    def build(self) -> nn.Module:
        """Make the network with fresh weights from torch's current random state."""
        return self.make().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def halo(self, shifts: Sequence[int] = ()) -> int:
        """Reach of the receptive field at these shifts to any side, in pixels."""
        return max(map(self.reach, shifts), default=self.reach(1))
