"""The command for benchmarks: train, distil, score, and write submissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.config import DistillConfig, TrainConfig
from ..core.errors import UserError
from .common import command, fail, stopped
from .options import with_settings
from .without_effect import refuse_without_effect

if TYPE_CHECKING:
    from ..core.model.denoiser import Denoiser
    from ..datasets.sample import DataSet
    from ..metrics import Scores

SCORES = "scores.json"


@command("benchmark")
@with_settings(TrainConfig, DistillConfig)
def benchmark(
    name: Annotated[
        Literal["sidd", "dnd", "polyu", "cc", "pairs"],
        typer.Argument(help="Data set; 'pairs' is any folder of noisy and clean images."),
    ],
    root: Annotated[Path, typer.Option(help="Folder with the data set's files, at any depth.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="Folder to write to.")],
    model: Annotated[
        Path | None, typer.Option(help="Model to use. Without: train and distil first.")
    ] = None,
    **settings: Any,
) -> None:
    """Reproduce a benchmark of the paper: train, distil, score, write the submission.

    Without --preset it is the paper's, for a GPU and days. Steps and minutes are those of
    training and again those of distilling.
    """
    from ..core.model.denoiser import load
    from ..datasets import open_dataset
    from ..datasets.benchmark import STUDENT_FILE, TEACHER_FILE, denoiser_of, score

    refuse_without_effect("benchmark", {**settings, "model": model})
    data = open_dataset(name, root)
    there = [file for file in (TEACHER_FILE, STUDENT_FILE) if (out / file).exists()]
    if there and model is None:
        raise UserError(
            f"{out / there[0]} is there already: use it with --model, or name another folder."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {out}: {error.strerror}.") from error
    models = {model.stem: load(model)} if model is not None else _learn(data, out, settings)
    scores = score(data, models, typer.echo)
    if scores:
        _write_scores(scores, out)
    for path in data.submit(denoiser_of(list(models.values())[-1]), out):
        typer.echo(f"Wrote {path}")


def _learn(data: DataSet, out: Path, settings: dict[str, Any]) -> dict[str, Denoiser]:
    from ..core.training.two_steps import configs_of
    from ..datasets.benchmark import learn
    from ..progress_bar import progress_bar

    configs = configs_of({"preset": "paper", **settings})
    with progress_bar(True) as listen:
        models = learn(data, out, configs, listen)
    if any(stopped(model) for model in models.values()):
        fail(f"Interrupted; the model trained so far is in {out}.", 130)
    return models


def _write_scores(scores: dict[str, Scores], out: Path) -> None:
    from ..core.atomic_files import write_atomically

    text = json.dumps({name: each.as_dict() for name, each in scores.items()}, indent=1)
    write_atomically(out / SCORES, lambda temporary: temporary.write_text(text))
    typer.echo(f"{'':12s}    PSNR  fitted    SSIM")
    for name, each in scores.items():
        typer.echo(f"{name:12s} {each.psnr:7.2f} {each.psnr_fitted:7.2f} {each.ssim:7.4f}")
    typer.echo(f"Wrote {out / SCORES}")
