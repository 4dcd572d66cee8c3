"""How large a tile may be: planned from the memory that is free, halved where that was wrong."""

from __future__ import annotations

import psutil
import torch

SHARE = 1 / 3  # of the free memory that a tile may take
SMALLEST = 64  # pixels: side of a tile
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate")


def free_bytes(device: torch.device) -> int:
    """Free memory of a device; on Apple's, as on the CPU, that of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def plan_tile(largest: int, halo: int, bytes_per_pixel: int, free: int) -> int:
    """Side of the largest tile that fits: `largest` or a half, a quarter ... of it.

    Parameters
    ----------
    largest, halo : int
        In pixels.
    bytes_per_pixel : int
        That the network needs at its peak, for each pixel of the tile and its halo.
    free : int
        Bytes.
    """
    tile = largest
    while tile >= 2 * SMALLEST and (tile + 2 * halo) ** 2 * bytes_per_pixel > SHARE * free:
        tile //= 2
    return tile


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(s in str(error).lower() for s in _NO_MEMORY)
