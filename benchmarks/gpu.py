"""How fast is it on this GPU? One table in at most eight minutes.

    python benchmarks/gpu.py [--device auto] [--data DATA] [--only ROW ...]
    python benchmarks/gpu.py --against OTHER/src
    python benchmarks/gpu.py --device cpu --quick

Steps of training as `train_apr` takes them, of the default network and of the paper's on
photographs of many sizes; megapixels of a stack that a student and a teacher denoise, from array
to array; and how good an image is after a call of `denoise` with so many minutes. `--against`
measures another copy of the package as well, row by row in turn, and says how many times faster
this one is. Each row runs in a process of its own with a time limit: what fails or hangs is one
row. DATA is a folder with pairs NAME_noisy.tif and NAME_reference.tif; without it the image is of
simulated cells. PSNR is after an affine fit. `--quick` only shows that all rows run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Found = dict[str, Any]
ROOT = Path(__file__).parents[1]
ALL_IN_ALL = 8 * 60  # seconds, after which no row goes on
LIMIT = 75  # seconds that a row may take on one side, start of the process included
TRAINING = 10.0  # seconds of steps that are timed
WARM = 3.0  # seconds of steps before these
MINUTES = (0.1, 0.25, 0.5, 1.0)  # that `denoise` gets, until the image is good enough
REACH = {"widefield_bpae_r": 35.3}  # dB after an affine fit: what two minutes of two cores reach
IMAGE = "widefield_bpae_r"
PICTURES, PLANES, SIDE = 21, 8, 2048  # photographs; planes of the stack and their side in pixels


def main() -> None:
    options = _options()
    if options.row:
        measure(options)
        return
    print(f"{platform.platform()}, Python {platform.python_version()}, started {time.ctime()}")
    sides = {"here": options.src, **({"there": options.against} if options.against else {})}
    heads = ["what", *sides, *(["times faster"] if options.against else []), "MB", "how"]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}", flush=True)
    ends = time.monotonic() + ALL_IN_ALL
    for row in options.only or rows(options):
        # Here last: where the card slows down as it gets warm, this side is not flattered.
        found = {side: in_process(row, src, options, ends) for side, src in [*sides.items()][::-1]}
        print(f"| {' | '.join(cells(row, [found[side] for side in sides]))} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--src", type=Path, default=ROOT / "src", help="What is measured.")
    parser.add_argument("--against", type=Path, help="The same folder of another version.")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--image", default=IMAGE, help="NAME of a pair in DATA.")
    parser.add_argument("--reach", type=float, help="dB that are good enough.")
    parser.add_argument("--quick", action="store_true", help="Tiny amounts, to see that it runs.")
    parser.add_argument("--limit", type=float, default=LIMIT, help="Seconds for each row and side.")
    parser.add_argument("--only", nargs="*", help=f"Of {', '.join(ROWS)}.")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    return parser.parse_args()


def rows(options: argparse.Namespace) -> list[str]:
    """All rows; the last is repeated with more minutes."""
    minutes = MINUTES[:1] if options.quick else MINUTES
    return [*(row for row in ROWS if row != "quality"), *(f"quality:{m:g}" for m in minutes)]


def in_process(row: str, src: Path, options: argparse.Namespace, ends: float) -> Found:
    """Measure a row in a process of its own: the last line that it printed, and its seconds."""
    command = [sys.executable, __file__, "--row", row, "--device", options.device]
    command += ["--quick"] * options.quick + ["--image", options.image]
    command += ["--data", str(options.data)] if options.data else []
    command += ["--reach", str(options.reach)] if options.reach else []
    path = os.pathsep.join([str(src.resolve()), *filter(None, [os.environ.get("PYTHONPATH")])])
    limit, begun, error = min(options.limit, ends - time.monotonic()), time.monotonic(), ""
    if limit < 1:
        return {"failed": "no time is left"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit,
            env={**os.environ, "PYTHONPATH": path},
        )
        out, error = done.stdout, done.stderr if done.returncode else ""
    except subprocess.TimeoutExpired as expired:
        out, error = _text(expired.stdout), f"did not end in {limit:.0f} s"
    found: Found = {"seconds": time.monotonic() - begun}
    for line in out.splitlines():
        found |= json.loads(line) if line.startswith("{") else {}
    if error:
        print(error, file=sys.stderr, flush=True)
        found["failed"] = error.strip().splitlines()[-1][:80].replace("|", "/")
    return found


def _text(out: str | bytes | None) -> str:
    return out.decode() if isinstance(out, bytes) else out or ""


def cells(row: str, found: list[Found]) -> list[str]:
    """A row of the table; of two sides, with the ratio of their speeds."""
    first = found[0]
    values = [f"{one['value']:.4g} {one['unit']}" if "value" in one else "" for one in found]
    what = next((one["what"] for one in found if "what" in one), row)
    ratio = []
    if len(found) > 1:
        here, there = (one.get("value") for one in found)
        ratio = [f"{here / there:.2f}" if here and there and first["unit"] != "dB" else ""]
    how = [first.get("how", ""), f"{first.get('seconds', 0):.0f} s in all"]
    how += [f"FAILED: {one['failed']}" for one in found if "failed" in one]
    return [what, *values, *ratio, f"{first.get('mb', 0):.0f}", "; ".join(filter(None, how))]


# --- In the process of a row ----------------------------------------------------------------------


def measure(options: argparse.Namespace) -> None:
    """Print what was found in lines of JSON, of which the last ones count."""
    from napari_aprrd.core.model.hardware import pick_device

    name, _, amount = options.row.partition(":")
    device = pick_device(options.device)
    for found in ROWS[name](str(device), options, amount):
        memory = {"mb": megabytes(device)}
        print(json.dumps({**found, **memory}), flush=True)


def megabytes(device: torch.device) -> float:
    """Peak of the device's memory; on MPS, what is kept."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 2**20
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


def device_row(device: str, options: argparse.Namespace, amount: str) -> Iterator[Found]:
    """What is measured on."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    how = f"{name}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}, {os.cpu_count()} cores"
    yield {"what": "device", "how": how}


def default_training(device: str, options: argparse.Namespace, amount: str) -> Iterator[Found]:
    """Steps per second of a training with default settings."""
    from napari_aprrd.core.config import TrainConfig
    from napari_aprrd.core.data.planes import MemoryPlanes
    from napari_aprrd.core.data.synthetic import noisy_cells

    noisy, _ = noisy_cells((512, 512), kind="white")
    planes = MemoryPlanes([noisy[None].astype(np.float32)])
    config = TrainConfig(steps=100_000, device=device)
    yield from steps("training, default, 512 x 512", planes, config, options)


def paper_training(device: str, options: argparse.Namespace, amount: str) -> Iterator[Found]:
    """Steps per second of the paper's training on photographs of many sizes."""
    from napari_aprrd.core.config import TrainConfig
    from napari_aprrd.core.data.planes import MemoryPlanes

    planes = MemoryPlanes(photographs(2 if options.quick else PICTURES), True)
    config = TrainConfig(preset="paper", patch=128, batch=8, device=device)
    yield from steps("paper's training, RGB, 48/5, 8 x 128 x 128", planes, config, options)


def photographs(count: int) -> list[NDArray[np.float32]]:
    """Smooth and fine structure in three colours with noise, 0 to 255, all of different sizes."""
    rng, images = np.random.default_rng(0), []
    for number in range(count):
        size = (3, 500 + 37 * number, 1100 - 23 * number)
        scales = [gaussian_filter(rng.normal(size=size), (0, s, s)) * s for s in (1, 4, 16)]
        image = 120 + 60 * sum(scales) + rng.normal(0, 12, size)
        images.append(image.clip(0, 255).round().astype(np.float32))
    return images


def steps(what: str, planes: Any, config: Any, options: argparse.Namespace) -> Iterator[Found]:
    """The pace of a training in its middle; it is left before its end."""
    from napari_aprrd.core.training.train import train

    warm, timed = (0.1, 0.5) if options.quick else (WARM, TRAINING)
    called, marks = time.perf_counter(), list[tuple[float, int]]()
    job = train(planes, config)
    for progress in job:
        if progress.loss is None:
            continue
        now = time.perf_counter()
        if marks and now < marks[0][0] + warm and len(marks) < 2:
            continue
        marks.append((now, progress.step))  # the first step; then all after the warm-up
        if len(marks) > 2 and now > marks[1][0] + timed:
            break
    model = progress.snapshot() if progress.snapshot else None
    job.close()
    (since, before), (until, after) = marks[1], marks[-1]
    each = (until - since) / max(after - before, 1)
    record = {} if model is None else model.record.get("train", {}).get("config", {})
    how = f"{record.get('precision', '')}, first step after {marks[0][0] - called:.1f} s"
    how = f"{1e3 * each:.3g} ms, {how}"
    yield {"what": what, "value": 1 / each, "unit": "steps/s", "how": how}


def student(device: str, options: argparse.Namespace, amount: str) -> Iterator[Found]:
    """Megapixels per second of a student."""
    yield from denoising("student-1.00M", device, options)


def teacher(device: str, options: argparse.Namespace, amount: str) -> Iterator[Found]:
    """Megapixels per second of a teacher at all shifts."""
    yield from denoising("blind-spot", device, options)


def denoising(kind: Any, device: str, options: argparse.Namespace) -> Iterator[Found]:
    """Denoise a stack of uint16, from array to array, with a model of the default size."""
    import napari_aprrd as aprrd
    from napari_aprrd.core.config import DistillConfig
    from napari_aprrd.core.data.scaling import Calibration, Normalisation
    from napari_aprrd.core.model.architecture import Architecture
    from napari_aprrd.core.model.denoiser import Denoiser

    size = DistillConfig()
    architecture = Architecture(kind=kind, channels=1, width=size.width, depth=size.depth)
    model = Denoiser.fresh(architecture, Normalisation((1000.0,), (300.0,)), seed=0)
    model.calibration = Calibration((1.1,), (3.0,))
    planes, side = (2, 256) if options.quick else (PLANES, SIDE)
    stack = np.random.default_rng(0).normal(1000, 300, (planes, side, side))
    stack = stack.clip(0, 65_535).astype(np.uint16)
    times = []
    for _ in range(4):  # the first time warms up; the shortest counts
        begun = time.perf_counter()
        clean = aprrd.denoise(stack, model, axes="ZYX", progress=False, device=device)
        times.append(time.perf_counter() - begun)
        assert clean.dtype == np.uint16
        assert clean.shape == stack.shape
        if len(times) > 1:
            value = stack.size / min(times[1:]) / 1e6
            what = f"{'student' if 'student' in kind else 'teacher'}, {side} x {side} uint16"
            how = f"{planes} planes, the first time {times[0]:.1f} s"
            yield {"what": what, "value": value, "unit": "Mpx/s", "how": how}


def quality(device: str, options: argparse.Namespace, amount: str) -> Iterator[Found]:
    """How good an image is after a call of `denoise` with so many minutes."""
    import napari_aprrd as aprrd
    from napari_aprrd.metrics import evaluate

    minutes = float(amount or MINUTES[0]) / (10 if options.quick else 1)
    noisy, truth = pair(options)
    begun = time.perf_counter()
    given = {"minutes": minutes, "dtype": "float32", "device": device}
    clean = aprrd.denoise(noisy, axes="YX", progress=False, **given)
    seconds = time.perf_counter() - begun
    reach = options.reach or (REACH.get(options.image) if options.data else None)
    before, after = (evaluate(image, truth).psnr_fitted for image in (noisy, clean))
    goal = f", to reach {reach:g}" if reach else ""
    how = f"{seconds:.1f} s from the call, noisy {before:.2f} dB{goal}"
    yield {"what": f"denoise, {minutes:g} min", "value": after, "unit": "dB", "how": how}


def pair(options: argparse.Namespace) -> tuple[NDArray[Any], NDArray[Any]]:
    """A noisy image and its reference: of a folder, or of simulated cells."""
    if options.data is None:
        from napari_aprrd.core.data.synthetic import noisy_cells

        return noisy_cells((128, 128) if options.quick else (512, 512), kind="blobby")
    import tifffile

    noisy, truth = (
        tifffile.imread(next(options.data.rglob(f"{options.image}_{which}.tif")))
        for which in ("noisy", "reference")
    )
    return noisy.reshape(-1, *noisy.shape[-2:])[0], truth.reshape(-1, *truth.shape[-2:])[0]


ROWS: dict[str, Callable[[str, argparse.Namespace, str], Iterator[Found]]] = {
    "device": device_row,
    "default": default_training,
    "paper": paper_training,
    "student": student,
    "teacher": teacher,
    "quality": quality,
}

if __name__ == "__main__":
    main()
