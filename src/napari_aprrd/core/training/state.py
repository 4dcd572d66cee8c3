"""The complete training state: everything that the next step depends on."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import UserError, cause
from ..jobs import Tell
from ..model.hardware import is_device_lost, is_out_of_memory
from .adam import Adam
from .objective import Objective

# These three are chosen, not measured.
EVALUATE_EVERY = 0.05  # of the schedule: how often the held-out loss is computed
PATIENCE = 8  # evaluations without a gain, after which training stops
MOST_ROLLBACKS = 3  # after that many, a loss that is not finite ends the training
# Names in checkpoint files, which do not change, and the attributes that they stand for.
_NUMBERS = {
    "step": "step",
    "fraction": "fraction",
    "next_look": "next_evaluation",
    "rollbacks": "rollbacks",
    "parts": "parts",
}
_BEST_NUMBERS = {
    "latest": "latest",
    "lowest": "lowest",
    "step": "step",
    "note": "note",
    "looks_since": "checks_without_gain",
}


class Snapshot(NamedTuple):
    """A state as tensors on the CPU and numbers of JSON types; nothing changes it any more."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]


@dataclass
class BestWeights:
    """The weights with the lowest held-out loss so far."""

    # Relative to the loss: the mean over shifts gains a little longer than one shift does. Measured
    # in docs/experiments.md#kept, "Overfitting".
    tolerance: float = 0.01
    latest: float | None = None
    lowest: float = math.inf
    step: int = 0
    note: str = ""
    checks_without_gain: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def over_trained(self) -> bool:
        """True when the latest weights predict what was held out worse than the best did."""
        return self.latest is not None and self.latest > self.lowest * (1 + self.tolerance)

    def update(self, loss: float, step: int, network: nn.Module) -> None:
        """Compare new weights with the best so far."""
        self.latest = loss
        self.checks_without_gain += 1
        if loss < self.lowest:
            self.lowest, self.step, self.checks_without_gain = loss, step, 0
            self.weights = {k: v.detach().clone() for k, v in network.state_dict().items()}
        elif self.over_trained and self.checks_without_gain >= PATIENCE:
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
        The network in training.
    average : Module
        Its running average.
    optimizer : Adam
        Optimizer of the network: PyTorch's own, or ours, which is used like it.
    scaler : GradScaler
        Keeps small gradients from vanishing in float16; else does nothing.
    objective : Objective
    best : BestWeights
    step : int
        Steps done.
    fraction, next_evaluation : float
        Shares of the schedule: how much is done, and where the held-out loss is due next.
    rollbacks : int
        Number of roll-backs; each has halved the learning rate.
    parts : int
        Parts in which the gradients of a batch are computed, where memory is short.
    recent : list of Tensor
        Losses since the last report; a snapshot is made when there are none.
    """

    network: nn.Module
    average: nn.Module
    optimizer: Any
    scaler: torch.amp.GradScaler
    objective: Objective
    best: BestWeights = field(default_factory=BestWeights)
    step: int = 0
    fraction: float = 0.0
    next_evaluation: float = EVALUATE_EVERY
    rollbacks: int = 0
    parts: int = 1
    recent: list[Tensor] = field(default_factory=list)

    @classmethod
    def fresh(cls, average: nn.Module, objective: Objective, scaler: torch.amp.GradScaler) -> State:
        """The state before the first step; the average holds the initial weights."""
        network = copy.deepcopy(average)
        weights = list(network.parameters())
        if weights[0].device.type == "cuda":
            optimizer: Any = torch.optim.Adam(weights, betas=(0.9, 0.999), fused=True)
        else:  # the same, and there at once
            optimizer = Adam(weights)
        return cls(network, average, optimizer, scaler, objective)

    @property
    def ended(self) -> bool:
        """True when there is no step left to do."""
        return self.fraction >= 1 or bool(self.best.note)

    def is_finite(self) -> bool:
        """True when all weights are numbers."""
        return all(bool(p.isfinite().all()) for p in self.network.parameters())

    def snapshot(self) -> Snapshot:
        """Copy the state."""
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
        numbers = {key: getattr(self, name) for key, name in _NUMBERS.items()}
        best = {key: getattr(self.best, name) for key, name in _BEST_NUMBERS.items()}
        parts = {"scaler": self.scaler.state_dict(), "lesson": self.objective.state()}
        return Snapshot(tensors, {**numbers, "best": best, **parts})

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot, to the last bit.

        Raises
        ------
        UserError
            If the snapshot is not of such a network.
        """
        try:
            self.network.load_state_dict(_group(snapshot, "network"))
            self.average.load_state_dict(_group(snapshot, "average"))
            self.best.weights = _group(snapshot, "best")
            self._restore_moments(snapshot)
            for key, name in _NUMBERS.items():
                setattr(self, name, snapshot.numbers[key])
            for key, name in _BEST_NUMBERS.items():
                setattr(self.best, name, snapshot.numbers["best"][key])
            self.scaler.load_state_dict(snapshot.numbers.get("scaler", {}))
            self.objective.restore(snapshot.numbers["lesson"])
            self.recent.clear()
        except UserError:  # The source of the crops cannot be read.
            raise
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            if is_out_of_memory(error) or is_device_lost(error):
                raise  # The machine is at fault, not the file.
            raise UserError(
                f"What was kept of the training is damaged ({cause(error)}): start again."
            ) from error

    def _restore_moments(self, snapshot: Snapshot) -> None:
        """Lay out the moments in memory like the weights, as the optimizer makes them."""
        moments = {}
        for number, parameter in enumerate(self.network.parameters()):
            moments[number] = {
                name: torch.empty_like(parameter).copy_(tensor) if tensor.ndim else tensor.clone()
                for name, tensor in _group(snapshot, f"optimizer.{number}").items()
            }
        known = {number: moment for number, moment in moments.items() if moment}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": known, "param_groups": groups})

    def roll_back(self, snapshot: Snapshot, tell: Tell) -> None:
        """Go back to a snapshot with half the learning rate.

        Raises
        ------
        UserError
            If that was done `MOST_ROLLBACKS` times already.
        """
        rollbacks, step = self.rollbacks + 1, self.step
        if rollbacks > MOST_ROLLBACKS:
            raise UserError(
                "The loss is no longer a number; train again with a lower learning rate."
            )
        self.restore(snapshot)
        self.rollbacks = rollbacks
        tell(
            f"At step {step} the loss was no longer a number: back to step {self.step}, "
            "with half the learning rate."
        )

    def split(self, crops: int, tell: Tell) -> None:
        """Compute the gradients in smaller parts from now on.

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
        tell(
            f"Memory ran out: each batch is now computed in {self.parts} parts, "
            "which is slower and learns the same."
        )


def _group(snapshot: Snapshot, name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {k.removeprefix(start): v for k, v in snapshot.tensors.items() if k.startswith(start)}
