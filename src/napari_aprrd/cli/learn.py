"""Commands that make models: train, distill, import, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from ..core.config import Channels, DistillConfig, TrainConfig
from ..core.errors import UserError
from .common import (
    Axes,
    ChannelChoice,
    Inputs,
    Output,
    PlaneChoice,
    Series,
    as_planes,
    check_model_output,
    command,
    fail,
    read_all,
    save,
    stopped,
)
from .options import with_settings
from .without_effect import refuse_without_effect

if TYPE_CHECKING:
    from ..core.model.denoiser import Denoiser
    from ..core.training.checkpoint import Checkpoint
    from ..core.training.processes import Processes
    from ..files.picture import Picture


Resume = Annotated[
    bool, typer.Option("--resume", help="Continue an interrupted or killed run of this command.")
]


@command("train")
@with_settings(TrainConfig, leave_out=["channels"])
def train(
    inputs: Inputs,
    out: Output,
    series: Series = None,
    axes: Axes = None,
    planes: PlaneChoice = None,
    channels: Annotated[
        str | None,
        typer.Option(
            help="Only these channels: numbers from 0 or names, 'GFP,2'. Or, also beside them: "
            f"{TrainConfig.model_fields['channels'].description} (default auto)"
        ),
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="Processes (GPUs) per machine that train together.")
    ] = 1,
    num_nodes: Annotated[int, typer.Option(min=1, help="Machines that train together.")] = 1,
    resume: Resume = False,
    **settings: Any,
) -> None:
    """Train a teacher: a blind-spot network with the Adjacent Pixel Replacer (APR)."""
    from ..core.training.processes import SINGLE, FabricProcesses
    from ..files.picture import Choice

    chosen, how = _channels(channels)
    if how:
        settings["channels"] = how
    options = {**settings, "devices": devices, "num_nodes": num_nodes}
    refuse_without_effect("train", options)
    config = TrainConfig.of(**settings)
    pictures = read_all(inputs, Choice(axes, series, planes, chosen))
    image_channels = as_planes(pictures).channels
    refuse_without_effect("train", {**options, "image_channels": image_channels})
    check_model_output(out, *pictures)
    checkpoint = _checkpoint_of(out, resume)
    processes = SINGLE
    if devices * num_nodes > 1:
        processes = FabricProcesses.launch(devices, num_nodes, config.device)
        config = TrainConfig.of(config, device=processes.device)
    teacher = train_teacher(pictures, config, checkpoint, processes)
    if processes.rank == 0:
        _keep(teacher, out, checkpoint)


def _channels(text: str | None) -> tuple[str | None, str]:
    """Split the option into the channels to read and the setting of that name."""
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    settings = [part for part in parts if part in get_args(Channels)]
    if len(settings) > 1:
        raise UserError(f"--channels {text}: choose one of {' and '.join(settings)}.")
    return ",".join(p for p in parts if p not in settings) or None, "".join(settings)


@command("distill")
@with_settings(DistillConfig)
def distill(
    teacher: Annotated[Path, typer.Argument(metavar="TEACHER.aprrd", help="Result of train.")],
    inputs: Inputs,
    out: Output,
    series: Series = None,
    axes: Axes = None,
    planes: PlaneChoice = None,
    channels: ChannelChoice = None,
    resume: Resume = False,
    **settings: Any,
) -> None:
    """Distil a teacher into a plain, fast student (RD)."""
    from ..core.model.denoiser import load
    from ..core.trust.domain_shift import misfit, missing_neighbours
    from ..files.picture import Choice

    refuse_without_effect("distill", settings)
    config = DistillConfig.of(**settings)
    pictures = read_all(inputs, Choice(axes, series, planes, channels))
    check_model_output(out, teacher, *pictures)
    checkpoint = _checkpoint_of(out, resume)
    model = load(teacher)
    noisy = as_planes(pictures)
    for said in filter(None, (misfit(model, noisy), missing_neighbours(model, noisy))):
        typer.echo(said, err=True)
    _keep(distill_student(model, pictures, config, checkpoint), out, checkpoint)


@command("import")
def import_published(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT.pth")], out: Output
) -> None:
    """Turn a published PyTorch checkpoint into a model file, without running its code."""
    from ..core.model.published import import_checkpoint

    check_model_output(out, checkpoint)
    save(import_checkpoint(checkpoint), out)


@command("export")
def export_package(
    student: Annotated[Path, typer.Argument(metavar="STUDENT.aprrd")],
    out: Output,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "napari-aprrd student",
) -> None:
    """Write a student as a bioimage.io package, for ilastik, deepImageJ and others."""
    from ..core.atomic_files import check_not_input
    from ..core.model.denoiser import load
    from ..files.bioimage_io import planes_alone, write_package

    check_not_input(out, [student])
    model = load(student)
    write_package(model, out, name)
    typer.echo(f"Wrote {out}")
    if said := planes_alone(model):
        typer.echo(said, err=True)


def _keep(model: Denoiser, out: Path, checkpoint: Checkpoint) -> None:
    """Write a model; a half-trained one never replaces a finished one, but is named."""
    if not stopped(model):
        save(model, out)
        checkpoint.remove()
        return
    sentence = "Interrupted; the model trained so far is in"
    if _is_finished(out):
        kept = f"{checkpoint.path}; {out} is still the previous model; add --resume to continue."
    else:
        model.save(out)
        kept = f"{out}; add --resume to continue."
    fail(f"{sentence} {kept}", 130)


def _is_finished(out: Path) -> bool:
    """Whether there is a file other than a half-trained model from an earlier interruption."""
    from ..core.model.denoiser import load

    if not out.exists():
        return False
    try:
        return not stopped(load(out))
    except UserError:  # another kind of file must not be replaced either
        return True


def _checkpoint_of(out: Path, resume: bool) -> Checkpoint:
    """Return the checkpoint beside a model file; print what happens to an existing one."""
    from ..core.training.checkpoint import EVERY, Checkpoint, beside

    path = beside(out)
    if path.exists() and not resume:
        typer.echo(
            f"An interrupted run is kept in {path}; add --resume to continue it. "
            f"This run starts over and replaces it after {EVERY:.0f} s.",
            err=True,
        )
    if resume and not path.exists():
        typer.echo(f"There is no {path} to resume from; this run starts over.", err=True)
    return Checkpoint(path, resume=resume)


def train_teacher(
    pictures: dict[Path, Picture],
    config: TrainConfig,
    checkpoint: Checkpoint,
    processes: Processes | None = None,
) -> Denoiser:
    """Train on all pictures, with a progress bar."""
    from ..core.jobs import run
    from ..core.training.processes import SINGLE
    from ..core.training.train import train
    from ..progress_bar import progress_bar

    processes = processes or SINGLE
    with progress_bar(processes.rank == 0) as listen:
        return run(train(as_planes(pictures), config, processes, checkpoint=checkpoint), listen)


def distill_student(
    teacher: Denoiser,
    pictures: dict[Path, Picture],
    config: DistillConfig,
    checkpoint: Checkpoint,
) -> Denoiser:
    """Distil on all pictures, with a progress bar."""
    from ..core.jobs import run
    from ..core.training.distill import distill
    from ..progress_bar import progress_bar

    with progress_bar(True) as listen:
        return run(distill(teacher, as_planes(pictures), config, checkpoint), listen)
