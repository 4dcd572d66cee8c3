"""After how many seconds of training is an image denoised well?

    python benchmarks/first.py DATA [--image widefield_bpae_r] [--minutes 0.5] [--scratch]
    python benchmarks/first.py DATA --untrained

DATA as in `quality.py`. Twenty times while a teacher trains, its averaged weights denoise the
image; that does not count as time. PSNR is after an affine fit to the reference. `--untrained`
shows what the starting weights make of all images of one channel: the widget's first look.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from quality import find_pairs

from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.jobs import Progress, run
from napari_aprrd.core.model.pretrained import first_look
from napari_aprrd.core.training.train import train
from napari_aprrd.metrics import evaluate

CHECKS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--image", default="widefield_bpae_r")
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--reach", type=float, default=34.5, help="dB after an affine fit.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", action="store_true", help="Start from random weights.")
    parser.add_argument("--untrained", action="store_true")
    options = parser.parse_args()
    if options.untrained:
        untrained(options.data)
        return
    (pair,) = find_pairs(options.data, [options.image])
    planes = ArrayPlanes(pair.noisy, pair.axes)
    image = planes.read(0, *(slice(0, n) for n in planes.sizes[0]))
    every, checked, reached = 60 * options.minutes / CHECKS, 0.0, ""
    print("| seconds | of the processors | steps | dB |\n| --- | --- | --- | --- |")
    begun = time.process_time()

    def check(progress: Progress) -> None:
        nonlocal begun, checked, reached
        if progress.snapshot is None or progress.seconds < checked + every:
            return
        checked, worked = progress.seconds, time.process_time() - begun
        output = progress.snapshot().predict(image)
        quality = evaluate(output[0], pair.reference).psnr_fitted
        print(f"| {checked:.1f} | {worked:.1f} | {progress.step} | {quality:.2f} |", flush=True)
        if quality >= options.reach and not reached:
            reached = f" after {checked:.1f} s, {progress.step} steps"
        begun = time.process_time() - worked

    start = "scratch" if options.scratch else "starter"
    run(train(planes, TrainConfig(minutes=options.minutes, seed=options.seed, start=start)), check)
    print(f"{options.reach:g} dB{reached or ': not reached'}.")


def untrained(data: Path) -> None:
    """PSNR of the noisy images and of first looks at them."""
    print("| image | noisy | first look | seconds |\n| --- | --- | --- | --- |")
    for pair in find_pairs(data):
        if pair.axes == "YX":
            begun = time.perf_counter()
            look = first_look(pair.noisy[None].astype(np.float32))[0]
            seconds = time.perf_counter() - begun
            noisy, first = (evaluate(image, pair.reference) for image in (pair.noisy, look))
            cells = [pair.name, *(f"{s.psnr_fitted:.2f} / {s.psnr:.2f}" for s in (noisy, first))]
            print(f"| {' | '.join(cells)} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
