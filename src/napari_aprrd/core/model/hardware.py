"""Choice of the device, its free memory, and the fastest precision on it."""

from __future__ import annotations

import functools
import time
from typing import Literal

import psutil
import torch

from ..errors import UserError
from ..method.networks import BlindSpotNetwork
from ..method.students import Student

_LOST = ("cuda error", "hip error", "device lost", "device-side", "mps backend")


def is_device_lost(error: BaseException) -> bool:
    """Whether an error means that a GPU no longer responds and its memory is lost."""
    if is_out_of_memory(error):
        return False
    lost = isinstance(error, getattr(torch, "AcceleratorError", ()))
    return lost or any(words in str(error).lower() for words in _LOST)


def pick_device(name: str = "auto") -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" into an available device.

    Raises
    ------
    UserError
        If the device asked for is not available.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    device = torch.device(name)
    missing = (device.type == "cuda" and not cuda) or (device.type == "mps" and not mps)
    if missing:
        raise UserError(
            f"Device {name!r} is not available to PyTorch here; use device 'auto' or 'cpu'."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"There is no device {name!r}: {torch.cuda.device_count()} GPU(s) found.")
    return device


# Share of the free memory that a tile may take: the estimate of its memory is rough, and other
# programs need some too. Chosen, not measured.
SHARE = 1 / 3
SMALLEST = 64  # pixels, side of the smallest tile; below it, most of the work would be the halo
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate")


def free_bytes(device: torch.device) -> int:
    """Free memory of a device; Apple's GPUs and CPUs use the memory of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def plan_tile(largest: int, halo: int, bytes_per_pixel: int, free: int) -> int:
    """Side of the largest tile that fits: `largest`, or a half, a quarter, ... of it.

    Parameters
    ----------
    largest, halo : int
        Largest side of a tile, and width of the halo, in pixels.
    bytes_per_pixel : int
        Peak memory of the network for each pixel of the tile and its halo.
    free : int
        Free memory in bytes.
    """
    tile = largest
    while tile >= 2 * SMALLEST and (tile + 2 * halo) ** 2 * bytes_per_pixel > SHARE * free:
        tile //= 2
    return tile


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on any device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(s in str(error).lower() for s in _NO_MEMORY)


Precision = Literal["float32", "bfloat16", "float16"]
# Half precision must be this many times faster, or float32, which is more exact, is used. Chosen,
# not measured, as is the number of runs.
_WORTH = 1.1
_RUNS = 3  # timed runs, of which the shortest counts: others are disturbed by other programs
_LONGEST = 0.5  # seconds, after which fewer runs have to do: the machine is busy


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Context in which networks compute in this precision; weights and losses stay float32."""
    # The cache would reuse weights that were cast within no_grad (for f^), which have no gradient.
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "float32", cache_enabled=False)


def gradient_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Scale losses so that small gradients do not vanish in float16; else do nothing."""
    # The gradient of a bias is a sum over all pixels and overflows at PyTorch's default scale.
    return torch.amp.GradScaler(device.type, init_scale=2.0**12, enabled=precision == "float16")


def pick_precision(
    device: torch.device, precision: Precision | Literal["auto"], *, blind_spot: bool
) -> Precision:
    """Return the given precision; for "auto" the faster one, found by a short trial.

    Parameters
    ----------
    device : torch.device
    precision : {"auto", "float32", "bfloat16", "float16"}
        Without a GPU, float16 is replaced by float32: processors have no units for float16.
    blind_spot : bool
        Whether the network is a blind-spot network rather than a student.
    """
    if precision == "float16" and device.type == "cpu":
        return "float32"
    if precision != "auto":
        return precision
    return _faster(device, blind_spot) if _is_worth_a_trial(device) else "float32"


def _is_worth_a_trial(device: torch.device) -> bool:
    """Return False for processors without units for bfloat16, which are most laptops'.

    They would emulate it, ten times slower than float32, so that a trial would take seconds.
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
    except RuntimeError:  # this device has no kernel for it
        return "float32"


def _seconds(device: torch.device, precision: Precision, blind_spot: bool) -> float:
    """Shortest time of a forward and backward pass through a small network."""
    with torch.random.fork_rng(devices=[]):
        network = BlindSpotNetwork(width=16, depth=2) if blind_spot else Student(width=32, depth=2)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = torch.zeros(2 if blind_spot else 4, 1, 64, 64, device=device)
    times = []
    for _ in range(1 + _RUNS):
        start = time.perf_counter()
        with autocast(device, precision):
            output = network(image, 1) if blind_spot else network(image)
            loss = output.float().square().mean()
        loss.backward()
        loss.item()  # waits for the device
        times.append(time.perf_counter() - start)
        if len(times) > 1 and sum(times) > _LONGEST:
            break
    return min(times[1:])
