"""Gradients of a batch, part by part where memory is short."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from .objective import Batch
from .state import State


def gradients(state: State, batch: Batch, mixed: AbstractContextManager[Any]) -> Tensor:
    """Gradients of the mean loss over a batch, summed part by part; returns the loss."""
    state.optimizer.zero_grad(set_to_none=True)
    pixels = batch.mask.sum().clamp(min=1)
    losses = []
    for part in batch.parts(state.parts):
        # A tensor, since a number would have to wait for a GPU; exactly 1 where there is one part.
        share = part.mask.sum() / pixels
        with mixed:
            loss = state.objective.loss(state.network, part) * share
        state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    return torch.stack(losses).sum()
