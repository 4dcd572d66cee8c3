"""Is the trust report right? Ten results of known quality, by models that are trained here.

    python benchmarks/trust.py DATA [--steps 400]

DATA is a folder with pairs NAME_noisy.tif and NAME_reference.tif, at any depth; without it, only
the synthetic cases run. Good results come from models that were trained and distilled as a user
would; all others are made worse on purpose. The error is against the reference, in units of the
noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import napari_aprrd as aprrd
from napari_aprrd.core.data.synthetic import noisy_cells

Image = NDArray[np.float32]
NEW = 10  # steps of an under-trained model


class Scene(NamedTuple):
    noisy: Image  # (T, Y, X)
    truth: Image
    good: Image
    new: Image  # by a model that learnt next to nothing


class Case(NamedTuple):
    scene: str
    name: str
    make: Callable[[Scene], Image]
    wanted: str  # the check that must fail, or nothing


CASES = [
    Case("white", "trained", lambda s: s.good, ""),
    Case("white", "over-smoothed", lambda s: gaussian_filter(s.good, (0, 2, 2)), "Signal"),
    Case("white", f"{NEW} steps", lambda s: s.new, "Signal"),
    Case("white", "shifted", lambda s: s.good + (s.noisy - s.truth).std() / 2, "Brightness"),
    Case("blobby", "trained", lambda s: s.good, ""),
    Case("blobby", f"{NEW} steps", lambda s: s.new, "Signal"),
    Case("confocal_mice", "trained", lambda s: s.good, ""),
    Case("confocal_mice", f"{NEW} steps", lambda s: s.new, "Signal"),
    Case(
        "widefield_bpae_r", "over-smoothed", lambda s: gaussian_filter(s.good, (0, 3, 3)), "Signal"
    ),
    Case("widefield_bpae_r", "30 % noise", lambda s: 0.7 * s.good + 0.3 * s.noisy, "Noise"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=400, help="To train; to distil, 4 times more.")
    options = parser.parse_args()
    print("| image | result | error | wanted | said | |\n|" + 6 * " --- |")
    scenes: dict[str, Scene | None] = {}
    for case in CASES:
        if case.scene not in scenes:
            scenes[case.scene] = _scene(case.scene, options)
        scene = scenes[case.scene]
        if scene is not None:
            print(_line(case, scene), flush=True)


def _scene(name: str, options: argparse.Namespace) -> Scene | None:
    if name in ("white", "blobby"):
        noisy, truth = noisy_cells((4, 256, 256), kind=name)  # type: ignore[arg-type]
    else:
        found = sorted(options.data.rglob(f"{name}_noisy.tif")) if options.data else []
        if not found:
            return None
        noisy = tifffile.imread(found[0])[:1]
        truth = tifffile.imread(str(found[0]).replace("_noisy", "_reference"))[None]
        truth = np.polyval(np.polyfit(truth.ravel(), noisy.ravel(), 1), truth)
    quiet: dict[str, Any] = {"axes": "TYX", "progress": False}
    teacher = aprrd.train_apr(noisy, steps=options.steps, **quiet)
    student = aprrd.distill_rd(teacher, noisy, steps=4 * options.steps, **quiet)
    models = (student, aprrd.train_apr(noisy, steps=NEW, start="scratch", **quiet))
    made = (aprrd.denoise(noisy, model, dtype="float32", **quiet) for model in models)
    return Scene(noisy.astype(np.float32), truth.astype(np.float32), *made)


def _line(case: Case, scene: Scene) -> str:
    result = case.make(scene)
    report = aprrd.trust_report(scene.noisy, result, axes="TYX")
    error = float(np.sqrt(np.mean((result - scene.truth) ** 2))) / report.noise.sigma
    said = [f"{v.check} {v.status}" for v in report.verdicts if v.status != "good"]
    right = any(s.startswith(case.wanted) for s in said) if case.wanted else not said
    cells = [case.scene, case.name, f"{error:.2f}", case.wanted or "all good"]
    cells += [", ".join(said) or "all good", "right" if right else "**wrong**"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
