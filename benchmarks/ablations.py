"""The paper's ablations and claims on real data that fits a small machine.

    python benchmarks/ablations.py DATA [--steps 150] [--distill-steps 200] [--seeds 3]

DATA holds polyu/camera_rgb and fmd/NAME as pairs NAME_noisy.tif and NAME_reference.tif. What was
measured is kept in WORK/results.json, so that an interrupted run goes on where it was;
docs/reproduction.md and its figures are written anew at the end of a run (--report: only that; the
first seed must be complete).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import reproduction
import tifffile
import torch
from camera import camera_methods
from numpy.typing import NDArray
from samplers import correlations, train_neighbour2neighbour

from napari_aprrd.core.atomic_files import write_atomically
from napari_aprrd.core.config import DenoiseConfig, DistillConfig, TrainConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model.denoiser import Denoiser, load
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train
from napari_aprrd.metrics import evaluate, to_uint8

_PLAIN: dict[str, Any] = {"adapt": False, "start": "scratch"}  # as the paper does
SHIFTS = tuple(range(8))
LAMBDAS = (0, 1, 2, 8, 16, 32)  # and 4, which is "APR"
TEACHERS: dict[str, dict[str, Any]] = {
    "APR": {},
    "no APR": {"replace": False},
    **{f"lambda {value}": {"regularization": value} for value in LAMBDAS},
    **{f"window {side}": {"window": side} for side in (5, 7)},
    "Neighbour2Neighbour": {},
}
STUDENTS: dict[str, dict[str, Any]] = {
    f"{name} {j}": {"recharge": name == "RD", "shifts": tuple(range(j))}
    for j in (2, 4, 6, 8)
    for name in ("D", "RD")
}


class Pairs(NamedTuple):
    """Real noisy images (N, C, H, W) and their references."""

    name: str
    noisy: NDArray[np.float32]
    reference: NDArray[np.float32]
    teachers: tuple[str, ...]


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    store = options.work / "results.json"
    results = json.loads(store.read_text()) if store.exists() else {}
    torch.set_num_threads(1)
    for key, measure in () if options.report else _jobs(options):
        if key not in results:
            results[key] = measure()
            text = json.dumps(results, indent=1)
            write_atomically(store, partial(Path.write_text, data=text))
            print(key, flush=True)
    reproduction.write(results, options.docs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=150, help="Of each teacher.")
    parser.add_argument("--distill-steps", type=int, default=200, help="Of each student.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--side", type=int, default=256, help="Of the central crops, pixels.")
    parser.add_argument("--camera-steps", type=int, default=600, help="Of the camera's teacher.")
    parser.add_argument("--published", type=Path, help="Published student, a *.pth file.")
    parser.add_argument("--work", type=Path, default=Path("ablations"))
    parser.add_argument("--docs", type=Path, default=Path(__file__).parents[1] / "docs")
    parser.add_argument("--report", action="store_true", help="Measure nothing.")
    return parser.parse_args()


def _jobs(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is measured, the important first; each result is kept under its key."""
    yield "settings", lambda: {k: str(v) for k, v in vars(options).items() if k not in _PATHS}
    sets = _read(options.data, options.side)
    for pairs in sets:
        yield f"{pairs.name}/correlation", partial(correlations, pairs.noisy, pairs.reference)
        yield f"{pairs.name}/noisy", partial(_scores, pairs.noisy, pairs.reference)
    for name, measure in camera_methods(options).items():
        yield f"camera/{name}", measure
    for seed in range(options.seeds):
        for pairs in sets:
            teacher = options.work / f"{pairs.name}_{seed}_{options.steps}.aprrd"
            for name in pairs.teachers:
                job = partial(_teacher, pairs, name, seed, options.steps, teacher)
                yield f"{pairs.name}/{name}/seed {seed}", job
            for name in STUDENTS:
                job = partial(_student, pairs, name, seed, options.distill_steps, teacher)
                yield f"{pairs.name}/{name}/seed {seed}", job


_PATHS = ("data", "work", "docs", "report", "published")


def _read(data: Path, side: int) -> list[Pairs]:
    """Central crops: one frame each with blobby and with white noise, and six photographs."""
    few = tuple(name for name in TEACHERS if name not in ("window 7", "lambda 2", "lambda 8"))
    sets = [
        ("fmd/widefield_bpae_r", "wide-field", 1, few),
        ("fmd/confocal_fish", "confocal", 1, ("APR", "no APR")),
        ("polyu/camera_rgb", "photographs", 6, tuple(TEACHERS)),
    ]
    read = []
    for path, name, count, teachers in sets:
        noisy = tifffile.imread(data / f"{path}_noisy.tif")[:count]
        reference = tifffile.imread(data / f"{path}_reference.tif")
        reference = np.broadcast_to(reference, noisy.shape)  # one for all exposures
        read.append(Pairs(name, *(_planar(a, side) for a in (noisy, reference)), teachers))
    return read


def _planar(images: NDArray[Any], side: int) -> NDArray[np.float32]:
    """(N, H, W) or (N, H, W, 3) -> the middle of each, (N, C, side, side)."""
    images = np.moveaxis(images, -1, 1) if images.ndim == 4 else images[:, None]
    top, left = ((n - side) // 2 for n in images.shape[2:])
    return images[:, :, top : top + side, left : left + side].astype(np.float32)


def _teacher(pairs: Pairs, name: str, seed: int, steps: int, kept: Path) -> dict[str, Any]:
    """Train; scores at each shift, and of the mean over the paper's six."""
    config = TrainConfig.of(**_PLAIN, steps=steps, seed=seed, batch=2, **TEACHERS[name])
    planes = MemoryPlanes(list(pairs.noisy))
    job = train_neighbour2neighbour if name == "Neighbour2Neighbour" else train
    teacher = run(job(planes, config))
    if name == "APR":
        teacher.save(kept)
    wanted = teacher.targets_at(SHIFTS)
    outputs = [teacher.targets(y, wanted, DenoiseConfig()) for y in pairs.noisy]
    outputs = np.stack(outputs, axis=1)
    scores = [_scores(_in_grey(teacher, output), pairs.reference) for output in outputs]
    mean = _scores(_in_grey(teacher, outputs[:6].mean(0)), pairs.reference)
    return {"shifts": scores, "mean": mean, "seconds": teacher.record["train"]["seconds"]}


def _in_grey(teacher: Denoiser, outputs: NDArray[Any]) -> NDArray[np.float32]:
    return np.stack([teacher.normalisation.undo(output) for output in outputs])


def _student(pairs: Pairs, name: str, seed: int, steps: int, kept: Path) -> dict[str, Any]:
    config = DistillConfig.of(**_PLAIN, steps=steps, seed=seed, **STUDENTS[name])
    student = run(distill(load(kept), MemoryPlanes(list(pairs.noisy)), config))
    raw = DenoiseConfig(calibrate=False)  # the paper has no calibration
    outputs = np.stack([student.predict(y, raw) for y in pairs.noisy])
    return {"mean": _scores(outputs, pairs.reference)}


def _scores(images: NDArray[Any], references: NDArray[Any]) -> dict[str, float]:
    """Means over the images, 8 bits each."""
    rows = [
        evaluate(to_uint8(np.moveaxis(x, 0, -1)), np.moveaxis(r, 0, -1), data_range=255, rgb=True)
        for x, r in zip(images, references, strict=True)
    ]
    return {
        name: float(np.mean([getattr(row, name) for row in rows]))
        for name in ("psnr", "psnr_fitted", "ssim")
    }


if __name__ == "__main__":
    main()
