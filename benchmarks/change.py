"""Does the trust report see how much of what changes a model with neighbours replaced?

    python benchmarks/change.py STACK_clean.tif [--steps 300]

STACK_clean.tif is a clean series (T, Y, X) of things that move, such as lysosomes01_clean.tif;
Poisson noise of the given peak is added. Results are compared with the truth: of teachers of planes
alone, and of two neighbours on either side, by the outputs that were chosen and by those with
neighbours; and of their students.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

import napari_aprrd as aprrd
from napari_aprrd.core.trust.pairs import band

Stack = NDArray[np.float64]
FRAMES, SIDE, DETAIL = 10, 160, 4  # frames, pixels, and the width of the detail that is compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clean", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--peak", type=float, default=20)
    options = parser.parse_args()
    clean = tifffile.imread(options.clean)[:FRAMES, :SIDE, :SIDE].astype(float)
    truth = clean.clip(0) * options.peak / np.percentile(clean, 99.9)
    rng = np.random.default_rng(0)
    noisy = rng.poisson(truth) + rng.normal(0, 1, truth.shape)
    print("| result | error | truly replaced | reported | verdict |\n|" + 5 * " --- |")
    quiet: dict[str, Any] = {"axes": "TYX", "progress": False}
    for neighbours in (0, 2):
        sizes = {"width": 16, "depth": 3, "batch": 4, "patch": 64}
        teacher = aprrd.train_apr(
            noisy, neighbours=neighbours, steps=options.steps, **sizes, **quiet
        )
        for views in dict.fromkeys([teacher.views, "with" if neighbours else "alone"]):
            teacher.record["target_views"] = views
            output = aprrd.denoise(noisy, teacher, **quiet)
            report = aprrd.trust_report(noisy, output, teacher, axes="TYX")
            print(_line(f"k = {neighbours}, {views}", truth, output, report), flush=True)
        student = aprrd.distill_rd(teacher, noisy, steps=3 * options.steps, **quiet)
        output = aprrd.denoise(noisy, student, **quiet)
        report = aprrd.trust_report(noisy, output, student, axes="TYX")
        targets = student.record["distill"]["config"]["targets"]
        print(_line(f"k = {neighbours}, student, {targets}", truth, output, report), flush=True)


def _line(name: str, truth: Stack, output: Stack, report: aprrd.TrustReport) -> str:
    error = np.sqrt(np.mean((output - truth) ** 2))
    change = report.change
    reported = "" if change is None else f"{100 * (change.faded or 0):.0f} %"
    said = [f"{v.check} {v.status}" for v in report.verdicts if v.status != "good"]
    cells = [name, f"{error:.3f}", f"{100 * replaced(truth, output):.0f} %", reported]
    return f"| {' | '.join([*cells, ', '.join(said) or 'all good'])} |"


def replaced(truth: Stack, output: Stack) -> float:
    """Share of the change in the truth that the output has from its neighbours."""
    around = (truth[:-2] + truth[2:]) / 2
    parts = (truth[1:-1], (truth - output)[1:-1], around)
    detail, lost, around = (np.array([band(frame, DETAIL) for frame in part]) for part in parts)
    change = detail - around
    strong = np.abs(change) > np.quantile(np.abs(change), 0.9)
    both = np.stack([detail[strong], change[strong]], axis=1)
    return float(np.linalg.lstsq(both, lost[strong])[0][1])


if __name__ == "__main__":
    main()
