"""The section "At the paper's size" of docs/reproduction.md, from what `paper_size.py` measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pages
from numpy.typing import NDArray
from reproduction import LAMBDAS, TARGETS, table
from verdicts import T

Results = dict[str, Any]
SHIFTS = tuple(range(8))
_NONE = "Not measured yet."
_USUAL = 4  # lambda of the paper


_SECTION = """## At the paper's size

{settings}

PSNR in dB as it comes out, and SSIM. The last column compares photograph by photograph: mean
difference in PSNR ± its standard error over all of them.

### Regularisation (Table 2), mean of T

{lambdas}

### Targets and recharging (Tables 3 and 4)

{targets}

### Shift at inference, with and without APR (Figure 8)

![PSNR by shift at inference, at the paper's size](images/reproduction_paper_size.png)

{shifts}"""


def write(results: Results, docs: Path) -> None:
    """Write the section and its figure."""
    section = _SECTION.format(
        settings=_settings(results),
        lambdas=_lambdas(results),
        targets=_targets(results),
        shifts=_shifts(results),
    )
    pages.fill(docs / "reproduction.md", {"paper size": section})
    _draw(results, docs / "images" / "reproduction_paper_size.png")


def _settings(results: Results) -> str:
    used = results["settings"]
    counts = used["counts"]
    scored = " and ".join(f"{count} of {name}" for name, count in counts.items())
    others = used["pictures"] - sum(counts.values())
    return (
        f"Width {used['width']}, depth {used['depth']}, one network for the three colours, steps "
        f"of {used['batch']} crops of {used['patch']} x {used['patch']} (the paper: 256 x 256 for "
        f"teachers), learning rate {used['rate']:g} (3e-4), on {used['device']}. Learnt from and "
        f"scored on the photographs {scored}, the central {used['side']} x {used['side']} pixels, "
        f"and learnt from {others} pictures of scikit-image. {_counted(results)}"
    )


def _counted(results: Results) -> str:
    kinds = {
        "The students' teacher": ("teacher",),
        "the other teachers": ("APR", "no APR", "lambda"),
        "students": ("RD", "D"),
    }
    said = []
    for words, names in kinds.items():
        rows = [row for key, row in results.items() if key.startswith(tuple(names))]
        if rows:
            steps = sorted({row["steps"] for row in rows})
            seconds = np.mean([row["seconds"] for row in rows])
            listed = " or ".join(f"{count:,}" for count in steps)
            said.append(f"{words} {listed} steps ({seconds:.0f} s)")
    seeds = len([key for key in results if key.startswith("teacher/")])
    return (
        f"{', '.join(said)}; {seeds} {'seed' if seeds == 1 else 'seeds'}. The paper has 400,000 "
        "steps for teachers and 200,000 for students."
    )


def _lambdas(results: Results) -> str:
    rows = [_row(results, "noisy", "noisy", ("",))]
    for value, (psnr, ssim) in LAMBDAS.items():
        name = "APR" if value == _USUAL else f"lambda {value}"
        rows.append(_row(results, f"{value}", name, (f"{psnr:.2f} / {ssim:.3f}",), "APR"))
    head = ("lambda", "paper, SIDD", *_data(results), "all, less lambda = 4")
    return _table(head, rows)


def _targets(results: Results) -> str:
    rows = [_row(results, "noisy", "noisy", ("", ""))]
    rows.append(_row(results, "teacher, mean of T", "teacher", ("", ""), "RD 6"))
    for j in (4, 5, 6, 7, 8):
        for name in (f"D {j}", f"RD {j}"):
            rows.append(_row(results, name, name, TARGETS.get(name, ("", "")), "RD 6"))
    head = ("method, j", "paper, SIDD", "paper, DND", *_data(results), "all, less RD 6")
    return _table(head, rows)


def _shifts(results: Results) -> str:
    rows: list[Sequence[str]] = []
    for name in ("no APR", "APR"):
        cells = [_cells(results, name, shift) for shift in SHIFTS]
        for data, number in zip(_data(results), range(2), strict=True):
            if all(cells):
                rows.append([f"{data}, {name}", *(cell[number] for cell in cells)])
    gains = [_difference(results, "APR", "no APR", shift) for shift in SHIFTS]
    if all(gains):
        rows.append(["gain of APR, all", *gains])
    return _table(("", *(f"shift {shift}" for shift in SHIFTS)), rows)


# --- Cells ----------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Without rows that were not measured."""
    there = [row for row in rows if row]
    return table(head, there) if there else _NONE


def _row(
    results: Results, title: str, name: str, paper: Sequence[str], against: str = ""
) -> Sequence[str]:
    cells = _cells(results, name, T)
    if not cells:
        return []
    compared = _difference(results, name, against, T) if against not in ("", name) else ""
    return [title, *paper, *cells, compared]


def _cells(results: Results, name: str, at: int | str) -> list[str]:
    """PSNR as it comes out and SSIM, of each data set; nothing if not measured."""
    psnr, ssim = (_each(results, name, at, score) for score in ("psnr", "ssim"))
    if psnr is None or ssim is None:
        return []
    sets = _parts(results)
    return [f"{psnr[part].mean():.2f} / {ssim[part].mean():.3f}" for part in sets.values()]


def _difference(results: Results, name: str, against: str, at: int | str) -> str:
    """Over the photographs: mean difference in PSNR, and its standard error."""
    first, second = (_each(results, each, at) for each in (name, against))
    if first is None or second is None:
        return ""
    gains = first - second
    return f"{gains.mean():+.2f} ± {gains.std(ddof=1) / len(gains) ** 0.5:.2f}"


def _each(
    results: Results, name: str, at: int | str, score: str = "psnr"
) -> NDArray[np.float64] | None:
    """A score of each photograph, mean over the seeds."""
    rows = [row for key, row in results.items() if key == name or key.startswith(f"{name}/")]
    return np.mean([row[str(at)][score] for row in rows], axis=0) if rows else None


def _parts(results: Results) -> dict[str, slice]:
    """Where the photographs of each data set are."""
    parts, start = {}, 0
    for name, count in results["settings"]["counts"].items():
        parts[name] = slice(start, start + count)
        start += count
    return parts


def _data(results: Results) -> list[str]:
    return list(results["settings"]["counts"])


# --- Figure 8 -------------------------------------------------------------------------------------


def _draw(results: Results, path: Path) -> None:
    """Write the figure; without matplotlib, leave the one that is there."""
    if find_spec("matplotlib") is None:
        print("The figure is left as it is: matplotlib is not installed.")
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    parts = _parts(results)
    figure = Figure(figsize=(7, 3), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (data, part) in zip(figure.subplots(1, len(parts)), parts.items(), strict=True):
        for name, colour in (("no APR", "tab:grey"), ("APR", "tab:red")):
            curves = [_each(results, name, shift) for shift in SHIFTS]
            means = [curve[part].mean() for curve in curves if curve is not None]
            axes.plot(SHIFTS[: len(means)], means, marker=".", color=colour, label=name)
        axes.set_title(data)
        axes.grid(alpha=0.3)
        axes.set_xlabel("shift at inference")
        axes.set_ylabel("PSNR (dB)")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=80)
