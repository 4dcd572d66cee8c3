"""Base class of the training objectives: draws batches and computes their loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..data.crops import CropSampler
from .processes import SINGLE, Processes


class Batch(NamedTuple):
    """Crops and what was drawn with them, on the CPU; the first axis of each is the crop."""

    values: Tensor  # (B, ...), float32, normalised
    mask: Tensor  # (B, C, H, W), bool: the pixels to learn from
    draws: Tensor  # (B, ...): other random draws for each crop; (B, 0) for none

    def parts(self, count: int) -> list[Batch]:
        """The batch in parts that need less memory; never more parts than crops."""
        return [Batch(*part) for part in zip(*(t.chunk(count) for t in self), strict=True)]

    def to(self, network: nn.Module) -> Batch:
        """Move to the device of a network."""
        device = next(network.parameters()).device
        values, *others = (part.to(device, non_blocking=True) for part in self)
        return Batch(values.contiguous(memory_format=torch.channels_last), *others)


class Objective:
    """Draws batches, computes their loss and owns the random state behind them.

    Parameters
    ----------
    sampler : CropSampler
    seed : int
        Seed of the random draws besides crops.
    processes : Processes
        Processes that each compute the loss of a part of the batch.

    Attributes
    ----------
    held_out_loss : callable or None
        Loss of a network on pixels that it did not learn from, always the same ones.
    max_steps : float
        Upper limit on steps within a time budget, to prevent overfitting.
    """

    stage: str  # for the reports

    def __init__(self, sampler: CropSampler, seed: int, processes: Processes = SINGLE) -> None:
        self.sampler, self.processes = sampler, processes
        self.generator = torch.Generator().manual_seed(seed)
        self.held_out_loss: Callable[[nn.Module], float] | None = None
        self.max_steps = math.inf

    def draw(self) -> Batch:
        """The next batch; everything random happens here."""
        raise NotImplementedError

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean loss over the pixels to learn from, with gradient."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """The random state, as JSON types: the same state gives the same batches."""
        generator = self.generator.get_state().numpy().tobytes().hex()
        return {"sampler": self.sampler.state(), "generator": generator}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a random state."""
        self.sampler.restore(state["sampler"])
        generator = bytearray.fromhex(state["generator"])
        self.generator.set_state(torch.frombuffer(generator, dtype=torch.uint8))
