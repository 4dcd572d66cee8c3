"""Whether a network may denoise in half precision: where nobody could tell the difference."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .architecture import Architecture

if TYPE_CHECKING:
    from .denoiser import Denoiser

# The rms difference from float32 may be this share of what was taken away as noise. In squares,
# it then adds a ten-thousandth of the noise.
TOLERATED = 0.01
# Batches for which a trial pays: it costs about as much as computing one more.
WORTH = 8
_TENSOR_CORES = (7, 0)  # compute capability; before, float16 is not faster, or far slower


@dataclass
class HowComputed:
    """How the tiles of an image were computed; filled in while they are.

    Parameters
    ----------
    precision : {"float32", "float16"}
    difference : float
        Rms difference between the two on the first tiles, as a share of the noise.
    undecided : bool
        Whether float16 is still to be tried.
    """

    precision: str = "float32"
    difference: float | None = None
    undecided: bool = False

    @property
    def is_tried(self) -> bool:
        """Whether float16 was tried."""
        return self.difference is not None

    def as_text(self) -> str:
        """What was found, as JSON."""
        return json.dumps({"precision": self.precision, "difference": self.difference})

    @classmethod
    def from_text(cls, text: str) -> HowComputed:
        """What was found earlier; nothing, if the text is empty or damaged."""
        try:
            found = json.loads(text)
            return cls(str(found["precision"]), float(found["difference"]))
        except (ValueError, KeyError, TypeError):
            return cls()

    @property
    def note(self) -> str:
        """Sentence for users on what was chosen; empty where nothing was tried."""
        if self.difference is None:
            return ""
        if not math.isfinite(self.difference):
            return "Denoises in float32: half precision cannot hold the network's numbers here."
        share = f"{100 * self.difference:.2g} % of the noise"
        if self.precision == "float16":
            return f"Denoises in half precision (float16), which changes the result by {share}."
        return f"Denoises in float32: half precision would change the result by {share}."


def is_worth_a_trial(denoiser: Denoiser, device: torch.device, batches: int) -> bool:
    """Whether half precision would save more time than a trial costs."""
    if batches < WORTH or not isinstance(denoiser.architecture, Architecture):
        return False
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TENSOR_CORES


def half_of(denoiser: Denoiser) -> Denoiser:
    """A copy that computes in float16."""
    return replace(denoiser, network=denoiser.copy().network.half())


def passes(noisy: Tensor, exact: Tensor, rounded: Tensor, how: HowComputed) -> bool:
    """Whether float16 output is as good as float32; `how` gets the answer.

    Parameters
    ----------
    noisy, exact, rounded : Tensor, shape (B, C, h, w), float32
        Normalised: the input, and the outputs in float32 and in float16.
    how : HowComputed
    """
    noise, error = (_rms(exact - other) for other in (noisy, rounded))
    how.difference = float((error / noise).max())
    how.undecided = False
    good = how.difference < TOLERATED  # False for NaN, where float16 overflows
    how.precision = "float16" if good else "float32"
    return good


def _rms(difference: Tensor) -> Tensor:
    """Of each channel."""
    return difference.square().mean((0, 2, 3)).sqrt()
