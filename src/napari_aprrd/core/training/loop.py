"""The training loop: minimises an objective over a schedule of steps or minutes."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..config import SettledDistillation, SettledTraining
from ..jobs import STOP, Clock, Progress, Signal, report_progress
from ..model.denoiser import Denoiser
from ..model.hardware import autocast, gradient_scaler, is_out_of_memory
from ..model.trials import Trial, pick_precision
from . import budget
from .captured import CapturedStep
from .checkpoint import Checkpoint
from .gradients import gradients
from .objective import Objective
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
    run = _Run.begin(denoiser, objective, config, clock, checkpoint)
    try:
        yield from _steps(run)
    except GeneratorExit:  # The job was cancelled, or its window was closed.
        run.keep()
        raise
    finally:
        run.threads.restore()
    state = run.state
    state.best.restore(denoiser.network)
    return {
        "steps": state.step,
        "stopped": not state.ended,
        "best_step": state.best.step if state.best.over_trained else state.step,
        "seconds": round(clock.seconds, 1),
    }


def _steps(run: _Run) -> Generator[Progress, Signal | None, None]:
    """Train to the end of the schedule, or until the consumer says stop."""
    state = run.state
    while not state.ended:
        # 1. Set the learning rate.
        _set_rate(state, run.config)

        # 2. Step: learn from one batch; the schedule and the average move on.
        _step(run)
        due = _advance(run)

        # 3. Evaluate and keep, where it is due; go back where the loss is no longer a number.
        evaluated = _evaluate_if_due(run)
        keep = due.checkpoint or state.ended
        if not (evaluated or due.report or keep or run.messages):
            continue
        mean_loss = _mean_loss(state)
        if not math.isfinite(mean_loss) or (keep and not state.is_finite()):
            state.roll_back(run.checkpoint.snapshot, run.tell)
            if run.captured is not None:
                run.captured.forget()
            continue
        if keep:
            run.keep()

        # 4. Report, and hear whether to stop.
        if (yield from _report(run, mean_loss, evaluated)):
            run.keep()
            break


@dataclass(frozen=True)
class _Run:
    """What the phases of the loop share."""

    denoiser: Denoiser
    state: State
    config: Settled
    clock: Clock
    checkpoint: Checkpoint
    threads: Threads
    mixed: AbstractContextManager[Any]  # in it, networks compute in the training's precision
    begun: float  # seconds of work before the first step
    captured: CapturedStep | None  # makes the steps on a GPU
    means: list[Tensor]  # the running average's weights
    newest: list[Tensor]  # those in training
    # What the user hears with the next report, and whether only some want to read it.
    messages: list[tuple[str, bool]] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        denoiser: Denoiser,
        objective: Objective,
        config: Settled,
        clock: Clock,
        checkpoint: Checkpoint,
    ) -> _Run:
        """A run at its first step, or at the one to resume from."""
        device = next(denoiser.network.parameters()).device
        trial = Trial.of_steps(denoiser.architecture, config)
        precision = pick_precision(device, config.precision, trial)
        state = State.fresh(denoiser.network, objective, gradient_scaler(device, precision))
        threads, mixed = _threads(config, device, objective), autocast(device, precision)
        run = cls(
            *(denoiser, state, config, clock, checkpoint, threads, mixed, clock.seconds),
            CapturedStep.of(state, mixed, device),
            [p.detach() for p in state.average.parameters()],
            [p.detach() for p in state.network.parameters()],
        )
        checkpoint.begin(state, clock, run.tell)
        return run

    def tell(self, message: str, *, expert: bool = False) -> None:
        """Let the user hear a sentence with the next report."""
        self.messages.append((message, expert))

    def keep(self) -> None:
        """Write a checkpoint of the state."""
        self.checkpoint.keep(self.denoiser, self.state, self.clock, self.tell)


def _threads(config: Settled, device: torch.device, objective: Objective) -> Threads:
    """Runs with a fixed step count must be reproducible, so only timed runs change threads."""
    timed = config.minutes is not None
    return Threads(
        may_change=timed and device.type == "cpu" and objective.processes.size == 1,
    )


# --- 1. Set the learning rate ---------------------------------------------------------------------


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


# --- 2. Step --------------------------------------------------------------------------------------


def _step(run: _Run) -> None:
    """One step of the optimizer, in smaller parts if memory runs out."""
    started, state = run.clock.seconds, run.state
    if run.captured is not None:
        rate = state.optimizer.param_groups[0]["lr"]
        state.recent.append(run.captured.step(rate, run.tell))
    else:
        state.recent.append(_plain_step(run))
    state.step += 1
    run.threads.observe(run.clock.seconds - started)


def _plain_step(run: _Run) -> Tensor:
    """A step whose batch is drawn on the CPU; returns its loss."""
    state = run.state
    batch = state.objective.draw()
    while True:
        try:
            loss = gradients(state, batch, run.mixed)
            break
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        # Not inside the handler, where the error still holds the memory of the failed try.
        state.split(len(batch.values), run.tell)
    state.objective.processes.average(state.network.parameters())
    state.scaler.step(state.optimizer)
    state.scaler.update()
    return loss


class _Due(NamedTuple):
    """What all processes do after a step."""

    report: bool
    checkpoint: bool


def _advance(run: _Run) -> _Due:
    """Move on in the schedule, and the average with it; the first process decides what is due."""
    state, config, clock = run.state, run.config, run.clock
    before = state.fraction
    if config.steps:
        done = state.step / config.steps
    else:
        spent = _spent(run)
        overtime = (clock.seconds - run.begun) / _overtime(run)
        least = max(state.step / budget.FEWEST_STEPS, overtime)
        done = max(before, min(spent, least), state.step / state.objective.max_steps)
    decided = state.objective.processes.broadcast(
        done, clock.report_due(), run.checkpoint.is_due(clock)
    )
    state.fraction, report_due, checkpoint_due = decided
    share = _share_of_new(config, state.fraction - before, state.step)
    _follow(run, share)
    return _Due(report_due, checkpoint_due)


def _spent(run: _Run, since: float = 0.0) -> float:
    """Share of the time for learning, since a second, that is spent; 0 without a time budget.

    The loop ends early enough for what follows it.
    """
    minutes = run.config.minutes
    if minutes is None:
        return 0.0
    budgeted = 60 * minutes
    earliest, latest = budget.EARLIEST_END * budgeted, budget.LEARNING * budgeted
    end = min(max(budgeted - _ending(run, minutes), earliest), latest)
    return min((run.clock.seconds - since) / max(end - since, 1e-9), 1.0)


def _ending(run: _Run, minutes: float) -> float:
    """Seconds that choosing targets and the calibration will take, by how long steps take."""
    per_step = (run.clock.seconds - run.begun) / run.state.step
    pixels_of_step = run.config.batch * run.config.patch**2
    return per_step * budget.ending_pixels(minutes) / pixels_of_step


def _overtime(run: _Run) -> float:
    """Seconds for the first steps of a loop that starts late, so that the job ends in time."""
    minutes = run.config.minutes
    if minutes is None:
        return math.inf
    left = 60 * minutes + budget.late(minutes) - run.begun
    return max(min(budget.OVERTIME, left), budget.LEAST_OVERTIME)


def _share_of_new(config: Settled, fraction: float, step: int) -> float:
    """How far the average moves to the newest weights, after a step of the schedule."""
    if config.average == 0:
        return 1.0
    return max(1 - math.exp(-fraction / config.average), 1 / step)


@torch.no_grad()
def _follow(run: _Run, share: float) -> None:
    """Move the average to the newest weights by a share of the way, all of them at once."""
    torch._foreach_lerp_(run.means, run.newest, share)


# --- 3. Evaluate and keep -------------------------------------------------------------------------


def _evaluate_if_due(run: _Run) -> bool:
    """Compute the held-out loss of the average where it is due; True if it was computed."""
    state, held_out_loss = run.state, run.state.objective.held_out_loss
    if held_out_loss is None or not _evaluation_is_due(state):
        return False
    behind = state.fraction - state.next_evaluation + _ROUNDING
    state.next_evaluation += EVALUATE_EVERY * math.ceil(behind / EVALUATE_EVERY)
    with run.mixed:
        loss = held_out_loss(state.average)
    state.best.update(loss, state.step, state.average)
    return True


def _evaluation_is_due(state: State) -> bool:
    """True at regular parts of the schedule and at its end."""
    return state.fraction > state.next_evaluation - _ROUNDING or state.fraction >= 1


def _mean_loss(state: State) -> float:
    """Mean loss since the last report, over all processes."""
    mean = state.objective.processes.mean(torch.stack(state.recent).mean())
    state.recent.clear()
    return float(mean)


# --- 4. Report ------------------------------------------------------------------------------------


def _report(run: _Run, loss: float, evaluated: bool) -> Generator[Progress, Signal | None, bool]:
    """Report to the consumer; True if it answers that training is to stop."""
    _tell_of_early_end(run)
    progress = _progress(run, loss, evaluated)
    run.messages.clear()
    answer = yield from report_progress(progress, run.clock)
    (stopped,) = run.state.objective.processes.broadcast(answer is STOP)
    return bool(stopped)


def _tell_of_early_end(run: _Run) -> None:
    """Say why training ends before its schedule does, if so."""
    state = run.state
    if state.best.note:
        run.tell(state.best.note, expert=True)
    if run.config.minutes and state.step >= state.objective.max_steps:
        run.tell("Nothing more to learn: ended early.", expert=True)


def _shown(run: _Run) -> float:
    """Share of the loop that is done, as a bar shows it: of its time, where that is limited."""
    if run.config.minutes is None:
        return run.state.fraction
    return max(_spent(run, run.begun), run.state.step / run.state.objective.max_steps)


def _progress(run: _Run, loss: float, evaluated: bool) -> Progress:
    state = run.state
    return Progress(
        state.objective.stage,
        state.step,
        max(state.step, round(state.step / state.fraction)),
        run.clock.seconds,
        loss,
        held_out=state.best.latest if evaluated else None,
        note=" ".join(message for message, _ in run.messages),
        expert=all(expert for _, expert in run.messages),
        snapshot=run.denoiser.copy,
        done=_shown(run),
    )
