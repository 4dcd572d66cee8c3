"""Are new starting weights better than those that are there?

    python benchmarks/starting.py NEW [--old OLD] [--data DATA] [--device auto] [--jobs 2]

OLD and NEW are folders with the four files that `starter/make.py` makes. Each image is denoised by
the untrained student, which is the first look, and after a training and a distillation of so many
steps, about those of a minute on two cores; stacks with neighbouring planes. Steps rather than
minutes count, so that several jobs can share a machine. Images are simulated cells with noise of
all kinds, and with `--data` the pairs NAME_noisy.tif and NAME_reference.tif of one channel in
DATA. PSNR is after an affine fit. New weights are kept only where first look and result both gain
at least 0.1 dB in the mean, and no kind of image loses more than 0.1 dB.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray

from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.data.planes import Planes
from napari_aprrd.core.data.synthetic import OFFSET, add_noise, cells
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model import pretrained
from napari_aprrd.core.training.two_steps import learn
from napari_aprrd.metrics import evaluate

KINDS = ("white", "blobby", "line-x", "line-y")
STRONG = {
    "photons": 0.01,
    "read": 30.0,
}  # ten times fewer photons than usual, three times the noise
LEAST_GAIN, WORST_LOSS = 0.1, -0.1  # dB: of the mean, and of any kind
SIDE, FRAMES, SEED = 256, 5, 41


class Case(NamedTuple):
    """A noisy image or stack with its truth."""

    kind: str
    noisy: NDArray[Any]  # (Y, X) or (T, Y, X)
    truth: NDArray[Any]


class Job(NamedTuple):
    """What one process does with one image."""

    case: Case
    weights: Path
    options: argparse.Namespace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("new", type=Path)
    parser.add_argument("--old", type=Path, default=pretrained.path_of("teacher").parent)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int, default=1, help="Processes at a time.")
    parser.add_argument("--steps", type=int, nargs=2, default=(250, 800), help="Of both networks.")
    parser.add_argument("--only", nargs="*", help="Kinds of images.")
    options = parser.parse_args()
    cases = [
        case for case in all_cases(options.data) if not options.only or case.kind in options.only
    ]
    jobs = [Job(case, folder, options) for case in cases for folder in (options.old, options.new)]
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=fresh) as pool:
        table([case.kind for case in cases], pool.map(measured, jobs))


def all_cases(data: Path | None) -> Iterator[Case]:
    """Images, then stacks."""
    clean = cells((SIDE, SIDE), seed=SEED)
    film = cells((FRAMES, SIDE, SIDE), seed=SEED)
    still = np.stack([clean] * FRAMES)
    for kind in KINDS:
        yield Case(kind, add_noise(clean, kind=kind, seed=SEED), clean)
    yield Case("strong", add_noise(clean, kind="white", seed=SEED, **STRONG), clean)
    yield Case("strong blobby", add_noise(clean, kind="blobby", seed=SEED, **STRONG), clean)
    level = OFFSET + float(np.median(clean))  # the black level of a camera that was set too high
    noisy = add_noise(clean, kind="white", seed=SEED, **STRONG)
    yield Case("clipped", np.maximum(noisy, np.uint16(level)), clean)
    for kind in ("white", "blobby"):
        yield Case(f"still film, {kind}", add_noise(still, kind=kind, seed=SEED), still)
        yield Case(f"moving film, {kind}", add_noise(film, kind=kind, seed=SEED), film)
    for path in sorted(data.rglob("*_noisy.tif")) if data else ():
        noisy = tifffile.imread(path)
        truth = tifffile.imread(path.with_name(path.name.replace("_noisy", "_reference")))
        if noisy.shape[-1] <= 4:
            continue  # colours
        name, planes = path.name.removesuffix("_noisy.tif"), noisy.reshape(-1, *noisy.shape[-2:])
        truths = np.broadcast_to(truth, planes.shape)
        yield Case(name, planes[0], truths[0])
        if len(planes) > 1 and truth.ndim == 2:  # exposures of one field
            yield Case(f"{name}, stack", planes[:FRAMES], truths[:FRAMES])


def measured(job: Job) -> tuple[float, float]:
    """PSNR in dB of the first look, of single planes only, and of the result."""
    torch.set_num_threads(1)

    def path_of(name: str, *, stacked: bool = False) -> Path:
        return job.weights / f"{name}{'-stack' if stacked else ''}.safetensors"

    pretrained.path_of = path_of
    case, stacked = job.case, job.case.noisy.ndim == 3
    planes: Planes = ArrayPlanes(case.noisy, "TYX" if stacked else "YX")
    common = {"device": job.options.device, "seed": 0}
    first, second = job.options.steps
    training = TrainConfig(steps=first, neighbours=int(stacked), **common)
    learnt = run(learn(planes, training, DistillConfig(steps=second, **common)))
    stack, scores = learnt.model.stacked(planes), []
    for number, truth in enumerate(case.truth if stacked else [case.truth]):
        window = stack.read(number, *(slice(0, length) for length in truth.shape))
        scores.append(evaluate(learnt.model.predict(window)[0], truth).psnr_fitted)
    if stacked:
        return np.nan, float(np.mean(scores))
    look = pretrained.first_look(case.noisy[None].astype(np.float32))[0]
    return evaluate(look, case.truth).psnr_fitted, scores[0]


def table(kinds: list[str], found: Iterator[tuple[float, float]]) -> None:
    """Print old and new as they come, what was gained, and the verdict."""
    heads = ("kind", "first look", "new", "gain", "result", "new", "gain")
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}", flush=True)
    gains: dict[str, list[tuple[float, float]]] = {"planes": [], "stacks": []}
    for kind in kinds:
        (look, result), (new_look, new_result) = next(found), next(found)
        gained = (new_look - look, new_result - result)
        gains["stacks" if np.isnan(look) else "planes"].append(gained)
        values = (look, new_look, gained[0], result, new_result, gained[1])
        print(f"| {kind} | {' | '.join(f'{value:.2f}' for value in values)} |", flush=True)
    for name, part in gains.items():
        if part:
            print(f"{name}: {verdict(np.array(part))}")


def verdict(gains: NDArray[np.float64]) -> str:
    """Whether new weights that gained so much, (kinds, first look and result), are kept."""
    gains = gains[:, ~np.isnan(gains).any(0)]
    mean, worst = gains.mean(0), gains.min(0)
    better = (mean >= LEAST_GAIN).all() and (worst >= WORST_LOSS).all()
    said = (", ".join(f"{value:+.2f}" for value in values) for values in (mean, worst))
    means, worsts = said
    return f"mean {means} dB, worst {worsts} dB: {'keep the new' if better else 'keep the old'}"


if __name__ == "__main__":
    main()
