"""What a network learns: batches, their loss, and the chance behind them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..data.crops import CropSampler
from .processes import ALONE, Team


class Batch(NamedTuple):
    """Crops as they were drawn, on the CPU; the first axis of all is the crop."""

    values: Tensor  # (B, ...), float32, normalised
    learnt: Tensor  # (B, C, H, W), bool: the pixels to learn from
    chance: Tensor  # (B, ...): what else was drawn for each crop; (B, 0) for nothing

    def parts(self, count: int) -> list[Batch]:
        """The batch in parts that need less memory; never more parts than crops."""
        return [Batch(*part) for part in zip(*(t.chunk(count) for t in self), strict=True)]

    def to(self, network: nn.Module) -> Batch:
        """Move to the device of a network."""
        device = next(network.parameters()).device
        values, *others = (part.to(device, non_blocking=True) for part in self)
        return Batch(values.contiguous(memory_format=torch.channels_last), *others)


class Lesson:
    """Draws batches and computes their loss.

    Parameters
    ----------
    sampler : CropSampler
    seed : int
        Of what is drawn besides crops.
    team : Team
        Processes that each compute the loss of a part of the batch.

    Attributes
    ----------
    held_out_loss : callable or None
        Loss of a network on pixels that it did not learn from, always the same ones.
    enough : float
        Steps that a time budget pays for at most: more would learn the noise by heart.
    """

    stage: str  # for the reports

    def __init__(self, sampler: CropSampler, seed: int, team: Team = ALONE) -> None:
        self.sampler, self.team = sampler, team
        self.generator = torch.Generator().manual_seed(seed)
        self.held_out_loss: Callable[[nn.Module], float] | None = None
        self.enough = math.inf

    def draw(self) -> Batch:
        """The next batch; all that is random happens here."""
        raise NotImplementedError

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean loss over the pixels to learn from, with gradient."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Where chance stands, as JSON types: the same state gives the same batches."""
        generator = self.generator.get_state().numpy().tobytes().hex()
        return {"sampler": self.sampler.state(), "generator": generator}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.sampler.restore(state["sampler"])
        chance = bytearray.fromhex(state["generator"])
        self.generator.set_state(torch.frombuffer(chance, dtype=torch.uint8))
