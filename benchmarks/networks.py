"""Which network is best in the time there is? Width, depth and patch under the clock.

    python benchmarks/networks.py DATA [--only NAME ...] [--minutes 1 2 5 15] [--networks ...]

Each network is trained and distilled in the given minutes of one core, as `napari-aprrd denoise
--minutes` shares them, with automatic settings for the rest; as many at once as there are cores.
Prints PSNR of the student after an affine fit, and how many steps there were.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from pathlib import Path
from typing import Any

import torch
from quality import Pair, find_pairs

from napari_aprrd import denoise, distill_rd, train_apr
from napari_aprrd.metrics import evaluate

TEACHERS_SHARE = 0.65
NETWORKS: dict[str, dict[str, Any]] = {  # of teacher and student; {}: the default one
    "16/3": {},
    "16/3 scratch": {"start": "scratch"},
    "8/3": {"width": 8},
    "24/3": {"width": 24},
    "32/3": {"width": 32},
    "16/4": {"depth": 4},
    "32/4, patch 96": {"width": 32, "depth": 4, "patch": 96},
    "16/3, patch 128": {"patch": 128},
    "16/3, batch 8": {"batch": 8},
}
Row = tuple[str, float, str, float, int, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=["widefield_bpae_r", "confocal_mice"])
    parser.add_argument("--minutes", type=float, nargs="*", default=[1, 2, 5, 15])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    options = parser.parse_args()
    jobs = [
        (pair, minutes, network)
        for minutes in options.minutes
        for network in options.networks
        for pair in find_pairs(options.data, options.only)
    ]
    print("| image | minutes | network | dB | teacher's steps | student's |")
    print(f"|{' --- |' * 6}", flush=True)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for name, minutes, network, db, *steps in pool.imap(_measure, jobs, chunksize=1):
            print(
                f"| {name} | {minutes:g} | {network} | {db:.2f} | {steps[0]} | {steps[1]} |",
                flush=True,
            )


def _measure(job: tuple[Pair, float, str]) -> Row:
    torch.set_num_threads(1)
    pair, minutes, network = job
    settings = NETWORKS[network]
    teacher = train_apr(pair.noisy, axes=pair.axes, minutes=minutes * TEACHERS_SHARE, **settings)
    left = minutes - teacher.record["train"]["seconds"] / 60
    student = distill_rd(teacher, pair.noisy, axes=pair.axes, minutes=left, **settings)
    output = denoise(pair.noisy, student, axes=pair.axes)
    db = evaluate(output, pair.reference, rgb=pair.axes.endswith("S")).psnr_fitted
    steps = (teacher.record["train"]["steps"], student.record["distill"]["steps"])
    return pair.name, minutes, network, db, *steps


if __name__ == "__main__":
    main()
