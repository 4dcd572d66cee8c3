"""What the first training of a session would wait for, done before."""

from __future__ import annotations

import functools

import torch

from ..model.hardware import pick_device, pick_precision


@functools.cache  # once for each device
def warm_up(device: str) -> None:
    """Import PyTorch's optimisers and try out precisions, which takes seconds on a busy machine.

    Parameters
    ----------
    device : str
        As in the settings: "auto", "cpu", "cuda", ...
    """
    there = pick_device(device)
    for blind_spot in (True, False):
        pick_precision(there, "auto", blind_spot=blind_spot)
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
