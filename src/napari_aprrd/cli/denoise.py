"""Denoising files, with a model or with one that is trained on them first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.config import DenoiseConfig, DistillConfig, TrainConfig
from ..core.errors import UserError
from ..core.training import budget
from .common import Axes, Inputs, Output, PlaneChoice, command, fail, stopped
from .learn import distill_student, train_teacher
from .options import with_settings
from .without_effect import refuse_without_effect

if TYPE_CHECKING:
    from ..core.model.denoiser import Denoiser
    from ..files.batch import Files, Result
    from ..files.picture import Picture

# Of `denoise`, these are the training's; it has the rest to itself.
_OFFERED = ("preset", "minutes", "seed", "start", "device")
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
    axes: Axes = None,
    planes: PlaneChoice = None,
    each: Annotated[
        bool, typer.Option("--each", help="Train a model on each file, not one on all of them.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite/--skip-existing", help="What to do with outputs that are there."),
    ] = True,
    report: Annotated[
        bool,
        typer.Option("--report", help="Write NAME.report.html and .json: can it be trusted?"),
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
    from ..core.model.denoiser import load
    from ..files.batch import Files, denoise_files, write_summary
    from ..files.dask_workers import connect
    from ..files.formats import find_files

    options = {"model": model, "each": each or None, "workers": workers or None}
    refuse_without_effect("denoise", {**settings, **options, "scheduler": scheduler or None})
    own = {n: v for n, v in settings.items() if n in DenoiseConfig.model_fields}
    config = DenoiseConfig.of(**own)
    files = Files.to(find_files(inputs), out, axes, planes)
    single = len(files.targets) == 1
    # Nothing is trained for outputs that cannot be written, nor on files that cannot be read.
    usable = files.usable(config) if single or model is None else files
    shared = {n: v for n, v in settings.items() if n not in own or n == "device"}
    learner = Learner(files if each else usable, out, shared, each)
    given = load(model) if model is not None else None
    if given is not None:
        given.check_settings(config)
    with connect(scheduler, workers) as cluster:
        results = denoise_files(
            files,
            lambda path, _: given or learner.model_for(path),
            config,
            overwrite=overwrite,
            cluster=cluster,
            tell=typer.echo,
            # A model that is trained here has learnt from these files.
            warn=partial(typer.echo, err=True) if given is not None else None,
        )
    if not single:
        write_summary(results, out)
    if report:
        _write_reports(files, results, given)
    failed = [result for result in results if result.status == "failed"]
    if results[-1].status == "interrupted":
        fail("Interrupted; what is done is kept: start the same command again to go on.", 130)
    learner.clean_up({result.input for result in failed})
    if single and failed:
        raise UserError(failed[0].message)
    if failed:
        listed = "\n".join(f"  {result.input}: {result.message}" for result in failed)
        raise UserError(f"{len(failed)} of {len(files.targets)} files failed:\n{listed}")


def _write_reports(files: Files, results: list[Result], model: Denoiser | None) -> None:
    from ..report.trust import write_report

    for result in results:
        if result.status == "done":
            try:
                page, _ = write_report(files.read(result.input), result.output, model)
                typer.echo(f"Wrote {page}")
            except UserError as error:  # the image is there all the same
                typer.echo(f"No report on {result.output}: {error}", err=True)


@dataclass
class Learner:
    """Models that are trained on the input; kept until all is done, should this be killed.

    Parameters
    ----------
    files : Files
    out : Path
        As given: a file or a folder.
    settings : dict
        Of training and distilling.
    each : bool
        A model for each file, not one for all.
    """

    files: Files
    out: Path
    settings: dict[str, Any]
    each: bool
    kept: dict[Path, tuple[Path, Path]] = field(default_factory=dict)

    def model_for(self, path: Path) -> Denoiser:
        """Train and distil, or load what an earlier run has trained."""
        from ..core.model.denoiser import load

        some = self.files
        if self.each:
            some = replace(some, targets={path: some.targets[path]})
        target = next(iter(some.targets.values()))
        name = target.name if len(some.targets) == 1 else self.out.name
        start = f".{name}.{some.key(self.settings)}"
        kept = (target.with_name(f"{start}.teacher.aprrd"), target.with_name(f"{start}.aprrd"))
        self.kept[path] = kept
        if kept[1].exists():
            return load(kept[1])
        pictures = {p: some.read(p) for p in some.targets}
        model = _train_and_distill(pictures, dict(self.settings), kept)
        if stopped(model):
            from ..core.training.checkpoint import beside

            half_trained = beside(kept[0] if model.is_teacher else kept[1])
            fail(
                f"Interrupted; what was learnt so far is kept in {half_trained}: "
                "start the same command again to go on.",
                130,
            )
        model.save(kept[1])
        return model

    def clean_up(self, failed: set[Path]) -> None:
        """Forget the models, except those of files that could not be written.

        Parameters
        ----------
        failed : set of Path
            Inputs for which the same command will be started again.
        """
        from ..core.training.checkpoint import beside

        needed = {model for path in failed for model in self.kept.get(path, ())}
        for model in {model for kept in self.kept.values() for model in kept}:
            beside(model).unlink(missing_ok=True)
            if model not in needed:
                model.unlink(missing_ok=True)


def _train_and_distill(
    pictures: dict[Path, Picture], settings: dict[str, Any], kept: tuple[Path, Path]
) -> Denoiser:
    """Train a teacher and distil it; each goes on where it was killed."""
    from ..core.model.denoiser import load
    from ..core.training.checkpoint import Checkpoint, beside

    minutes = settings.pop("minutes", None)
    first, second = TrainConfig.of(**settings), DistillConfig.of(**settings)
    if minutes is not None:
        first = TrainConfig.of(first, minutes=minutes * budget.TEACHER)
    for_teacher, for_student = (Checkpoint(beside(path)) for path in kept)
    teacher = load(kept[0]) if kept[0].exists() else train_teacher(pictures, first, for_teacher)
    if stopped(teacher):
        return teacher
    teacher.save(kept[0])
    if minutes is not None:  # what the teacher left over, where it learnt nothing more
        left = minutes - teacher.record["train"]["seconds"] / 60
        second = DistillConfig.of(second, minutes=max(left, minutes * budget.STUDENT_AT_LEAST))
    return distill_student(teacher, pictures, second, for_student)
