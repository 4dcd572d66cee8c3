"""docs/reproduction.md from what `ablations.py` measured: the paper's tables beside ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import figures
import numpy as np
import pages
from camera import OURS
from verdicts import DATA, Results, T, claims, seeds, spread

# Of the paper, on SIDD validation: PSNR, SSIM.
LAMBDAS = {
    **{0: (37.091, 0.9332), 1: (37.155, 0.9347), 2: (37.147, 0.9326), 4: (37.231, 0.9355)},
    **{8: (37.142, 0.9353), 16: (37.119, 0.9349), 32: (37.063, 0.9351)},
}
TARGETS = {
    "D 6": ("37.90 / 0.945", "38.16 / 0.935"),
    "RD 4": ("37.77 / 0.944", "38.55 / 0.943"),
    "RD 5": ("37.93 / 0.946", "38.56 / 0.942"),
    "RD 6": ("38.00 / 0.947", "38.57 / 0.942"),
    "RD 7": ("37.98 / 0.946", "38.38 / 0.938"),
    "RD 8": ("37.97 / 0.946", "38.35 / 0.939"),
}
Row = Sequence[str]


def write(results: Results, docs: Path) -> None:
    """Write the parts of the page that come from measurements, and its figures."""
    parts: dict[str, Callable[[Results], str]] = {
        "settings": _settings,
        "claims": claims,
        "lambda": _lambdas,
        "targets": _targets,
        "shifts": _shifts,
        "samplers": _samplers,
        "camera": _camera,
    }
    written = {name: part(results) for name, part in parts.items()}
    pages.fill(docs / "reproduction.md", written)
    figures.draw(results, docs / "images")


def _settings(results: Results) -> str:
    used = results["settings"]
    counted = ", ".join(f"{data} {len(seeds(results, data, 'APR', T))}" for data in DATA)
    return (
        f"teachers {used['steps']} steps of two 64 x 64 crops (the paper: 400,000 of eight 256 x "
        f"256), students {used['distill_steps']} steps of four 64 x 64 crops (the paper: 200,000 "
        f"of eight 128 x 128), width 16 and depth 3 (48 and 5), learning rate 3e-3 (3e-4). "
        f"Seeds: {counted}"
    )


def table(head: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _lambdas(results: Results) -> str:
    rows = []
    for value, (psnr, ssim) in LAMBDAS.items():
        name = "APR" if value == 4 else f"lambda {value}"
        ours = [_cell(results, data, name, T) for data in ("wide-field", "photographs")]
        rows.append([f"{value}", f"{psnr:.2f} / {ssim:.3f}", *ours])
    return table(["lambda", "paper, SIDD", "wide-field", "photographs"], rows)


def _targets(results: Results) -> str:
    rows = []
    for j in (2, 4, 5, 6, 7, 8):
        for kind in ("D", "RD"):
            name = f"{kind} {j}"
            ours = [_cell(results, data, name, T) for data in DATA]
            if any(ours) or name in TARGETS:
                rows.append([name, *TARGETS.get(name, ("", "")), *ours])
    return table(["method, j", "paper, SIDD", "paper, DND", *DATA], rows)


def _shifts(results: Results) -> str:
    rows = []
    for data in DATA:
        for name in ("no APR", "APR"):
            cells = [_cell(results, data, name, shift) for shift in range(6)]
            rows.append([f"{data}, {name}", *cells])
    return table(["", *(f"shift {shift}" for shift in range(6))], rows)


def _samplers(results: Results) -> str:
    names = ("no APR", "APR", "window 5", "window 7", "Neighbour2Neighbour")
    words = {"APR": "APR, window 3"}
    rows = [
        [words.get(name, name), *(_cell(results, data, name, T) for data in DATA)] for name in names
    ]
    return table(["pairs from", *DATA], rows)


def _camera(results: Results) -> str:
    rows = []
    for key, found in results.items():
        if key.startswith("camera/"):
            psnr, fitted, ssim = (found[name] for name in ("psnr", "psnr_fitted", "ssim"))
            name = key.removeprefix("camera/")
            rows.append([name, f"{psnr:.2f}", f"{fitted:.2f}", f"{ssim:.3f}"])
    scores = table(["", "PSNR (dB)", "PSNR, fitted (dB)", "SSIM"], rows)
    return f"{scores}\n\n{_against_noisy(results)}"


def _against_noisy(results: Results) -> str:
    ours, noisy = (results[f"camera/{name}"] for name in (OURS, "noisy"))
    changes = [a - b for a, b in zip(ours["each"], noisy["each"], strict=True)]
    return (
        f"Against the noisy photographs, our model changes the PSNR by "
        f"{ours['psnr'] - noisy['psnr']:+.2f} dB (one by one "
        f"{', '.join(f'{change:+.1f}' for change in changes)}) and the SSIM by "
        f"{ours['ssim'] - noisy['ssim']:+.3f}."
    )


def _cell(results: Results, data: str, name: str, shift: int | str) -> str:
    """PSNR after a fit and SSIM, mean and spread over the seeds; empty if not measured."""
    psnr = seeds(results, data, name, shift)
    ssim = seeds(results, data, name, shift, "ssim")
    return f"{spread(psnr)} / {np.mean(ssim):.3f}" if psnr else ""
