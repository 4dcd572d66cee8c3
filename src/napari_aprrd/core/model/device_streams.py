"""Copies to and from a device beside its computing, where it is a CUDA GPU; else in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch
from torch import Tensor


class Sendable(Protocol):
    """Something that is in the host's memory until it was sent, and then on the device."""

    host: Tensor | None
    on_device: Tensor | None


class Streams:
    """A stream for what goes to a device, and one for what comes back.

    PyTorch itself keeps page-locked memory, and memory of the device, from being used again as
    long as a copy is under way.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._up = self._down = self._computing = None
        if device.type == "cuda":
            self._up, self._down = (torch.cuda.Stream(device) for _ in "ud")  # type: ignore[no-untyped-call]
            self._computing = torch.cuda.current_stream(device)

    def host(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """New memory of the host from which copies need not wait."""
        with self._here():
            return torch.empty(*shape, dtype=dtype, pin_memory=self._up is not None)

    def sent(self, tiles: Sequence[Sequence[Sendable]]) -> Tensor:
        """Windows (C, h, w) on the device, those of each tile joined: (B, M, h, w)."""
        with self._sending():
            for window in (window for tile in tiles for window in tile):
                if window.host is not None:
                    window.on_device = self._copy(window.host)
                    window.host = None
        found = [[w.on_device for w in tile if w.on_device is not None] for tile in tiles]
        joined = [torch.cat(tile) if len(tile) > 1 else tile[0] for tile in found]
        return torch.stack(joined) if len(joined) > 1 else joined[0][None]

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """In it, the stream of what is sent is in use; what is computed later waits for it."""
        if self._up is None or self._computing is None:
            yield
            return
        with torch.cuda.stream(self._up):
            yield
        self._computing.wait_stream(self._up)

    def _copy(self, host: Tensor) -> Tensor:
        if self._computing is None:
            return host.to(self.device)
        copy = host.to(self.device, non_blocking=True)
        copy.record_stream(self._computing)
        return copy

    def fetched(
        self, tiles: Tensor, ordinary: Tensor
    ) -> tuple[Tensor, Tensor, torch.cuda.Event | None]:
        """Copies in the host's memory, which are there once the event has come."""
        if self._down is None or self._computing is None:
            return tiles.cpu(), ordinary.cpu(), None
        copies = [self.host(t.shape, t.dtype) for t in (tiles, ordinary)]
        self._down.wait_stream(self._computing)
        with torch.cuda.stream(self._down):
            for copy, tensor in zip(copies, (tiles, ordinary), strict=True):
                copy.copy_(tensor, non_blocking=True)
                tensor.record_stream(self._down)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self._down)
        return copies[0], copies[1], event

    def _here(self) -> AbstractContextManager[object]:
        return torch.cuda.device(self.device) if self._up is not None else nullcontext()
