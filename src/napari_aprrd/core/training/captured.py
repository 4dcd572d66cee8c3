"""The whole step of training as one CUDA graph, for networks so small that launches cost most.

A step of the default network is some thousand kernels of a few microseconds each, which Python
cannot launch as fast as a GPU computes them. A graph is recorded once and launched as a whole: from
a few numbers that were drawn on the CPU it gathers crops, draws the replacer's maps, and computes
loss, gradients and new weights. What the loop does now and then (held-out loss, reports,
checkpoints) stays outside.

Steps of different kinds take different graphs: with neighbours or without them, in one part or in
several where memory is short. Each is recorded when its kind has been computed a few times as
usual, which these steps are not lost for: they are steps of the training.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.feed import Recipe
from ..errors import cause
from ..method.upward import collecting_indices
from ..model.hardware import free_bytes, is_out_of_memory
from .gradients import gradients
from .state import State

# Chosen, not measured, all three.
WARM_UP = 3  # steps of a kind that are computed as usual before it is recorded
RESIDENT = 0.25  # of the free memory of a GPU: so much may planes take there
_SLOTS = 4  # steps that the CPU may be ahead of the GPU

Work = Callable[[], None]


class Recorder(Protocol):
    """Records work on a device, to be done again faster."""

    def send(self, numbers: NDArray[np.float64], to: Tensor) -> None:
        """Copy numbers to the device; may wait, so that the CPU is not far ahead of it."""

    def warm_up(self, work: Work) -> None:
        """Do work, as it must have been done a few times before it is recorded."""

    def record(self, work: Work) -> Work:
        """Record work, which does not do it, and return what does it."""


class CudaRecorder:
    """Records work as CUDA graphs, which share their memory.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        events = (torch.cuda.Event() for _ in range(_SLOTS))  # type: ignore[no-untyped-call]
        self._slots = [(torch.empty(0), event) for event in events]

    def send(self, numbers: NDArray[np.float64], to: Tensor) -> None:
        """Copy numbers to the device, through memory that no copy still reads."""
        slot, copied = self._slots.pop(0)
        copied.synchronize()
        if slot.numel() < numbers.size:
            slot = torch.empty(numbers.size, dtype=torch.float64, pin_memory=True)
        slot.numpy()[: numbers.size] = numbers
        to.copy_(slot[: numbers.size], non_blocking=True)
        copied.record(torch.cuda.current_stream(self._device))
        self._slots.append((slot, copied))

    def warm_up(self, work: Work) -> None:
        """Do work on the stream on which it will be recorded."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream):
                work()
        finally:
            current.wait_stream(self._stream)

    def record(self, work: Work) -> Work:
        """Record work as a graph; other threads may use the GPU meanwhile."""
        current, graph = torch.cuda.current_stream(self._device), torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(
                graph, self._pool, self._stream, capture_error_mode="thread_local"
            ):
                work()
        finally:  # A capture that fails leaves its stream behind.
            torch.cuda.set_stream(current)
        return graph.replay


def recorder_for(device: torch.device) -> Recorder | None:
    """What records on a device, if anything does."""
    return CudaRecorder(device) if device.type == "cuda" else None


class CapturedStep:
    """Steps of training on a GPU, recorded where that works and computed one by one elsewhere.

    Parameters
    ----------
    state : State
        Of an objective whose batches can be made on the device.
    mixed : context manager
        In it, networks compute in the training's precision.
    device : torch.device
    recorder : Recorder
    """

    def __init__(
        self,
        state: State,
        mixed: AbstractContextManager[Any],
        device: torch.device,
        recorder: Recorder,
    ) -> None:
        self._state, self._mixed, self._recorder = state, mixed, recorder
        self._device, self._records = device, True
        self._rate = torch.zeros((), device=device)
        self._programs: dict[Hashable, _Program] = {}
        state.objective.feed_from(device, RESIDENT * free_bytes(device))

    @classmethod
    def of(
        cls, state: State, mixed: AbstractContextManager[Any], device: torch.device
    ) -> CapturedStep | None:
        """None where steps are computed in the usual way."""
        objective = state.objective
        if not objective.on_device or objective.processes.size > 1:
            return None
        recorder = recorder_for(device)
        return None if recorder is None else cls(state, mixed, device, recorder)

    def step(self, rate: float, tell: Callable[..., object]) -> Tensor:
        """Make one step at a learning rate; returns its loss."""
        recipe = self._state.objective.draw_recipe()
        while True:
            try:
                return self._run(rate, recipe, tell)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            # Not inside the handler, where the error still holds the memory of the failed try.
            self._programs.clear()
            self._state.split(self._state.objective.sampler.batch, tell)

    def forget(self) -> None:
        """Record anew, since the optimizer has got other moments."""
        self._programs.clear()

    def _run(self, rate: float, recipe: Recipe, tell: Callable[..., object]) -> Tensor:
        shapes = (len(recipe.numbers), *(part.shape for part in recipe.tensors))
        key = (recipe.kind, shapes, self._state.parts)
        if key not in self._programs:
            self._programs[key] = _Program(recipe, self._device)
        program = self._programs[key]
        self._recorder.send(np.append(rate, recipe.numbers), program.numbers)
        for part, to in zip(recipe.tensors, program.tensors, strict=True):
            to.copy_(part, non_blocking=True)
        if program.replay is not None:
            program.replay()
        elif self._records:
            self._recorder.warm_up(lambda: self._work(program))
            program.runs += 1
            if program.runs == WARM_UP:
                self._record(program, tell)
        else:
            self._work(program)
        return program.loss.clone()

    def _work(self, program: _Program) -> None:
        """The whole step."""
        state = self._state
        self._rate.copy_(program.numbers[0])
        state.optimizer.param_groups[0]["lr"] = self._rate
        batch = state.objective.make(program.numbers[1:], program.tensors)
        loss = gradients(state, batch, self._mixed)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        program.loss.copy_(loss)

    def _record(self, program: _Program, tell: Callable[..., object]) -> None:
        """Record a step that has just been done, so that all that is cached is there."""
        optimizer = self._state.optimizer
        optimizer.zero_grad(set_to_none=True)
        try:
            with collecting_indices() as program.kept, _capturable(optimizer):
                program.replay = self._recorder.record(lambda: self._work(program))
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            self._records = False
            self._programs.clear()
            tell(f"Steps are computed one by one on this GPU ({cause(error)}).", expert=True)
        optimizer.zero_grad(set_to_none=True)  # They lie in memory of the graphs.


class _Program:
    """Where the steps of a kind find what they need, and leave their loss."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.numbers = torch.empty(1 + len(recipe.numbers), dtype=torch.float64, device=device)
        self.tensors = tuple(torch.empty_like(part, device=device) for part in recipe.tensors)
        self.loss = torch.zeros((), device=device)
        self.runs = 0
        self.replay: Work | None = None
        self.kept: list[Tensor] = []


@contextmanager
def _capturable(optimizer: torch.optim.Adam) -> Iterator[None]:
    """Let an optimizer be recorded; elsewhere it would warn that it could be."""
    (group,) = optimizer.param_groups
    group["capturable"] = True
    try:
        yield
    finally:
        group["capturable"] = False
