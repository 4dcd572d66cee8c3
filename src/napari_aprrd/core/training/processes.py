"""Processes that train one network together: several GPUs, several machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError


class Processes:
    """A single process; all collective operations do nothing.

    Attributes
    ----------
    rank : int
        Number of this process, from 0.
    size : int
        Number of processes.
    """

    rank = 0
    size = 1

    def shard(self, batch: Tensor) -> Tensor:
        """Part of this process in a batch that all processes draw alike."""
        return batch if self.size == 1 else batch.chunk(self.size)[self.rank]

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their mean over all processes."""

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over all processes."""
        return value

    def broadcast(self, *values: Any) -> Any:
        """The values of the first process (rank 0)."""
        return values


SINGLE = Processes()


class FabricProcesses(Processes):
    """Processes that Lightning Fabric has started.

    Parameters
    ----------
    fabric : lightning_fabric.Fabric
        Launched.
    """

    def __init__(self, fabric: Any) -> None:
        self._fabric = fabric
        self.rank, self.size = fabric.global_rank, fabric.world_size
        self.device = str(fabric.device)

    @classmethod
    def launch(cls, devices: int, nodes: int, device: str = "auto") -> FabricProcesses:
        """Start the other processes of this machine: each runs this program's command again.

        Parameters
        ----------
        devices, nodes : int
            Processes (GPUs) on each machine, and machines.
        device : str
            "auto", "cpu" or "cuda".

        Raises
        ------
        UserError
            If Lightning Fabric is not installed, or so many devices are not there.
        """
        try:
            from lightning_fabric import Fabric
        except ImportError as error:
            raise UserError(
                'Training on several devices needs: pip install "napari-aprrd[distributed]"'
            ) from error
        try:
            fabric = Fabric(
                accelerator=device.split(":")[0], devices=devices, num_nodes=nodes, strategy="ddp"
            )
            fabric.launch()
        except (RuntimeError, ValueError) as error:  # also MisconfigurationException
            raise UserError(f"Cannot train on {devices} x {nodes} devices: {error}") from error
        return cls(fabric)

    @torch.no_grad()
    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their mean over all processes, in one message."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        flat = self._fabric.all_reduce(flat, reduce_op="mean")
        for gradient, part in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(part.view_as(gradient))

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a number over all processes."""
        mean: Tensor = self._fabric.all_reduce(value, reduce_op="mean")
        return mean

    def broadcast(self, *values: Any) -> Any:
        """The values of the first process (rank 0)."""
        return self._fabric.broadcast(values)
