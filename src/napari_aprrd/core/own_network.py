"""A blind-spot network of the user's own: what APR and RD have to know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


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
