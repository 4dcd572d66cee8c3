"""Choice of the fastest precision, by a short trial of the very work that is to come."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ..config import ALL_SHIFTS, DistillConfig, TrainConfig
from . import kept_trials
from .architecture import NETWORKS, Architecture, OwnArchitecture
from .hardware import Precision, autocast, is_out_of_memory

# Half precision must be this many times faster, or float32, which is more exact, is used. Chosen,
# not measured, as is the number of runs.
_WORTH = 1.1
_RUNS = (
    3  # timed runs of each, of which the shortest counts: others are disturbed by other programs
)
_PART = 256  # pixels, side of a part of a plane whose targets are computed: about
_LONGEST = 1.0  # seconds that a trial takes, about: no run begins later


@dataclass(frozen=True)
class Trial:
    """The work that precisions are tried on.

    Parameters
    ----------
    architecture : Architecture or OwnArchitecture
        Of the network; weights do not matter.
    batch, patch : int
        Number of images that it is given at once, and their side in pixels.
    learns : bool
        Whether there are gradients, as in a training step; else a teacher gives its outputs at
        all shifts.
    """

    architecture: Architecture | OwnArchitecture
    batch: int
    patch: int
    learns: bool = True

    @classmethod
    def of_steps(
        cls, architecture: Architecture | OwnArchitecture, config: TrainConfig | DistillConfig
    ) -> Trial:
        """Training steps with these settings."""
        return cls(_one_of(architecture), config.batch, config.patch)

    @classmethod
    def of_targets(cls, architecture: Architecture | OwnArchitecture) -> Trial:
        """The targets of distillation, which such a teacher computes."""
        return cls(_one_of(architecture), batch=1, patch=_PART, learns=False)


def _one_of(architecture: Architecture | OwnArchitecture) -> Architecture | OwnArchitecture:
    """Of a network for each channel, one: all of them are alike."""
    if isinstance(architecture, Architecture) and architecture.separate:
        return Architecture.of(architecture, channels=1, separate=False)
    return architecture


def pick_precision(
    device: torch.device, wanted: Precision | Literal["auto"], trial: Trial
) -> Precision:
    """Return the given precision; for "auto" the faster one, found by a short trial.

    Parameters
    ----------
    device : torch.device
    wanted : {"auto", "float32", "bfloat16", "float16"}
        Without a GPU, float16 is replaced by float32: processors have no units for float16.
    trial : Trial
        The network that will run, and its batch.
    """
    if wanted == "float16" and device.type == "cpu":
        return "float32"
    if wanted != "auto":
        return wanted
    return _faster(device, trial) if _is_worth_a_trial(device) else "float32"


def _is_worth_a_trial(device: torch.device) -> bool:
    """Return False for processors without units for bfloat16, which are most laptops'.

    They would emulate it, ten times slower than float32, so that a trial would take seconds.
    """
    if device.type != "cpu":
        return True
    capability = torch.backends.cpu.get_cpu_capability()
    if not capability.startswith("AVX"):
        return True
    has_units = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    return capability != "AVX2" and bool(has_units())


@functools.cache
def _faster(device: torch.device, trial: Trial) -> Precision:
    """The faster precision, from an earlier process where one has tried it."""
    if not isinstance(trial.architecture, Architecture):  # nothing tells one from another
        return _found(device, trial) or "float32"
    described = {**asdict(trial), "architecture": trial.architecture.model_dump(mode="json")}
    work = {"trial": described, **kept_trials.circumstances(device)}
    half = _half(device)
    known = kept_trials.recall(work)
    if known in ("float32", half):
        return "float32" if known == "float32" else half
    found = _found(device, trial)
    if found is not None:
        kept_trials.keep(work, found)
    return found or "float32"


def _found(device: torch.device, trial: Trial) -> Precision | None:
    """The faster precision by a trial; None where that failed."""
    half = _half(device)
    try:
        seconds = _seconds(device, ("float32", half), trial)
    except RuntimeError:  # this device has no kernel for it
        return None
    return half if _WORTH * seconds[half] < seconds["float32"] else "float32"


def _half(device: torch.device) -> Precision:
    """Bfloat16 where the device has units for it: GPUs before Ampere have not."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "float16"
    return "bfloat16"


def _seconds(
    device: torch.device, ways: Sequence[Precision], trial: Trial
) -> dict[Precision, float]:
    """Shortest time of a pass in each precision, the first of which is the usual one."""
    while True:
        try:
            return _shortest(device, ways, trial)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or trial.batch == 1:
                raise
        trial = replace(trial, batch=trial.batch // 2)


def _shortest(
    device: torch.device, ways: Sequence[Precision], trial: Trial
) -> dict[Precision, float]:
    with _freeing_memory(device):
        single = [_Passes(device, way, replace(trial, batch=1)) for way in ways]
        # This also loads the libraries that the work needs in any case: it is not counted.
        usual = single[0].timed()
        begun = time.perf_counter()
        others = [passes.timed() for passes in single[1:]]
        if max(others) > max(usual, _LONGEST):  # emulated
            return dict(zip(ways, (usual, *others), strict=True))
        if device.type == "cpu":  # A part of the batch is as good, and takes a part of the time.
            affordable = int(_LONGEST / (len(ways) * (1 + _RUNS) * usual))
            trial = replace(trial, batch=max(1, min(trial.batch, affordable)))
        whole = [_Passes(device, way, trial) for way in ways]
        for passes in whole:
            passes.prepare()
        times = [[passes.timed() for passes in whole]]
        while len(times) < _RUNS and time.perf_counter() - begun < _LONGEST:
            times.append([passes.timed() for passes in whole])
        return dict(zip(ways, map(min, zip(*times, strict=True)), strict=True))


@contextmanager
def _freeing_memory(device: torch.device) -> Iterator[None]:
    """Give back what a trial took, since tiles are planned by what is free."""
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()


class _Passes:
    """Passes through a network of its own, in one precision."""

    def __init__(self, device: torch.device, precision: Precision, trial: Trial) -> None:
        self._device, self._learns, self._precision = device, trial.learns, precision
        own = trial.architecture
        self._is_teacher = NETWORKS[own.kind].is_teacher
        with torch.random.fork_rng(devices=[]):
            network = own.build()
        self._network: Any = network.to(device)
        seen = (2 * own.neighbours + 1) * own.channels
        side = -(-trial.patch // own.multiple) * own.multiple
        image = torch.ones(trial.batch, seen, side, side, device=device)
        self._image = image.contiguous(memory_format=torch.channels_last)
        self._run: Callable[[], None] = self._pass

    def prepare(self) -> None:
        """Warm up; on CUDA, capture a pass, since else the time to launch it would be measured."""
        self._pass()
        if self._device.type == "cuda":
            self._run = _captured(self._device, self._pass)

    def timed(self) -> float:
        """Seconds of one pass."""
        _wait_for(self._device)
        start = time.perf_counter()
        self._run()
        _wait_for(self._device)
        return time.perf_counter() - start

    def _pass(self) -> None:
        if not self._learns:
            with torch.no_grad(), autocast(self._device, self._precision):
                self._output()
            return
        for parameter in self._network.parameters():
            parameter.grad = None
        with autocast(self._device, self._precision):
            output = self._output()
        output.float().square().mean().backward()  # type: ignore[no-untyped-call]

    def _output(self) -> Tensor:
        network, image = self._network, self._image
        if not self._is_teacher:
            output: Tensor = network(image)
        elif self._learns:
            output = network(image, 1)
        else:
            output = network.all_shifts(image, ALL_SHIFTS)
        return output


def _wait_for(device: torch.device) -> None:
    """Wait for all that a device was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _captured(device: torch.device, work: Callable[[], None]) -> Callable[[], None]:
    """Work on CUDA as one graph, as training runs; as it is where it cannot be captured."""
    graph = torch.cuda.CUDAGraph()
    beside: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream(device))
    try:
        with torch.cuda.device(device), torch.cuda.stream(beside):
            work()
            # Other threads may use the device meanwhile.
            with torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"):
                work()
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        return work
    finally:
        torch.cuda.current_stream(device).wait_stream(beside)
    return graph.replay
