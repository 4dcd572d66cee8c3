"""Choice of the device, its free memory, and the precisions that it computes in."""

from __future__ import annotations

from typing import Literal

import psutil
import torch

from ..errors import UserError

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


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Context in which networks compute in this precision; weights and losses stay float32."""
    # The cache would reuse weights that were cast within no_grad (for f^), which have no gradient.
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "float32", cache_enabled=False)


def gradient_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Scale losses so that small gradients do not vanish in float16; else do nothing."""
    # The gradient of a bias is a sum over all pixels and overflows at PyTorch's default scale.
    return torch.amp.GradScaler(device.type, init_scale=2.0**12, enabled=precision == "float16")
