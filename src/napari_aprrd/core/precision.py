"""Mixed precision: half the bits in convolutions where that is faster on this very machine."""

from __future__ import annotations

import functools
import time
from typing import Literal

import torch

from .networks import BlindSpotNetwork, Student

Precision = Literal["float32", "bfloat16", "float16"]
_WORTH = 1.1  # times faster; below that, float32 is the better choice
_RUNS = 3


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Context in which networks compute in this precision; weights and losses stay float32."""
    # Without the cache: weights cast within no_grad (f^) would be taken for the step's own.
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "float32", cache_enabled=False)


def gradient_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Scale losses so that small gradients do not vanish in float16; else do nothing."""
    # A gradient of a bias, the sum over all pixels, overflows at PyTorch's own first scale.
    return torch.amp.GradScaler(device.type, init_scale=2.0**12, enabled=precision == "float16")


def pick_precision(
    device: torch.device, precision: Precision | Literal["auto"], *, blind_spot: bool
) -> Precision:
    """Return the precision asked for; for "auto" the faster one, by a short trial.

    Parameters
    ----------
    device : torch.device
    precision : {"auto", "float32", "bfloat16", "float16"}
        Without a GPU, float32 is taken for float16, for which processors have no units.
    blind_spot : bool
        Whether it is for a blind-spot network, not for a student.
    """
    if precision == "float16" and device.type == "cpu":
        return "float32"
    if precision != "auto":
        return precision
    return _faster(device, blind_spot) if _is_worth_a_trial(device) else "float32"


def _is_worth_a_trial(device: torch.device) -> bool:
    """False for processors that are known to have no units for bfloat16, as most laptops' are.

    They would emulate it, ten times slower than float32, and a trial would take seconds.
    """
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX2"


@functools.cache
def _faster(device: torch.device, blind_spot: bool) -> Precision:
    half: Precision = "bfloat16"
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        half = "float16"  # GPUs before Ampere
    try:
        seconds = _seconds(device, half, blind_spot)
        return half if _WORTH * seconds < _seconds(device, "float32", blind_spot) else "float32"
    except RuntimeError:  # there is no such kernel here
        return "float32"


def _seconds(device: torch.device, precision: Precision, blind_spot: bool) -> float:
    """Shortest time of a pass forth and back through a small network."""
    with torch.random.fork_rng(devices=[]):
        network = BlindSpotNetwork(width=16, depth=2) if blind_spot else Student(width=32, depth=2)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = torch.zeros(2 if blind_spot else 4, 1, 64, 64, device=device)
    times = []
    for _ in range(1 + _RUNS):
        begun = time.perf_counter()
        with autocast(device, precision):
            output = network(image, 1) if blind_spot else network(image)
            loss = output.float().square().mean()
        loss.backward()
        loss.item()  # waits for the device
        times.append(time.perf_counter() - begun)
    return min(times[1:])
