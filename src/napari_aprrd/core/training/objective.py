"""Base class of the training objectives: draws batches and computes their loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..config import SettledDistillation, SettledTraining
from ..data.crops import Crops, CropSampler
from ..data.feed import Feed, Recipe
from ..data.resident import feed_for
from .processes import SINGLE, Processes

_SEEDS = 1 << 52  # of the draws on a GPU: whole numbers that a float64 holds
# Pixels that crops show in a minute on a GPU, at least; chosen.
_SHOWN_IN_MINUTE = 100e6


class Batch(NamedTuple):
    """Crops and what was drawn with them; the first axis of each is the crop."""

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


def pixels_shown(config: SettledTraining | SettledDistillation) -> float:
    """Pixels that the crops of a training are going to show, about."""
    if config.steps is not None:
        return config.steps * config.batch * config.patch**2
    return math.inf if config.minutes is None else _SHOWN_IN_MINUTE * config.minutes


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
    shown : float
        Pixels that all crops of the training are going to show, about.
    feed : Feed or None
        Where batches are made on a GPU: the source of their crops, in place of the sampler.
    """

    stage: str  # for the reports
    # Whether batches can be made on a GPU, and their loss needs nothing that the CPU computes.
    on_device = False

    def __init__(self, sampler: CropSampler, seed: int, processes: Processes = SINGLE) -> None:
        self.sampler, self.processes = sampler, processes
        self.generator = torch.Generator().manual_seed(seed)
        self.held_out_loss: Callable[[nn.Module], float] | None = None
        self.max_steps = self.shown = math.inf
        self.feed: Feed | None = None

    def draw(self) -> Batch:
        """The next batch; everything random happens here."""
        raise NotImplementedError

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean loss over the pixels to learn from, with gradient."""
        raise NotImplementedError

    def feed_from(self, device: torch.device, free: float) -> None:
        """From now on make batches on a device, whose planes may take so many bytes there."""
        self.feed = feed_for(self.sampler, device, free=free, shown=self.shown)

    def draw_recipe(self) -> Recipe:
        """What the next batch is made of; everything random happens here, on the CPU."""
        assert self.feed is not None
        recipe = self.feed.draw()
        kind = self.draw_kind()
        seed = int(torch.randint(_SEEDS, (), generator=self.generator))
        return Recipe((recipe.kind, kind), np.append(recipe.numbers, seed), recipe.tensors)

    def make(self, numbers: Tensor, tensors: tuple[Tensor, ...]) -> Batch:
        """The batch of the latest recipe, whose numbers and tensors are on the device by now."""
        assert self.feed is not None
        return self.batch_of(self.feed.crops(numbers[:-1], tensors), numbers[-1])

    def draw_kind(self) -> Hashable:
        """Draw what decides which operations the loss of the next batch takes."""
        return None

    def batch_of(self, crops: Crops, seed: Tensor) -> Batch:
        """A batch of crops on the device, and of what a seed draws there."""
        raise NotImplementedError

    @property
    def waited(self) -> float:
        """Seconds in which training waited for the source of the crops."""
        return (self.feed or self.sampler).waited

    def state(self) -> dict[str, Any]:
        """The random state, as JSON types: the same state gives the same batches."""
        generator = self.generator.get_state().numpy().tobytes().hex()
        return {"sampler": (self.feed or self.sampler).state(), "generator": generator}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a random state."""
        (self.feed or self.sampler).restore(state["sampler"])
        generator = bytearray.fromhex(state["generator"])
        self.generator.set_state(torch.frombuffer(generator, dtype=torch.uint8))
