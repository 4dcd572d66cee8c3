"""Random bits that any device computes alike: a hash of a seed and of where they are used.

Generators of a GPU would need a state of their own in every checkpoint, and inside a captured graph
they need care. Here a seed, drawn on the CPU, is all that a step needs.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Constants of splitmix64; PyTorch's 64-bit integers are signed, and their products wrap around.
_STEP, _FIRST, _SECOND = (
    constant - (1 << 64) if constant >> 63 else constant
    for constant in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
HALF = 32  # bits: each half of a number is enough to draw from a few hundred values


def random_bits(seed: Tensor, count: int) -> Tensor:
    """Independent numbers of 64 random bits each, (count,), int64.

    Parameters
    ----------
    seed : Tensor, scalar
        A whole number; where it is decides the device.
    count : int
    """
    at = torch.arange(1, count + 1, device=seed.device)
    return _mixed(_mixed(seed.long() + _STEP) + at * _STEP)


def below(bound: int, bits: Tensor) -> Tensor:
    """Whole numbers from 0 to bound - 1, of numbers from 0 to 2 ** 32 - 1."""
    return (bits * bound) >> HALF


def halves(bits: Tensor) -> tuple[Tensor, Tensor]:
    """Two independent numbers from 0 to 2 ** 32 - 1 of each number of 64 bits."""
    return _shifted(bits, HALF), bits & ((1 << HALF) - 1)


def _mixed(bits: Tensor) -> Tensor:
    """The finaliser of splitmix64."""
    bits = (bits ^ _shifted(bits, 30)) * _FIRST
    bits = (bits ^ _shifted(bits, 27)) * _SECOND
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Shift to the right, with zeros from the left."""
    return (bits >> by) & ((1 << (64 - by)) - 1)
