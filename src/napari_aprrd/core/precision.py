"""Mixed precision: half the bits in convolutions where that is faster on this very machine."""

from __future__ import annotations

import functools
import time
from typing import Literal

import torch

from .networks import Student

Precision = Literal["float32", "bfloat16"]
_WORTH = 1.2  # times faster; below that, float32 is the better choice
_RUNS = 3


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Context in which networks compute in this precision; weights and losses stay float32."""
    # Without the cache: weights cast within no_grad (f^) would be taken for the step's own.
    return torch.autocast(
        device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False
    )


def pick_precision(device: torch.device, precision: Precision | Literal["auto"]) -> Precision:
    """Return the precision asked for; for "auto" the faster one, by a short trial."""
    return _faster(device) if precision == "auto" else precision


@functools.cache
def _faster(device: torch.device) -> Precision:
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        return "float32"
    try:
        return (
            "bfloat16"
            if _WORTH * _seconds(device, "bfloat16") < _seconds(device, "float32")
            else "float32"
        )
    except RuntimeError:  # there is no such kernel here
        return "float32"


def _seconds(device: torch.device, precision: Precision) -> float:
    """Shortest time of a pass forth and back through a small network."""
    with torch.random.fork_rng(devices=[]):
        network = Student(width=32, depth=2).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = torch.zeros(4, 1, 64, 64, device=device)
    times = []
    for _ in range(1 + _RUNS):
        begun = time.perf_counter()
        with autocast(device, precision):
            loss = network(image).float().square().mean()
        loss.backward()
        loss.item()  # waits for the device
        times.append(time.perf_counter() - begun)
    return min(times[1:])
