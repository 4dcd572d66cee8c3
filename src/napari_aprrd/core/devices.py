"""Which device computes."""

from __future__ import annotations

import torch

from .errors import UserError
from .memory import is_out_of_memory

_LOST = ("cuda error", "hip error", "device lost", "device-side", "mps backend")


def is_device_lost(error: BaseException) -> bool:
    """Whether an error says that a GPU answers no more: nothing on it can be read again."""
    if is_out_of_memory(error):
        return False
    lost = isinstance(error, getattr(torch, "AcceleratorError", ()))
    return lost or any(words in str(error).lower() for words in _LOST)


def pick_device(name: str = "auto") -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" into a device that is there.

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
