"""Minimising a loss over a schedule: learning rate, averaged weights, what is held out."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .config import DistillConfig, TrainConfig
from .denoiser import Denoiser
from .errors import UserError
from .precision import autocast, pick_precision
from .progress import STOP, Clock, Progress, Signal, report
from .team import ALONE, Team

LOOK_EVERY = 0.05  # of the schedule: how often the held-out loss is computed
PATIENCE = 8  # looks without a gain, after which training stops

Loss = Callable[[nn.Module], Tensor]


def optimise(
    stage: str,
    denoiser: Denoiser,
    loss: Loss,
    held_out_loss: Callable[[nn.Module], float] | None,
    config: TrainConfig | DistillConfig,
    clock: Clock,
    team: Team = ALONE,
) -> Generator[Progress, Signal | None, dict[str, Any]]:
    """Minimise the loss; the denoiser gets the averaged weights.

    Parameters
    ----------
    stage : str
        For the reports.
    denoiser : Denoiser
        Its network is the start, and follows as the running average.
    loss : callable
        Draws a batch and computes the loss of a network, with gradient.
    held_out_loss : callable or None
        Loss of a network on pixels that it did not learn from, always the same ones.
    config : TrainConfig or DistillConfig
    clock : Clock
    team : Team
        Processes that each compute the loss of a part of the batch.

    Returns
    -------
    dict
        Steps, seconds, whether it was stopped, the step of the weights that were kept.
    """
    network = copy.deepcopy(denoiser.network)
    optimizer = torch.optim.Adam(network.parameters(), betas=(0.9, 0.999), fused=True)
    device = next(network.parameters()).device
    mixed = autocast(device, pick_precision(device, config.precision))
    budget = config.minutes * 60 if config.minutes else None
    best = _Best()
    step, fraction, next_look, recent = 0, 0.0, LOOK_EVERY, []
    while fraction < 1:
        # The middle of the step to come; a budget's step has no known length.
        middle = fraction + (0.5 / config.steps if budget is None else 0.0)
        optimizer.param_groups[0]["lr"] = learning_rate(config, middle)
        optimizer.zero_grad(set_to_none=True)
        with mixed:
            value = loss(network)
        value.backward()  # type: ignore[no-untyped-call]
        team.average(network.parameters())
        optimizer.step()
        recent.append(value.detach())
        step += 1
        before = fraction
        fraction = step / config.steps if budget is None else clock.seconds / budget
        fraction, due = team.agree(fraction, clock.report_due())
        _follow(denoiser.network, network, _share_of_new(config, fraction - before, step))
        look = held_out_loss is not None and (fraction > next_look - 1e-9 or fraction >= 1)
        if look and held_out_loss is not None:
            next_look += LOOK_EVERY * math.ceil((fraction - next_look + 1e-9) / LOOK_EVERY)
            with mixed:
                held_out = held_out_loss(denoiser.network)
            best.take(held_out, step, denoiser.network)
        if not (look or due or fraction >= 1):
            continue
        mean_loss = float(team.mean(torch.stack(recent).mean()))
        if not math.isfinite(mean_loss):
            raise UserError(
                "The loss is no longer a number; train again with a lower learning rate."
            )
        recent.clear()
        total = max(step, round(step / fraction)) if budget else config.steps
        progress = Progress(
            stage,
            step,
            total,
            clock.seconds,
            mean_loss,
            held_out=best.latest if look else None,
            note=best.note if look else "",
            snapshot=denoiser.copy,
        )
        answer = yield from report(progress, clock)
        (stopped,) = team.agree(answer is STOP)
        if stopped or best.note:
            break
    best.restore(denoiser.network)
    return {
        "steps": step,
        "stopped": fraction < 1 and not best.note,
        "best_step": best.step if best.over_trained else step,
        "seconds": round(clock.seconds, 1),
    }


def learning_rate(config: TrainConfig | DistillConfig, fraction: float) -> float:
    """Linear warm-up, then half a cosine down to 0; `fraction` of the schedule is done."""
    if fraction < config.warmup:
        return config.learning_rate * fraction / config.warmup
    falling = (fraction - config.warmup) / (1 - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(falling, 1.0)))


def _share_of_new(config: TrainConfig | DistillConfig, fraction: float, step: int) -> float:
    """How far the average moves to the newest weights, after a step of the schedule."""
    if config.average == 0:
        return 1.0
    return max(1 - math.exp(-fraction / config.average), 1 / step)


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, share: float) -> None:
    for mean, newest in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(newest, share)


@dataclass
class _Best:
    """The weights with the lowest held-out loss so far."""

    tolerance: float = (
        0.01  # of the loss: the mean over shifts gains a little longer than one shift
    )
    latest: float | None = None
    lowest: float = math.inf
    step: int = 0
    note: str = ""
    _looks_since: int = 0
    _weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def over_trained(self) -> bool:
        """True when the latest weights predict what was held out worse than the best did."""
        return self.latest is not None and self.latest > self.lowest * (1 + self.tolerance)

    def take(self, loss: float, step: int, network: nn.Module) -> None:
        """Look at new weights."""
        self.latest = loss
        self._looks_since += 1
        if loss < self.lowest:
            self.lowest, self.step, self._looks_since = loss, step, 0
            self._weights = {k: v.detach().clone() for k, v in network.state_dict().items()}
        elif self.over_trained and self._looks_since >= PATIENCE:
            self.note = f"Nothing more was gained since step {self.step}: its weights are kept."

    def restore(self, network: nn.Module) -> None:
        """Go back to the best weights, if the latest are worse."""
        if self.over_trained:
            network.load_state_dict(self._weights)
