"""Are the automatic settings the right ones? A grid search of shift, loss and targets T.

    python benchmarks/settings.py DATA [--only NAME ...] [--shifts 2 3 4 5 6 7] [--steps 300]

For each image: teachers trained at every shift with either loss, denoised with the mean over
shifts 0..k for every k; then the same with the settings that the noise report chooses. Prints
PSNR after an affine fit, and what the choice loses against the best of the grid.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from quality import Pair, find_pairs

from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import ALL_SHIFTS, DenoiseConfig, TrainConfig
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training.train import train
from napari_aprrd.metrics import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--shifts", type=int, nargs="*", default=[2, 3, 4, 5, 6, 7])
    parser.add_argument("--losses", nargs="*", default=["l1", "l2"])
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    pairs = [p for p in find_pairs(options.data, options.only) if p.group != "stack"]
    grid: list[dict[str, Any]] = [{}]
    grid += [{"shift": s, "loss": loss} for s in options.shifts for loss in options.losses]
    print("| image | chosen | dB | best of the grid | dB | lost |")
    print(f"|{' --- |' * 6}")
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for pair in pairs:
            found = pool.map(partial(_train, pair, options.steps), grid, chunksize=1)
            chosen, best = found[0], max((row for row in found[1:]), key=lambda row: max(row[1]))
            k, at = int(np.argmax(best[1])), len(chosen[2]) - 1
            db, best_db = chosen[1][at], best[1][k]
            cells = [pair.name, f"{chosen[0]}, T 0..{at}", f"{db:.2f}"]
            cells += [f"{best[0]}, T 0..{k}", f"{best_db:.2f}", f"{best_db - db:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
            for name, scores, _ in found:
                print(f"    {name}: " + " ".join(f"{v:.2f}" for v in scores), flush=True)


def _train(pair: Pair, steps: int, settings: dict[str, Any]) -> tuple[str, list[float], list[int]]:
    """Settings, PSNR with the mean over shifts 0..k for each k, the shifts that were chosen."""
    torch.set_num_threads(1)
    planes = ArrayPlanes(pair.noisy, pair.axes)
    teacher: Denoiser = run(train(planes, TrainConfig.of(steps=steps, **settings)), None)
    used = teacher.record["train"]["config"]
    image = planes.read(0, *(slice(0, n) for n in planes.sizes[0]))
    shifts = range(max(used["shift"], *ALL_SHIFTS) + 1)
    outputs = [teacher.predict(image, DenoiseConfig(shifts=(s,))) for s in shifts]
    reference = (
        np.moveaxis(pair.reference, -1, 0) if pair.axes.endswith("S") else pair.reference[None]
    )
    means = np.cumsum(outputs, axis=0) / (1 + np.arange(len(outputs)))[:, None, None, None]
    scores = [evaluate(mean, reference).psnr_fitted for mean in means]
    return f"shift {used['shift']} {used['loss']}", scores, list(teacher.shifts)


if __name__ == "__main__":
    main()
