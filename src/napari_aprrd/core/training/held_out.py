"""The held-out loss of a teacher: how badly it predicts pixels that it did not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..config import SettledTraining
from ..data.crops import Crops, CropSampler
from ..method.networks import BlindSpot
from ..method.norms import mean_norm
from ..noise.report import NoiseReport

# Pixels of the crops: enough to compare weights, a small part of the time.
HELD_OUT_PIXELS = 65_536


def held_out_crops(sampler: CropSampler, patch: int) -> list[Crops]:
    """Batches to watch for over-training, always the same."""
    batches = [sampler.draw()]
    pixels = batches[0].values.shape[0] * patch**2
    batches += [sampler.draw() for _ in range(HELD_OUT_PIXELS // pixels - 1)]
    return batches if any((b.held_out & b.valid).any() for b in batches) else []


def blind_spot_loss(
    batches: list[Crops], config: SettledTraining, noise: NoiseReport | None
) -> Callable[[nn.Module], float]:
    """How badly a network predicts pixels that it neither sees nor learnt from.

    The prediction is the mean over the shifts that are blind to the noise, which is closer to
    what a user gets than the training shift alone.
    """
    first = config.shift if noise is None else min(noise.reach + 1, config.shift)
    shifts = range(first, config.shift + 1)

    moved: list[Crops] = []

    def loss(network: nn.Module) -> float:
        if not moved:
            moved.extend(batch.to(network) for batch in batches)
        with torch.no_grad():
            losses = []
            for crops, outputs in zip(moved, _outputs(network, moved, shifts), strict=True):
                error = outputs - crops.values[:, : outputs.shape[1]]
                valid = crops.valid[:, : outputs.shape[1]]
                losses.append(mean_norm(error, config.loss, crops.held_out & valid))
            return float(torch.stack(losses).mean())

    return loss


def _outputs(network: nn.Module, batches: list[Crops], shifts: Sequence[int]) -> Iterable[Tensor]:
    """Mean output over shifts for each batch; on a GPU, for which they are small, all at once."""
    bsn, values = cast(BlindSpot, network), [batch.values for batch in batches]
    if values[0].device.type != "cuda":
        return (bsn.all_shifts(part, shifts).mean(1) for part in values)
    outputs = bsn.all_shifts(torch.cat(values), shifts).mean(1)
    return torch.split(outputs, [len(part) for part in values])
