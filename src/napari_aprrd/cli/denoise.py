"""Denoising files, with a model or with one that is trained on them first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.config import DenoiseConfig, TrainConfig
from ..core.errors import UserError
from .common import (
    Axes,
    ChannelChoice,
    Inputs,
    Output,
    PlaneChoice,
    Series,
    command,
    fail,
    find_inputs,
)
from .options import with_settings
from .without_effect import refuse_without_effect

if TYPE_CHECKING:
    from ..core.model.denoiser import Denoiser
    from ..files.batch import Result
    from ..files.inputs import Files
    from ..files.learn_from_files import Learner

# Of `denoise`, these are the training's; it has the rest to itself.
_OFFERED = ("preset", "minutes", "seed", "start", "neighbours", "device")
_DETAILS = [name for name in TrainConfig.model_fields if name not in _OFFERED]


@command("denoise")
@with_settings(DenoiseConfig, TrainConfig, leave_out=_DETAILS)
def denoise(
    inputs: Inputs,
    out: Output,
    model: Annotated[
        Path | None,
        typer.Option(help="Model to use. Without: train and distil on the input first."),
    ] = None,
    series: Series = None,
    axes: Axes = None,
    planes: PlaneChoice = None,
    channels: ChannelChoice = None,
    each: Annotated[
        bool, typer.Option("--each", help="Train a model on each file, not one on all of them.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite/--skip-existing", help="What to do with outputs that are there."),
    ] = True,
    report: Annotated[
        bool,
        typer.Option("--report", help="Write OUT.report.html and .json: can it be trusted?"),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes of a local Dask cluster to compute with.")
    ] = 0,
    scheduler: Annotated[
        str, typer.Option(help="Dask cluster to compute on, such as 'tcp://10.0.0.1:8786'.")
    ] = "",
    **settings: Any,
) -> None:
    """Denoise files; the result keeps their format, axes and pixel size.

    Stopped or killed in the middle, the same command goes on where it was.
    """
    from ..files.batch import denoise_files
    from ..files.dask_workers import connect
    from ..files.inputs import Files
    from ..files.picture import Choice
    from ..files.summary import write_summary

    options = {"model": model, "each": each or None, "workers": workers or None}
    refuse_without_effect("denoise", {**settings, **options, "scheduler": scheduler or None})
    own = {n: v for n, v in settings.items() if n in DenoiseConfig.model_fields}
    learning = {n: v for n, v in settings.items() if n not in own or n == "device"}
    config = DenoiseConfig.of(**own)
    choice = Choice(axes, series, planes, channels)
    files = Files.to(find_inputs(inputs), out, choice, each, typer.echo)
    given, learner = _source_of_models(files, out, config, model, learning)
    with _stop_told(), connect(scheduler, workers) as cluster:
        results = denoise_files(
            files,
            lambda path: given or learner.model_for(path),
            config,
            overwrite=overwrite,
            cluster=cluster,
            listening=learner.listening,
            tell=typer.echo,
            # A model that is trained here has learnt from these files.
            warn=partial(typer.echo, err=True) if given is not None else None,
        )
    if len(files.targets) > 1:
        write_summary(results, out)
    if report:
        _write_reports(files, results, given)
    _end(files, results, learner)


def _source_of_models(
    files: Files, out: Path, config: DenoiseConfig, model: Path | None, learning: dict[str, Any]
) -> tuple[Denoiser | None, Learner]:
    """The model that was named, and what trains models if there is none."""
    from ..core.model.denoiser import load
    from ..files.learn_from_files import Learner
    from ..progress_bar import progress_bar

    # Nothing is trained for outputs that cannot be written, nor on files that cannot be read.
    usable = files.usable(config) if model is None or len(files.targets) == 1 else files
    if model is None and not files.each:
        usable = usable.alike(partial(typer.echo, err=True))
    learner = Learner(files if files.each else usable, out, learning, partial(progress_bar, True))
    if model is None:
        return None, learner
    given = load(model)
    given.check_settings(config)
    return given, learner


@contextmanager
def _stop_told() -> Iterator[None]:
    """Say where the models are that were stopped in the making."""
    from ..files.learn_from_files import LearningStoppedError

    try:
        yield
    except LearningStoppedError as error:
        fail(
            f"Interrupted; what was learnt so far is kept in {error.checkpoint}: "
            "start the same command again to go on.",
            130,
        )


def _write_reports(files: Files, results: list[Result], model: Denoiser | None) -> None:
    from ..report.trust_report import write_report

    for result in results:
        if result.status == "done":
            try:
                page, _ = write_report(files.read(result.input), result.output, model)
                typer.echo(f"Wrote {page}")
            except UserError as error:  # the image is there all the same
                typer.echo(f"No report on {result.output}: {error}", err=True)


def _end(files: Files, results: list[Result], learner: Learner) -> None:
    """Delete models that nobody needs any more; fail if files were left out."""
    if results[-1].status == "interrupted":
        fail("Interrupted; what is done is kept: start the same command again to go on.", 130)
    failed = [result for result in results if result.status == "failed"]
    learner.clean_up({result.input for result in failed})
    if failed and len(files.targets) == 1:
        raise UserError(failed[0].message)
    if failed:
        listed = "\n".join(f"  {result.input}: {result.message}" for result in failed)
        raise UserError(f"{len(failed)} of {len(files.targets)} files failed:\n{listed}")
