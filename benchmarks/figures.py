"""Figures 4 and 8 of the paper, from our data."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from verdicts import DATA, Results, seeds


def draw(results: Results, images: Path) -> None:
    """Write the figures; without matplotlib, leave those that are there."""
    if find_spec("matplotlib") is None:
        print("Figures are left as they are: matplotlib is not installed.")
        return
    _save(results, images / "reproduction_correlation.png", _correlation)
    _save(results, images / "reproduction_shifts.png", _shifts)


def _save(results: Results, path: Path, plot: Any) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, data in zip(figure.subplots(1, len(DATA)), DATA, strict=True):
        axes.set_title(data)
        axes.grid(alpha=0.3)
        plot(axes, results, data)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=80)


def _correlation(axes: Any, results: Results, data: str) -> None:
    for name, values in results[f"{data}/correlation"].items():
        colour = "tab:red" if name.startswith("noise") else "tab:blue"
        axes.plot(values, "--" if "APR" in name else "-", marker=".", color=colour, label=name)
    axes.axvspan(-0.5, 4.5, color="grey", alpha=0.15)  # the blind spot of training
    axes.set_xlabel("distance (pixels)")
    axes.set_ylabel("correlation of input and target")


def _shifts(axes: Any, results: Results, data: str) -> None:
    for name, colour in (("no APR", "tab:grey"), ("APR", "tab:red")):
        rows = np.array([seeds(results, data, name, shift) for shift in range(8)])
        axes.errorbar(range(8), rows.mean(1), rows.std(1), marker=".", color=colour, label=name)
    axes.set_xlabel("shift at inference")
    axes.set_ylabel("PSNR, fitted (dB)")
