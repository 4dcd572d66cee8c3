"""All that the next step of training depends on, in one place: to keep and to go back to."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import UserError, cause
from ..model.hardware import is_device_lost, is_out_of_memory
from .objective import Lesson

LOOK_EVERY = 0.05  # of the schedule: how often the held-out loss is computed
PATIENCE = 8  # looks without a gain, after which training stops
MOST_ROLLBACKS = 3  # after which a loss that is no number ends the training
_NUMBERS = ("step", "fraction", "next_look", "rollbacks", "parts")
_LOOKS = ("latest", "lowest", "step", "note", "looks_since")


class Snapshot(NamedTuple):
    """A state as tensors on the CPU and numbers of JSON types; nothing changes it any more."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]


@dataclass
class Best:
    """The weights with the lowest held-out loss so far."""

    tolerance: float = (
        0.01  # of the loss: the mean over shifts gains a little longer than one shift
    )
    latest: float | None = None
    lowest: float = math.inf
    step: int = 0
    note: str = ""
    looks_since: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def over_trained(self) -> bool:
        """True when the latest weights predict what was held out worse than the best did."""
        return self.latest is not None and self.latest > self.lowest * (1 + self.tolerance)

    def take(self, loss: float, step: int, network: nn.Module) -> None:
        """Look at new weights."""
        self.latest = loss
        self.looks_since += 1
        if loss < self.lowest:
            self.lowest, self.step, self.looks_since = loss, step, 0
            self.weights = {k: v.detach().clone() for k, v in network.state_dict().items()}
        elif self.over_trained and self.looks_since >= PATIENCE:
            self.note = f"Nothing more was gained since step {self.step}: its weights are kept."

    def restore(self, network: nn.Module) -> None:
        """Go back to the best weights, if the latest are worse."""
        if self.over_trained:
            network.load_state_dict(self.weights)


@dataclass
class State:
    """Where training stands.

    Parameters
    ----------
    network : Module
        In training.
    average : Module
        Its running average.
    optimizer : Adam
        Of the network.
    scaler : GradScaler
        Keeps small gradients from vanishing in float16; else does nothing.
    lesson : Lesson
    best : Best
    step : int
        Steps done.
    fraction, next_look : float
        Of the schedule: what is done, and when the held-out loss is due.
    rollbacks : int
        Each has halved the learning rate.
    parts : int
        In which the gradients of a batch are computed, for want of memory.
    recent : list of Tensor
        Losses since the last report; a snapshot is made when there are none.
    """

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Adam
    scaler: torch.amp.GradScaler
    lesson: Lesson
    best: Best = field(default_factory=Best)
    step: int = 0
    fraction: float = 0.0
    next_look: float = LOOK_EVERY
    rollbacks: int = 0
    parts: int = 1
    recent: list[Tensor] = field(default_factory=list)

    @classmethod
    def fresh(cls, average: nn.Module, lesson: Lesson, scaler: torch.amp.GradScaler) -> State:
        """Before the first step; the average is the start, and follows."""
        network = copy.deepcopy(average)
        optimizer = torch.optim.Adam(network.parameters(), betas=(0.9, 0.999), fused=True)
        return cls(network, average, optimizer, scaler, lesson)

    @property
    def ended(self) -> bool:
        """True when there is no step left to do."""
        return self.fraction >= 1 or bool(self.best.note)

    def is_finite(self) -> bool:
        """True when all weights are numbers."""
        return all(bool(p.isfinite().all()) for p in self.network.parameters())

    def snapshot(self) -> Snapshot:
        """Copy it."""
        moments = self.optimizer.state_dict()["state"]
        groups = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best.weights,
            **{f"optimizer.{number}": moment for number, moment in moments.items()},
        }
        tensors = {
            f"{group}.{name}": tensor.detach().to("cpu", copy=True).contiguous()
            for group, named in groups.items()
            for name, tensor in named.items()
        }
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        best = {name: getattr(self.best, name) for name in _LOOKS}
        parts = {"scaler": self.scaler.state_dict(), "lesson": self.lesson.state()}
        return Snapshot(tensors, {**numbers, "best": best, **parts})

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot, to the last bit.

        Raises
        ------
        UserError
            If it is not of such a network.
        """
        try:
            self.network.load_state_dict(_group(snapshot, "network"))
            self.average.load_state_dict(_group(snapshot, "average"))
            self.best.weights = _group(snapshot, "best")
            self._restore_moments(snapshot)
            for target, names, numbers in (
                (self, _NUMBERS, snapshot.numbers),
                (self.best, _LOOKS, snapshot.numbers["best"]),
            ):
                for name in names:
                    setattr(target, name, numbers[name])
            self.scaler.load_state_dict(snapshot.numbers.get("scaler", {}))
            self.lesson.restore(snapshot.numbers["lesson"])
            self.recent.clear()
        except UserError:  # of the source
            raise
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            if is_out_of_memory(error) or is_device_lost(error):
                raise  # the machine's fault, not the file's
            raise UserError(
                f"What was kept of the training is damaged ({cause(error)}): start again."
            ) from error

    def _restore_moments(self, snapshot: Snapshot) -> None:
        """Laid out in memory like the weights, as the optimizer makes them."""
        moments = {}
        for number, parameter in enumerate(self.network.parameters()):
            moments[number] = {
                name: torch.empty_like(parameter).copy_(tensor) if tensor.ndim else tensor.clone()
                for name, tensor in _group(snapshot, f"optimizer.{number}").items()
            }
        known = {number: moment for number, moment in moments.items() if moment}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": known, "param_groups": groups})

    def roll_back(self, snapshot: Snapshot) -> str:
        """Go back to a snapshot with half the learning rate; say so.

        Raises
        ------
        UserError
            If that was done often enough.
        """
        rollbacks, step = self.rollbacks + 1, self.step
        if rollbacks > MOST_ROLLBACKS:
            raise UserError(
                "The loss is no longer a number; train again with a lower learning rate."
            )
        self.restore(snapshot)
        self.rollbacks = rollbacks
        return (
            f"At step {step} the loss was no longer a number: back to step {self.step}, "
            "with half the learning rate."
        )

    def split(self, crops: int) -> str:
        """Compute the gradients in smaller parts from now on; say so.

        Raises
        ------
        UserError
            If a part is a single crop already.
        """
        if self.parts >= crops:
            raise UserError(
                "There is not enough memory for a single crop; "
                "choose a smaller patch or width, or close other programs."
            )
        self.parts = min(2 * self.parts, crops)
        return (
            f"Memory ran out: each batch is now computed in {self.parts} parts, "
            "which is slower and learns the same."
        )


def _group(snapshot: Snapshot, name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {k.removeprefix(start): v for k, v in snapshot.tensors.items() if k.startswith(start)}
