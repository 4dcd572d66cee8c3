"""Minimising a loss over a schedule: learning rate, averaged weights, what is held out."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from ..config import SettledDistillation, SettledTraining
from ..jobs import STOP, Clock, Progress, Signal, report
from ..model.denoiser import Denoiser
from ..model.hardware import autocast, gradient_scaler, is_out_of_memory, pick_precision
from .checkpoint import Checkpoint
from .objective import Batch, Lesson
from .state import LOOK_EVERY, State
from .threads import Threads

Settled = SettledTraining | SettledDistillation
LEARNING = 0.94  # share of a time budget; the rest is for choosing shifts and for calibration


def optimise(
    denoiser: Denoiser,
    lesson: Lesson,
    config: Settled,
    clock: Clock,
    checkpoint: Checkpoint,
) -> Generator[Progress, Signal | None, dict[str, Any]]:
    """Minimise the loss; the denoiser gets the averaged weights.

    Parameters
    ----------
    denoiser : Denoiser
        Its network is the start, and follows as the running average.
    lesson : Lesson
        Draws batches and computes their loss.
    config : SettledTraining or SettledDistillation
    clock : Clock
    checkpoint : Checkpoint
        Has the state to go on from, if there is one, and gets the state every few seconds.

    Returns
    -------
    dict
        Steps, seconds, whether it was stopped, the step of the weights that were kept.
    """
    device = next(denoiser.network.parameters()).device
    precision = pick_precision(device, config.precision, blind_spot=denoiser.is_teacher)
    mixed = autocast(device, precision)
    state = State.fresh(denoiser.network, lesson, gradient_scaler(device, precision))
    team, best = lesson.team, state.best
    notes = [checkpoint.begin(state, clock)]
    # Of a fixed number of steps, the same weights are promised; of a time budget, the best.
    by_the_clock = config.minutes is not None and device.type == "cpu" and team.size == 1
    threads = Threads(may_change=by_the_clock)
    try:
        while not state.ended:
            begun = clock.seconds
            notes.append(_step(state, config, mixed))
            threads.took(clock.seconds - begun)
            due, keep = _move_on(state, config, clock, checkpoint)
            look = _look(state, mixed)
            if not (look or due or keep or any(notes) or state.ended):
                continue
            keep = keep or state.ended
            mean_loss = float(team.mean(torch.stack(state.recent).mean()))
            state.recent.clear()
            if not math.isfinite(mean_loss) or (keep and not state.is_finite()):
                notes.append(state.roll_back(checkpoint.snapshot))
                continue
            if keep:
                notes.append(checkpoint.keep(denoiser, state, clock))
            if look:
                notes.append(best.note)
            if config.minutes and state.step >= lesson.enough:
                notes.append("Nothing more to learn: ended early.")
            progress = Progress(
                lesson.stage,
                state.step,
                max(state.step, round(state.step / state.fraction)),
                clock.seconds,
                mean_loss,
                held_out=best.latest if look else None,
                note=" ".join(filter(None, notes)),
                snapshot=denoiser.copy,
            )
            notes = []
            answer = yield from report(progress, clock)
            (stopped,) = team.agree(answer is STOP)
            if stopped:
                checkpoint.keep(denoiser, state, clock)
                break
    except GeneratorExit:  # cancelled, or the window was closed
        checkpoint.keep(denoiser, state, clock)
        raise
    finally:
        threads.restore()
    best.restore(denoiser.network)
    return {
        "steps": state.step,
        "stopped": not state.ended,
        "best_step": best.step if best.over_trained else state.step,
        "seconds": round(clock.seconds, 1),
    }


def learning_rate(config: Settled, fraction: float) -> float:
    """Linear warm-up, then half a cosine down to 0; `fraction` of the schedule is done."""
    if fraction < config.warmup:
        return config.learning_rate * fraction / config.warmup
    falling = (fraction - config.warmup) / (1 - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(falling, 1.0)))


def _step(state: State, config: Settled, mixed: AbstractContextManager[Any]) -> str:
    """One step of the optimizer; returns what there is to tell."""
    # The middle of the step to come; a budget's step has no known length.
    middle = state.fraction + (0.5 / config.steps if config.steps else 0.0)
    rate = learning_rate(config, middle) * 0.5**state.rollbacks
    state.optimizer.param_groups[0]["lr"] = rate
    batch, note = state.lesson.draw(), ""
    while True:
        try:
            state.recent.append(_gradients(state, batch, mixed))
            break
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        note = state.split(len(batch.values))  # here, where the error holds no memory any more
    state.lesson.team.average(state.network.parameters())
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.step += 1
    return note


def _gradients(state: State, batch: Batch, mixed: AbstractContextManager[Any]) -> Tensor:
    """Gradients of the mean loss over a batch, added up part by part; returns the loss."""
    state.optimizer.zero_grad(set_to_none=True)
    learnt = batch.learnt.sum().clamp(min=1)
    losses = []
    for part in batch.parts(state.parts):
        share = float(part.learnt.sum() / learnt)  # exactly 1 where there is one part
        with mixed:
            loss = state.lesson.loss(state.network, part) * share
        state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    return torch.stack(losses).sum()


def _move_on(
    state: State,
    config: Settled,
    clock: Clock,
    checkpoint: Checkpoint,
) -> tuple[bool, bool]:
    """After a step: the average follows. Returns whether a report and a checkpoint are due."""
    before = state.fraction
    done = (
        state.step / config.steps
        if config.steps
        else max(clock.spent / LEARNING, state.step / state.lesson.enough)
    )
    agreed = state.lesson.team.agree(done, clock.report_due(), checkpoint.is_due(clock))
    state.fraction, due, keep = agreed
    _follow(state.average, state.network, _share_of_new(config, done - before, state.step))
    return due, keep


def _share_of_new(config: Settled, fraction: float, step: int) -> float:
    """How far the average moves to the newest weights, after a step of the schedule."""
    if config.average == 0:
        return 1.0
    return max(1 - math.exp(-fraction / config.average), 1 / step)


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, share: float) -> None:
    for mean, newest in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(newest, share)


def _look(state: State, mixed: AbstractContextManager[Any]) -> bool:
    """Compute the held-out loss where it is due; returns whether it was."""
    held_out_loss = state.lesson.held_out_loss
    due = state.fraction > state.next_look - 1e-9 or state.fraction >= 1
    if held_out_loss is None or not due:
        return False
    behind = state.fraction - state.next_look + 1e-9
    state.next_look += LOOK_EVERY * math.ceil(behind / LOOK_EVERY)
    with mixed:
        state.best.take(held_out_loss(state.average), state.step, state.average)
    return True
