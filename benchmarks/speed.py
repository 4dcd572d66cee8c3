"""How fast is it, against the method written down plainly, on the same machine in the same run?

    python benchmarks/speed.py [--device auto] [--threads 1] [--runs 7] [--peers PEERS/bin/python]
    python benchmarks/speed.py --curve

The plain reference (`tests/core/naive.py`) computes in float32, shares nothing between shifts and
keeps the gradient in f^, as published. Runs of all ways alternate; the table shows their medians,
and the peak memory of each way in a process of its own. With `--threads 1`, a CPU's times are
those of the processor: other programs that run meanwhile do not count. `--curve` trains both for
200 steps on the same crops. Peers run in an environment of their own, see `peers.py`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from napari_aprrd.core.config import ALL_SHIFTS, DenoiseConfig, DistillConfig
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.core.method.apr import apr_loss, replacer_maps
from napari_aprrd.core.method.rd import distillation_loss
from napari_aprrd.core.model.architecture import Architecture, NetworkKind
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.hardware import Precision, autocast, pick_device
from napari_aprrd.core.model.trials import Trial, pick_precision

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "core"))
import naive

CHANNELS, WIDTH, DEPTH = 3, 48, 5  # the paper's networks, on RGB
BATCH, PATCH, SHIFT = 4, 64, 5


class Case(NamedTuple):
    what: str
    unit: str
    amount: float  # of units in a run
    ways: dict[str, Callable[[], Any]]  # the first is the reference


def main() -> None:
    options = _options()
    device = pick_device(options.device)
    torch.set_num_threads(options.threads)
    print(json.dumps({"device": str(device), "threads": torch.get_num_threads()}), flush=True)
    if options.curve:
        curves(device)
    else:
        table(device, options.runs, options.only)
    if options.peers:
        script = Path(__file__).with_name("peers.py")
        subprocess.run([options.peers, script, "speed", str(torch.get_num_threads())], check=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", nargs="*", help=", ".join(make.__name__ for make in CASES))
    parser.add_argument("--peers", help="Python of the peers.")
    parser.add_argument("--curve", action="store_true", help="Compare the losses of 200 steps.")
    return parser.parse_args()


def table(device: torch.device, runs: int, only: Sequence[str] | None) -> None:
    cases = [make for make in CASES if not only or make.__name__ in only]
    # A GPU counts anew whenever it is asked to, and starting a process on it takes seconds. Of a
    # CPU first, while this process is small: a new one inherits the peak of its parent.
    peak = _peak if device.type == "cuda" else _in_fresh_process
    mb = {(make, way): peak(make, way, device) for make in cases for way in make(device).ways}
    print("| what | way | seconds | times faster | per second | MB more |")
    print(f"|{' --- |' * 6}")
    for make in cases:
        case = make(device)
        seconds = medians(case.ways, runs, device)
        plain = next(iter(seconds.values()))
        for way, s in seconds.items():
            speed = f"{case.amount / s:.3g} {case.unit}"
            cells = [case.what, way, f"{s:.3f}", f"{plain / s:.1f}", speed, f"{mb[make, way]:.0f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def medians(
    ways: dict[str, Callable[[], Any]], runs: int, device: torch.device
) -> dict[str, float]:
    """Seconds of each way; their runs alternate, and a first one is not counted."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(1 + runs):
        for way, run in ways.items():
            begun = clock()
            run()
            synchronise(device)
            times[way].append(clock() - begun)
    return {way: statistics.median(seconds[1:]) for way, seconds in times.items()}


def synchronise(device: torch.device) -> None:
    """Wait for what the device was asked to do."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def _in_fresh_process(make: Callable[..., Case], way: str, device: torch.device) -> float:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak, make, way, device).result()


def _peak(make: Callable[..., Case], way: str, device: torch.device) -> float:
    """MB that two runs take at most above what is there before; on MPS, what they keep."""
    ways = make(device).ways
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    before = _memory(device)
    for _ in range(2):
        ways[way]()
    return _memory(device) - before


def _memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def denoiser(kind: NetworkKind, device: torch.device, **size: int) -> Denoiser:
    """Random weights, the same each time; the paper's size unless another is given."""
    size = {"channels": CHANNELS, "width": WIDTH, "depth": DEPTH, **size}
    normalisation = Normalisation((100.0,) * size["channels"], (30.0,) * size["channels"])
    return Denoiser.fresh(Architecture(kind=kind, **size), normalisation, 0).to(str(device))


def plain_copy(network: nn.Module) -> dict[str, nn.Parameter]:
    """Weights for the plain reference: contiguous."""
    return {
        name: nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format))
        for name, weight in network.named_parameters()
    }


def batch(device: torch.device, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Crops of synthetic cells in three colours, and the replacer's maps."""
    image, _ = noisy_cells((256, 256), kind="blobby")
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    places = rng.integers(0, 256 - PATCH, (BATCH, CHANNELS, 2))
    crops = [[image[r : r + PATCH, c : c + PATCH] for r, c in three] for three in places]
    values = torch.from_numpy((np.array(crops) - image.mean()) / image.std()).float()
    maps = replacer_maps(BATCH, PATCH, PATCH, generator=generator)
    return values.to(device), maps.to(device)


def plain_training(device: torch.device, **settings: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """Take a step of training, plainly."""
    state = plain_copy(denoiser("blind-spot", device).network)
    optimizer = torch.optim.Adam(state.values(), lr=3e-4)
    return lambda values, maps: naive.apr_step(state, optimizer, values, maps, **settings)


def tried(kind: NetworkKind, device: torch.device) -> Precision:
    """The precision of "auto" for the steps of this file."""
    return pick_precision(device, "auto", Trial(denoiser(kind, device).architecture, BATCH, PATCH))


def training(device: torch.device, precision: Precision) -> Callable[[Tensor, Tensor], Tensor]:
    """Take a step of training, as the engine does."""
    network = denoiser("blind-spot", device).network
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-4, fused=True)

    def step(values: Tensor, maps: Tensor) -> Tensor:
        values = values.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad(set_to_none=True)
        with autocast(device, precision):
            loss = apr_loss(lambda image: network(image, SHIFT), values, maps)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def training_step(device: torch.device) -> Case:
    values, maps = batch(device)
    steps = {
        "plain": plain_training(device),
        "float32": training(device, "float32"),
        "auto": training(device, tried("blind-spot", device)),
    }
    ways = {way: (lambda step=step: step(values, maps)) for way, step in steps.items()}
    return Case("APR training step", "steps", 1, ways)


def distillation_step(device: torch.device) -> Case:
    values, _ = batch(device)
    targets = torch.stack([values + 0.1 * i for i in range(len(ALL_SHIFTS))], dim=1)
    state = plain_copy(denoiser("student-1.00M", device).network)
    plainly = torch.optim.Adam(state.values(), lr=3e-4)

    def fast(precision: Precision) -> Callable[[], None]:
        network = denoiser("student-1.00M", device).network
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-4, fused=True)
        noisy = values.contiguous(memory_format=torch.channels_last)

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            with autocast(device, precision):
                loss = distillation_loss(network(noisy), targets)
            loss.backward()
            optimizer.step()

        return step

    ways = {
        "plain": lambda: naive.distillation_step(state, plainly, values, targets),
        "float32": fast("float32"),
        "auto": fast(tried("student-1.00M", device)),
    }
    return Case("distillation step", "steps", 1, ways)


def targets(device: torch.device, side: int = 512) -> Case:
    teacher = denoiser("blind-spot", device)
    state, image = plain_copy(teacher.network), _image(CHANNELS, side)

    @torch.no_grad()
    def plain() -> None:
        padded = _padded(teacher.normalisation.apply(image), device)
        for shift in ALL_SHIFTS:
            naive.blind_spot(state, padded, shift).cpu()

    def fast(precision: Precision) -> Callable[[], Any]:
        targets = teacher.targets_at(ALL_SHIFTS)
        return lambda: teacher.targets(image, targets, DenoiseConfig(), precision)

    auto = pick_precision(device, "auto", Trial.of_targets(teacher.architecture))
    ways = {"plain": plain, "float32": fast("float32"), "auto": fast(auto)}
    return Case(f"targets T, six shifts, {side} x {side}", "megapixels", side**2 / 1e6, ways)


def student(device: torch.device, side: int = 2048) -> Case:
    size = DistillConfig()  # as students are by default
    model = denoiser("student-1.00M", device, channels=1, width=size.width, depth=size.depth)
    state, image = plain_copy(model.network), _image(1, side)

    @torch.no_grad()
    def plain() -> None:
        naive.unet(state, _padded(model.normalisation.apply(image), device)).cpu()

    config = DenoiseConfig(device=str(device))
    ways = {"plain, whole": plain, "tiled": lambda: model.predict(image, config)}
    return Case(f"student, {side} x {side}", "megapixels", side**2 / 1e6, ways)


def _image(channels: int, side: int) -> Any:
    return np.random.default_rng(0).normal(100, 30, (channels, side, side)).astype(np.float32)


def _padded(image: Any, device: torch.device) -> Tensor:
    """As in the published inference: 16 pixels of reflection."""
    padded = np.pad(image, [(0, 0), (16, 16), (16, 16)], mode="reflect")
    return torch.from_numpy(padded)[None].to(device)


def curves(device: torch.device, steps: int = 200) -> None:
    """Mean loss of every 20 steps, for the plain and the fast training."""
    ways = {
        "plain, as published": plain_training(device),
        "plain, no gradient in f^": plain_training(device, detach=True),
        "float32": training(device, "float32"),
        "auto": training(device, tried("blind-spot", device)),
    }
    losses = [[step(*batch(device, s)) for step in ways.values()] for s in range(steps)]
    blocks = np.array(losses, np.float64).reshape(-1, 20, len(ways)).mean(axis=1)
    print(f"| steps | {' | '.join(ways)} |\n|{' --- |' * (1 + len(ways))}")
    for number, row in enumerate(blocks, start=1):
        print(f"| {20 * number} | {' | '.join(f'{value:.4f}' for value in row)} |")


CASES = (training_step, distillation_step, targets, student)

if __name__ == "__main__":
    main()
