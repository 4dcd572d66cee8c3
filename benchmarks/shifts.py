"""Are the shifts of the targets T the right ones? The automatic choice against all others.

    python benchmarks/shifts.py DATA [--only NAME ...] [--steps 110]

For each image of the pairs NAME_noisy.tif and NAME_reference.tif (of photographs, each of them): a
teacher with automatic settings, and the mean of its outputs over shifts 0..k, recharged by
measurement, for every k. Prints PSNR after an affine fit: at the k that the estimate of the error
chooses, at that of training (the rule where nothing is estimated), and at the best k.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from quality import Pair, find_pairs

from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import DenoiseConfig, TrainConfig
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training.restore_detail import restore_detail
from napari_aprrd.core.training.train import train
from napari_aprrd.metrics import evaluate

_FARTHEST = 6  # the largest shift that is tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--steps", type=int, default=110)
    options = parser.parse_args()
    print("| image | chosen | dB | by rule | dB | best | dB | lost |")
    print(f"|{' --- |' * 8}")
    pairs = list(_pairs(options.data, options.only))
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for pair, (chosen, rule, scores) in zip(
            pairs, pool.imap(partial(_train, options.steps), pairs), strict=True
        ):
            best = 1 + int(np.argmax(scores[1:]))
            cells = [pair.name]
            for last in (chosen, rule, best):
                cells += [f"0..{last}", f"{scores[last]:.2f}"]
            print(f"| {' | '.join(cells)} | {scores[best] - scores[chosen]:.2f} |", flush=True)


def _pairs(data: Path, only: list[str] | None) -> Iterator[Pair]:
    """Single images, photographs one by one."""
    for pair in find_pairs(data, only):
        path = data / pair.group / f"{pair.name}_noisy.tif"
        if not pair.axes.endswith("S"):
            if pair.group != "stack":
                yield pair
            continue
        references = tifffile.imread(path.with_name(f"{pair.name}_reference.tif"))
        for number, images in enumerate(zip(tifffile.imread(path), references, strict=True)):
            yield Pair(f"{pair.name} {number}", pair.group, pair.axes, *images)


def _train(steps: int, pair: Pair) -> tuple[int, int, list[float]]:
    """The largest shift that is chosen, that of the rule, and PSNR with the mean over 0..k."""
    torch.set_num_threads(1)
    planes = ArrayPlanes(pair.noisy, pair.axes)
    teacher: Denoiser = run(train(planes, TrainConfig(steps=steps)), None)
    used, chosen = teacher.record["train"]["config"], max(teacher.shifts)
    image = planes.read(0, *(slice(0, n) for n in planes.sizes[0]))
    last = max(_FARTHEST, used["shift"])
    outputs = teacher.targets(image, range(last + 1), DenoiseConfig())
    noisy, undo = teacher.normalisation.apply(image), teacher.normalisation.undo
    reference: NDArray[np.uint8] = (
        np.moveaxis(pair.reference, -1, 0) if pair.axes.endswith("S") else pair.reference[None]
    )
    means = (outputs[: k + 1].mean(0, keepdims=True) for k in range(last + 1))
    made = (undo(restore_detail(mean, noisy)[0]) for mean in means)
    scores = [evaluate(image, reference).psnr_fitted for image in made]
    return chosen, used["shift"] if used["replace"] else chosen, scores


if __name__ == "__main__":
    main()
