"""The demo: train, distil and denoise a noisy stack with known truth, and show the scores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..api import denoise, distill_rd, train_apr
from ..core.data.synthetic import noisy_cells
from ..core.errors import UserError
from ..core.training import budget
from ..files.formats import write_picture
from ..files.picture import Picture
from ..metrics import Scores, evaluate

SHAPE = (4, 256, 256)  # TYX
FOLDER = Path("napari-aprrd-demo")
FILES = ("noisy.tif", "teacher.tif", "student.tif", "truth.tif", "comparison.png")


def run_demo(out: Path | None = None) -> dict[str, Scores]:
    """Run the demo and write its images.

    Parameters
    ----------
    out : Path, optional
        Folder for noisy.tif, teacher.tif, student.tif, truth.tif and comparison.png. Default:
        napari-aprrd-demo, with a number if it exists already.

    Returns
    -------
    dict of str to Scores
        Scores of "noisy", "teacher" and "student" against the truth.

    Raises
    ------
    UserError
        If the folder cannot be made, or contains a file with one of these names.
    """
    out = _free_folder() if out is None else out
    _make_folder(out)
    noisy, truth = noisy_cells(SHAPE)
    denoised, seconds = _denoised(noisy)
    images = {"noisy": noisy, **denoised}
    scores = {name: evaluate(image, truth) for name, image in images.items()}
    _write_images(out, {**images, "truth": truth}, scores)
    Console().print(_table(scores, seconds))
    Console().print(f"Images are in {out}: see comparison.png.", markup=False)
    return scores


def _free_folder() -> Path:
    number, folder = 1, FOLDER
    while folder.exists():
        number += 1
        folder = FOLDER.with_name(f"{FOLDER.name}-{number}")
    return folder


def _make_folder(out: Path) -> None:
    there = [name for name in FILES if (out / name).exists()]
    if there:
        raise UserError(f"{out / there[0]} is there already; name another folder with --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {out}: {error.strerror}.") from error


def _denoised(noisy: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], dict[str, float]]:
    """The image by "teacher" and by "student", and the seconds until each was there."""
    start = time.perf_counter()
    teacher = train_apr(noisy, axes="TYX", minutes=budget.DEMO_TEACHER)
    images = {"teacher": denoise(noisy, teacher, axes="TYX")}
    seconds = {"teacher": time.perf_counter() - start}
    student = distill_rd(teacher, noisy, axes="TYX", minutes=budget.DEMO_STUDENT)
    images["student"] = denoise(noisy, student, axes="TYX")
    seconds["student"] = time.perf_counter() - start
    return images, seconds


def _write_images(out: Path, images: dict[str, NDArray[Any]], scores: dict[str, Scores]) -> None:
    """Write each image, and the first plane of all side by side with their scores."""
    for name, image in images.items():
        write_picture(out / f"{name}.tif", Picture(image, "TYX"))
    titles = {name: f"{name}  {score.psnr:.1f} dB" for name, score in scores.items()}
    panels = [(titles.get(name, name), image[0]) for name, image in images.items()]
    write_picture(out / "comparison.png", Picture(side_by_side(panels), "YX"))


def side_by_side(panels: list[tuple[str, NDArray[Any]]], zoom: int = 2) -> NDArray[np.uint8]:
    """Draw planes (H, W) side by side with titles, on the grey scale of the last plane."""
    from PIL import Image, ImageDraw

    low, high = np.percentile(panels[-1][1], [0.5, 99.8])
    gap, head = 8, 24
    height, width = (zoom * n for n in panels[0][1].shape)
    canvas = Image.new("L", (len(panels) * (width + gap) - gap, height + head), 255)
    draw = ImageDraw.Draw(canvas)
    for i, (title, plane) in enumerate(panels):
        grey = ((plane.astype(np.float64) - low) / (high - low) * 255).clip(0, 255)
        picture = Image.fromarray(grey.astype(np.uint8)).resize((width, height), 0)
        canvas.paste(picture, (i * (width + gap), head))
        draw.text((i * (width + gap) + 2, 4), title, fill=0, font_size=14)
    return np.asarray(canvas)


def _table(scores: dict[str, Scores], seconds: dict[str, float]) -> Table:
    table = Table("", "PSNR (dB)", "SSIM", "seconds")
    for name, score in scores.items():
        spent = f"{seconds[name]:.0f}" if name in seconds else ""
        table.add_row(name, f"{score.psnr:.2f}", f"{score.ssim:.3f}", spent)
    return table
