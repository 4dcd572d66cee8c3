"""How crops come to a GPU: what is drawn on the CPU, and what becomes of it there."""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .crops import Crops, CropSampler

DEPTH = 3  # batches that are drawn ahead: enough to hide one that takes long


class Recipe(NamedTuple):
    """What was drawn for a step on the CPU; a GPU makes the batch of it.

    Parameters
    ----------
    kind : hashable
        Recipes of one kind have the same shapes, and the same operations make a batch of them.
    numbers : ndarray, shape (N,), float64
        Places, orientations and seeds. Whole numbers are below 2 ** 53, so that they are exact.
    tensors : tuple of Tensor
        Pixels that are not on the GPU yet.
    """

    kind: Hashable
    numbers: NDArray[np.float64]
    tensors: tuple[Tensor, ...] = ()


class Feed(Protocol):
    """A source of crops for a GPU, which draws what a `CropSampler` would draw."""

    @property
    def waited(self) -> float:
        """Seconds in which training waited for the source."""

    def draw(self) -> Recipe:
        """What the next crops are made of."""

    def crops(self, numbers: Tensor, tensors: tuple[Tensor, ...]) -> Crops:
        """The crops of a recipe, whose numbers and tensors are on the device by now."""

    def state(self) -> dict[str, Any]:
        """The random state, as that of the sampler."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a random state."""


class PrefetchedCrops:
    """Crops that a thread draws ahead, where the planes do not fit on the GPU.

    Parameters
    ----------
    sampler : CropSampler
    device : torch.device
    """

    def __init__(self, sampler: CropSampler, device: torch.device) -> None:
        self.waited = 0.0
        self._sampler, self._pinned = sampler, device.type == "cuda"
        self._state = sampler.state()
        self._thread = ThreadPoolExecutor(1, "napari-aprrd crops")
        self._coming: deque[Future[tuple[Crops, dict[str, Any]]]] = deque()
        weakref.finalize(self, self._thread.shutdown, wait=False, cancel_futures=True)

    def draw(self) -> Recipe:
        """The next crops themselves."""
        while len(self._coming) < DEPTH:
            # Submit a function, not a method, so that the thread does not keep this object alive.
            self._coming.append(self._thread.submit(_drawn, self._sampler, self._pinned))
        start = time.perf_counter()
        crops, self._state = self._coming.popleft().result()
        self.waited += time.perf_counter() - start
        return Recipe(None, np.empty(0), tuple(crops))

    def crops(self, numbers: Tensor, tensors: tuple[Tensor, ...]) -> Crops:
        """The crops as they were drawn."""
        return Crops(*tensors)

    def state(self) -> dict[str, Any]:
        """The random state after the crops in use, not after those drawn ahead."""
        return self._state

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a random state; what was drawn ahead is dropped."""
        for future in self._coming:
            future.cancel()
        self._thread.submit(int).result()  # The thread is done with the sampler.
        self._coming.clear()
        self._sampler.restore(state)
        self._state = state


def _drawn(sampler: CropSampler, pinned: bool) -> tuple[Crops, dict[str, Any]]:
    """The next crops, and the random state after them."""
    crops = sampler.draw()
    if pinned:
        crops = Crops(*(part.pin_memory() for part in crops))
    return crops, sampler.state()
