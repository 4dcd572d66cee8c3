"""Adam without waiting for PyTorch's compiler."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # as in D. Kingma and J. Ba, "Adam", ICLR 2015


class Adam:
    """The steps of `torch.optim.Adam(fused=True)`, equal to the bit, with the same state.

    PyTorch's own class imports its compiler when it is made, which takes as long as fifty steps.

    Parameters
    ----------
    parameters : iterable of Tensor

    Attributes
    ----------
    param_groups : list of dict
        One, with the learning rate "lr", as PyTorch's own has it.
    """

    # A gradient scaler then leaves the unscaling to `step`, for which it sets `grad_scale` and
    # `found_inf`, and deletes them afterwards.
    _step_supports_amp_scaling = True

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self._parameters = list(parameters)
        self._moments: dict[int, dict[str, Tensor]] = {}
        self.param_groups: list[dict[str, Any]] = [{"params": self._parameters, "lr": 1e-3}]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zeros."""
        for parameter in self._parameters:
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters by their gradients."""
        learning = [(n, p) for n, p in enumerate(self._parameters) if p.grad is not None]
        moments = [self._moments.setdefault(number, _fresh(p)) for number, p in learning]
        steps = [moment["step"] for moment in moments]
        if not steps:
            return
        found_inf: Tensor | None = getattr(self, "found_inf", None)
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            [p for _, p in learning],
            [p.grad for _, p in learning if p.grad is not None],
            [moment["exp_avg"] for moment in moments],
            [moment["exp_avg_sq"] for moment in moments],
            [],
            steps,
            lr=self.param_groups[0]["lr"],
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=0.0,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
            grad_scale=getattr(self, "grad_scale", None),
            found_inf=found_inf,
        )
        if found_inf is not None:  # such a step was not done
            torch._foreach_sub_(steps, [found_inf] * len(steps))

    def state_dict(self) -> dict[str, Any]:
        """The moments of each parameter, by its number, and the learning rate."""
        groups = [{**self.param_groups[0], "params": list(range(len(self._parameters)))}]
        return {"state": dict(self._moments), "param_groups": groups}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state; its tensors are taken over."""
        self._moments = {number: dict(moment) for number, moment in state["state"].items()}
        self.param_groups[0]["lr"] = state["param_groups"][0]["lr"]


def _fresh(parameter: Tensor) -> dict[str, Tensor]:
    return {
        "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
        "exp_avg": torch.zeros_like(parameter),
        "exp_avg_sq": torch.zeros_like(parameter),
    }
