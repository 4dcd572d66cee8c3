"""The command line: the same engine over files, folders and globs."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import with_settings
from .core.config import DenoiseConfig, DistillConfig, TrainConfig
from .core.errors import UserError

if TYPE_CHECKING:
    from .core.denoiser import Denoiser
    from .core.team import Team
    from .io import Picture

# torch takes seconds to import: commands import what they need, so that --help is quick.

app = typer.Typer(
    name="napari-aprrd",
    help="Remove noise from images when nobody has a clean reference (APR-RD).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="IN...", help="TIFF, PNG, JPEG, NPY or Zarr; folders; globs."),
]
Output = Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="File to write.")]
Axes = Annotated[
    str | None,
    typer.Option(help="One letter of ITZCYXS per dimension, where the file does not say."),
]
PlaneChoice = Annotated[
    str | None,
    typer.Option("--planes", help="Only these planes along the first axis: '0' or '0:10'."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# Of `denoise`, these are the training's; it has the rest to itself.
_DETAILS = [n for n in TrainConfig.model_fields if n not in ("preset", "minutes", "seed", "device")]
_TEACHERS_SHARE = 0.65  # of the time, where a teacher is trained and distilled in one go


def main() -> None:
    """Run the command line."""
    app()


def command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command whose errors are one sentence on stderr and exit code 2."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def speaking(*args: Any, **kwargs: Any) -> None:
            try:
                function(*args, **kwargs)
            except UserError as error:
                _fail(str(error), 2)
            except KeyboardInterrupt:
                _fail("Interrupted; nothing was written.", 130)
            except Exception as error:
                if os.environ.get("NAPARI_APRRD_DEBUG"):
                    raise
                hint = "Set NAPARI_APRRD_DEBUG=1 to see where, and report it."
                _fail(f"Failed: {type(error).__name__}: {error} {hint}", 1)

        return app.command(name)(speaking)

    return register


@command("demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the images.")] = Path("napari-aprrd-demo"),
) -> None:
    """Make a noisy stack, train, distil, denoise, and compare with the known truth."""
    from .demo import run_demo

    run_demo(out)


@command("inspect")
def inspect(
    inputs: Inputs, axes: Axes = None, planes: PlaneChoice = None, as_json: AsJson = False
) -> None:
    """Say what the noise looks like, and what that means for the settings."""
    from .core.noise import inspect as inspect_noise

    report = inspect_noise(_planes(_read_all(inputs, axes, planes)))
    if as_json:
        typer.echo(json.dumps(report.model_dump(mode="json")))
        return
    for sentence in report.advice:
        typer.echo(sentence)
    for line in _lines(report.model_dump(mode="json", exclude={"advice"})):
        typer.echo(line)


@command("train")
@with_settings(TrainConfig)
def train(
    inputs: Inputs,
    out: Output,
    axes: Axes = None,
    planes: PlaneChoice = None,
    devices: Annotated[
        int, typer.Option(min=1, help="Processes (GPUs) per machine that train together.")
    ] = 1,
    num_nodes: Annotated[int, typer.Option(min=1, help="Machines that train together.")] = 1,
    **settings: Any,
) -> None:
    """Train a teacher: a blind-spot network with the Adjacent Pixel Replacer (APR)."""
    from .core.files import check_writable
    from .core.team import ALONE, FabricTeam

    config = TrainConfig.of(**settings)
    pictures = _read_all(inputs, axes, planes)
    check_writable(out)
    team = ALONE
    if devices * num_nodes > 1:
        team = FabricTeam.launch(devices, num_nodes, config.device)
        config = TrainConfig.of(config, device=team.device)
    teacher = _train(pictures, config, team)
    if team.rank == 0:
        _save(teacher, out)


@command("distill")
@with_settings(DistillConfig)
def distill(
    teacher: Annotated[Path, typer.Argument(metavar="TEACHER.aprrd", help="Result of train.")],
    inputs: Inputs,
    out: Output,
    axes: Axes = None,
    planes: PlaneChoice = None,
    **settings: Any,
) -> None:
    """Distil a teacher into a plain, fast student (RD)."""
    from .core.files import check_writable
    from .core.model_file import load

    config = DistillConfig.of(**settings)
    pictures = _read_all(inputs, axes, planes)
    check_writable(out)
    _save(_distill(load(teacher), pictures, config), out)


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
    from .batch import SUMMARY, Files, denoise_files, write_summary
    from .cluster import connect
    from .core.model_file import load
    from .io import find_files

    own = {n: v for n, v in settings.items() if n in DenoiseConfig.model_fields}
    config = DenoiseConfig.of(**own)
    files = Files.to(find_files(inputs), out, axes, planes)
    single = len(files.targets) == 1
    # Nothing is trained for outputs that cannot be written, nor on files that cannot be read.
    usable = files.usable(config) if single or model is None else files
    shared = {n: v for n, v in settings.items() if n not in own or n == "device"}
    trained: list[Path] = []  # to be used again, should this be killed
    given = load(model) if model is not None else None

    def model_for(path: Path, picture: Picture) -> Denoiser:
        if given is not None:
            return given
        some = Files({path: files.targets[path]}, axes, planes) if each else usable
        name = files.targets[path].name if each or single else out.name
        parent = files.targets[path].parent if each or single else out
        kept = parent / f".{name}.{some.key(shared)}.aprrd"
        if kept.exists():
            trained.append(kept)
            return load(kept)
        pictures = {p: some.read(p) for p in some.targets}
        denoiser = _train_and_distill(pictures, shared, out)
        denoiser.save(kept)
        trained.append(kept)
        return denoiser

    with connect(scheduler, workers) as cluster:
        results = denoise_files(
            files, model_for, config, overwrite=overwrite, cluster=cluster, tell=typer.echo
        )
    if not single:
        write_summary(results, out / SUMMARY)
    failed = [result for result in results if result.status == "failed"]
    if results[-1].status == "interrupted":
        _fail("Interrupted; what is done is kept: start the same command again to go on.", 130)
    for kept in trained:
        kept.unlink(missing_ok=True)
    if single and failed:
        raise UserError(failed[0].message)
    if failed:
        listed = "\n".join(f"  {result.input}: {result.message}" for result in failed)
        raise UserError(f"{len(failed)} of {len(files.targets)} files failed:\n{listed}")


@command("evaluate")
def evaluate(
    denoised: Annotated[Path, typer.Argument(help="Image to judge.")],
    reference: Annotated[Path, typer.Argument(help="Clean image of the same size.")],
    as_json: AsJson = False,
) -> None:
    """Print PSNR, scale-invariant PSNR and SSIM against a reference."""
    from .io import read_picture
    from .metrics import evaluate as score

    image, truth = read_picture(denoised), read_picture(reference)
    scores = score(image.data, truth.data, rgb=truth.axes.endswith("S"))
    if as_json:
        typer.echo(json.dumps(scores.as_dict()))
        return
    typer.echo(f"PSNR                  {scores.psnr:.2f} dB")
    typer.echo(f"PSNR after affine fit {scores.psnr_fitted:.2f} dB")
    typer.echo(f"SSIM                  {scores.ssim:.4f}")
    typer.echo(f"Data range            {scores.data_range:g}")


@command("info")
def info(
    model: Annotated[Path, typer.Argument(metavar="MODEL.aprrd")], as_json: AsJson = False
) -> None:
    """Say what a model file holds and how it was made."""
    from .core.model_file import load

    denoiser = load(model)
    parameters = sum(p.numel() for p in denoiser.network.parameters())
    facts = {
        **denoiser.architecture.model_dump(),
        "parameters": parameters,
        "normalisation": vars(denoiser.normalisation),
        "calibration": vars(denoiser.calibration) if denoiser.calibration else None,
        **denoiser.record,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for line in _lines(facts):
        typer.echo(line)


@command("import")
def import_published(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT.pth")], out: Output
) -> None:
    """Turn a published PyTorch checkpoint into a model file, without running its code."""
    from .core.model_file import import_checkpoint

    import_checkpoint(checkpoint).save(out)
    typer.echo(f"Wrote {out}")


def _train(
    pictures: dict[Path, Picture], config: TrainConfig, team: Team | None = None
) -> Denoiser:
    from .core.progress import run
    from .core.team import ALONE
    from .core.train import train
    from .show import listener

    team = team or ALONE
    with listener(team.rank == 0) as listen:
        return run(train(_planes(pictures), config, team), listen)


def _distill(teacher: Denoiser, pictures: dict[Path, Picture], config: DistillConfig) -> Denoiser:
    from .core.distill import distill
    from .core.progress import run
    from .show import listener

    with listener(True) as listen:
        return run(distill(teacher, _planes(pictures), config), listen)


def _train_and_distill(
    pictures: dict[Path, Picture], settings: dict[str, Any], out: Path
) -> Denoiser:
    minutes, begun = settings.pop("minutes", None), time.monotonic()
    first, second = TrainConfig.of(**settings), DistillConfig.of(**settings)
    if minutes is not None:
        first = TrainConfig.of(first, minutes=minutes * _TEACHERS_SHARE)
    model = _train(pictures, first)
    if minutes is not None:  # what the teacher left over, where it learnt nothing more
        left = minutes - (time.monotonic() - begun) / 60
        second = DistillConfig.of(second, minutes=max(left, minutes * (1 - _TEACHERS_SHARE) / 2))
    if not _stopped(model):
        model = _distill(model, pictures, second)
    if _stopped(model):
        _save(model, out.with_suffix(".aprrd"))
    return model


def _stopped(model: Denoiser) -> bool:
    """True when training or distilling was interrupted."""
    return any(model.record.get(stage, {}).get("stopped") for stage in ("train", "distill"))


def _save(model: Denoiser, out: Path) -> None:
    model.save(out)
    if _stopped(model):
        _fail(f"Interrupted; what was learnt so far is in {out}.", 130)
    typer.echo(f"Wrote {out}")


def _planes(pictures: dict[Path, Picture]) -> Any:
    from .axes import ArrayPlanes, JoinedPlanes

    return JoinedPlanes([ArrayPlanes(p.data, p.axes) for p in pictures.values()])


def _read_all(inputs: list[str], axes: str | None, planes: str | None) -> dict[Path, Picture]:
    from .io import find_files, read_picture, select_planes

    pictures = {path: read_picture(path, axes) for path in find_files(inputs)}
    if planes is not None:
        pictures = {path: select_planes(p, planes) for path, p in pictures.items()}
    return pictures


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
        elif value is not None:
            lines.append(f"{indent}{name}: {value}")
    return lines


def _fail(sentence: str, code: int) -> None:
    typer.echo(sentence, err=True)
    sys.exit(code)
