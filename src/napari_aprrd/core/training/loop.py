"""The training loop: minimises an objective over a schedule of steps or minutes."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..config import SettledDistillation, SettledTraining
from ..jobs import STOP, Clock, Progress, Signal, Tell, report
from ..model.denoiser import Denoiser
from ..model.hardware import autocast, gradient_scaler, is_out_of_memory, pick_precision
from . import budget
from .checkpoint import Checkpoint
from .objective import Batch, Objective
from .state import EVALUATE_EVERY, State
from .threads import Threads

Settled = SettledTraining | SettledDistillation
_ROUNDING = 1e-9  # of the schedule: sums of fractions such as 0.05 are not exact


def optimise(
    denoiser: Denoiser,
    objective: Objective,
    config: Settled,
    clock: Clock,
    checkpoint: Checkpoint,
) -> Generator[Progress, Signal | None, dict[str, Any]]:
    """Minimise an objective; the denoiser gets the averaged weights.

    Parameters
    ----------
    denoiser : Denoiser
        Its network holds the initial weights, and the running average from then on.
    objective : Objective
        Draws batches and computes their loss.
    config : SettledTraining or SettledDistillation
    clock : Clock
    checkpoint : Checkpoint
        Holds the state to resume from, if there is one, and gets the state every few seconds.

    Returns
    -------
    dict
        Steps, seconds, whether it was stopped, the step of the weights that were kept.
    """
    device = next(denoiser.network.parameters()).device
    precision = pick_precision(device, config.precision, blind_spot=denoiser.is_teacher)
    mixed = autocast(device, precision)
    state = State.fresh(denoiser.network, objective, gradient_scaler(device, precision))
    threads = _threads(config, device, objective)
    messages: list[str] = []  # what the user hears with the next report
    tell = messages.append
    checkpoint.begin(state, clock, tell)
    try:
        while not state.ended:
            # 1. Set the learning rate.
            _set_rate(state, config)

            # 2. Step: learn from one batch; the average follows.
            started = clock.seconds
            _step(state, mixed, tell)
            threads.observe(clock.seconds - started)
            due = _advance(state, config, clock, checkpoint)

            # 3. Evaluate and keep, where either is due.
            evaluated = _evaluation_is_due(state)
            if evaluated:
                evaluate_held_out(state, mixed)
            if not (evaluated or due.report or due.checkpoint or messages or state.ended):
                continue
            keep = due.checkpoint or state.ended
            mean_loss = _mean_loss(state)
            if not math.isfinite(mean_loss) or (keep and not state.is_finite()):
                state.roll_back(checkpoint.snapshot, tell)
                continue
            if keep:
                checkpoint.keep(denoiser, state, clock, tell)

            # 4. Report, and hear whether to stop.
            _tell_of_early_end(state, config, tell)
            progress = _progress(state, denoiser, clock, mean_loss, " ".join(messages), evaluated)
            messages.clear()
            answer = yield from report(progress, clock)
            (stopped,) = objective.processes.broadcast(answer is STOP)
            if stopped:
                checkpoint.keep(denoiser, state, clock, tell)
                break
    except GeneratorExit:  # The job was cancelled, or its window was closed.
        checkpoint.keep(denoiser, state, clock, tell)
        raise
    finally:
        threads.restore()
    state.best.restore(denoiser.network)
    return {
        "steps": state.step,
        "stopped": not state.ended,
        "best_step": state.best.step if state.best.over_trained else state.step,
        "seconds": round(clock.seconds, 1),
    }


def _threads(config: Settled, device: torch.device, objective: Objective) -> Threads:
    """Runs with a fixed step count must be reproducible, so only timed runs change threads."""
    timed = config.minutes is not None
    return Threads(
        may_change=timed and device.type == "cpu" and objective.processes.size == 1,
    )


def _set_rate(state: State, config: Settled) -> None:
    """Set the learning rate of the next step; each roll-back has halved it."""
    # In the middle of the step to come; in a time budget, a step has no known length.
    middle = state.fraction + (0.5 / config.steps if config.steps else 0.0)
    rate = learning_rate(config, middle) * 0.5**state.rollbacks
    state.optimizer.param_groups[0]["lr"] = rate


def learning_rate(config: Settled, fraction: float) -> float:
    """Linear warm-up, then half a cosine down to 0; `fraction` of the schedule is done."""
    if fraction < config.warmup:
        return config.learning_rate * fraction / config.warmup
    falling = (fraction - config.warmup) / (1 - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(falling, 1.0)))


def _step(state: State, mixed: AbstractContextManager[Any], tell: Tell) -> None:
    """One step of the optimizer, in smaller parts if memory runs out."""
    batch = state.objective.draw()
    while True:
        try:
            loss = _gradients(state, batch, mixed)
            break
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Not inside the handler, where the error still holds the memory of the failed try.
        state.split(len(batch.values), tell)
    state.recent.append(loss)
    state.objective.processes.average(state.network.parameters())
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.step += 1


def _gradients(state: State, batch: Batch, mixed: AbstractContextManager[Any]) -> Tensor:
    """Gradients of the mean loss over a batch, summed part by part; returns the loss."""
    state.optimizer.zero_grad(set_to_none=True)
    pixels = batch.mask.sum().clamp(min=1)
    losses = []
    for part in batch.parts(state.parts):
        share = float(part.mask.sum() / pixels)  # exactly 1 where there is one part
        with mixed:
            loss = state.objective.loss(state.network, part) * share
        state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    return torch.stack(losses).sum()


class _Due(NamedTuple):
    """What all processes do after a step."""

    report: bool
    checkpoint: bool


def _advance(state: State, config: Settled, clock: Clock, checkpoint: Checkpoint) -> _Due:
    """Move on in the schedule, and the average with it; the first process decides what is due."""
    before = state.fraction
    if config.steps:
        done = state.step / config.steps
    else:
        done = max(clock.spent / budget.LEARNING, state.step / state.objective.max_steps)
    decided = state.objective.processes.broadcast(
        done, clock.report_due(), checkpoint.is_due(clock)
    )
    state.fraction, report_due, checkpoint_due = decided
    share = _share_of_new(config, done - before, state.step)
    _follow(state.average, state.network, share)
    return _Due(report_due, checkpoint_due)


def _share_of_new(config: Settled, fraction: float, step: int) -> float:
    """How far the average moves to the newest weights, after a step of the schedule."""
    if config.average == 0:
        return 1.0
    return max(1 - math.exp(-fraction / config.average), 1 / step)


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move the average to the newest weights by a share of the way."""
    for mean, newest in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(newest, share)


def _evaluation_is_due(state: State) -> bool:
    """True at regular parts of the schedule and at its end, if pixels are held out at all."""
    if state.objective.held_out_loss is None:
        return False
    return state.fraction > state.next_evaluation - _ROUNDING or state.fraction >= 1


def evaluate_held_out(state: State, mixed: AbstractContextManager[Any]) -> None:
    """Compute the held-out loss of the average, and set when it is due next."""
    assert state.objective.held_out_loss is not None
    behind = state.fraction - state.next_evaluation + _ROUNDING
    state.next_evaluation += EVALUATE_EVERY * math.ceil(behind / EVALUATE_EVERY)
    with mixed:
        loss = state.objective.held_out_loss(state.average)
    state.best.update(loss, state.step, state.average)


def _mean_loss(state: State) -> float:
    """Mean loss since the last report, over all processes."""
    mean = state.objective.processes.mean(torch.stack(state.recent).mean())
    state.recent.clear()
    return float(mean)


def _tell_of_early_end(state: State, config: Settled, tell: Tell) -> None:
    """Say why training ends before its schedule does, if so."""
    if state.best.note:
        tell(state.best.note)
    if config.minutes and state.step >= state.objective.max_steps:
        tell("Nothing more to learn: ended early.")


def _progress(
    state: State, denoiser: Denoiser, clock: Clock, loss: float, note: str, evaluated: bool
) -> Progress:
    return Progress(
        state.objective.stage,
        state.step,
        max(state.step, round(state.step / state.fraction)),
        clock.seconds,
        loss,
        held_out=state.best.latest if evaluated else None,
        note=note,
        snapshot=denoiser.copy,
    )
