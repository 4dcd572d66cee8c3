"""Commands that report on noise, results and models: inspect, evaluate, info; and the demo."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import (
    AsJson,
    Axes,
    ChannelChoice,
    Inputs,
    PlaneChoice,
    Series,
    as_planes,
    command,
    lines,
    read_all,
    read_one,
)
from .without_effect import refuse_without_effect


@command("demo")
def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the images. Default: napari-aprrd-demo, numbered from the second on."
        ),
    ] = None,
) -> None:
    """Make a noisy stack, train, distil, denoise, and compare with the known truth."""
    from .demo import run_demo

    run_demo(out)


@command("inspect")
def inspect(
    inputs: Inputs,
    series: Series = None,
    axes: Axes = None,
    planes: PlaneChoice = None,
    channels: ChannelChoice = None,
    as_json: AsJson = False,
) -> None:
    """List the images in the files, and describe their noise and what it means for the settings."""
    from ..core.noise.report import inspect as inspect_noise
    from ..files.description import describe
    from ..files.formats import images_in
    from ..files.picture import Choice

    tell = partial(typer.echo, err=as_json)
    pictures = read_all(inputs, Choice(axes, series, planes, channels), tell)
    listed = {path: images_in(path) for path, p in pictures.items() if p.series_count > 1}
    report = inspect_noise(as_planes(pictures))
    if as_json:
        facts = report.model_dump(mode="json")
        facts["read"] = [describe(picture).as_dict() for picture in pictures.values()]
        facts["images"] = [image.as_dict() for images in listed.values() for image in images]
        typer.echo(json.dumps(facts))
        return
    for images in listed.values():
        typer.echo("All images of the file:")
        for image in images:
            typer.echo(f"  {image}")
    for sentence in (*report.advice, *report.details, *(c.sentence for c in report.channels)):
        typer.echo(sentence)
    said: dict[str, Any] = {"advice": True, "channels": True, "stack": {"sentence": True}}
    for line in lines(report.model_dump(mode="json", exclude=said)):
        typer.echo(line)


@command("evaluate")
def evaluate(
    denoised: Annotated[Path, typer.Argument(help="Image to evaluate.")],
    reference: Annotated[Path, typer.Argument(help="Clean image of the same size.")],
    as_json: AsJson = False,
) -> None:
    """Print PSNR, scale-invariant PSNR and SSIM against a reference."""
    from ..files.picture import EVERYTHING, with_axes_in_order
    from ..metrics import evaluate as score

    tell = partial(typer.echo, err=as_json)
    image, truth = (read_one(path, EVERYTHING, tell) for path in (denoised, reference))
    truth = with_axes_in_order(truth, image.axes)  # OME-Zarr has an order of its own
    planes = (picture.as_planes.rows_and_columns_last() for picture in (image, truth))
    scores = score(*planes, rgb=truth.as_planes.colours)
    if as_json:
        typer.echo(json.dumps(scores.as_dict()))
        return
    typer.echo(f"PSNR                  {scores.psnr:.2f} dB")
    typer.echo(f"PSNR after affine fit {scores.psnr_fitted:.2f} dB")
    typer.echo(f"SSIM                  {scores.ssim:.4f}")
    typer.echo(f"Data range            {scores.data_range:g}")


@command("info")
def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A model or a denoised image.")],
    as_json: AsJson = False,
    as_methods: Annotated[
        bool, typer.Option("--methods", help="Print a paragraph for a paper's methods section.")
    ] = False,
) -> None:
    """Say how a model or a denoised image was made."""
    from ..core.model.methods_text import methods

    refuse_without_effect("info", {"json": as_json or None, "methods": as_methods or None})
    facts = _facts_of_model(file) if file.suffix == ".aprrd" else _facts_of_image(file)
    if as_methods:
        typer.echo(methods(facts))
    elif as_json:
        typer.echo(json.dumps(facts))
    else:
        for line in lines(facts):
            typer.echo(line)


def _facts_of_model(path: Path) -> dict[str, Any]:
    from ..core.model.architecture import Architecture
    from ..core.model.denoiser import load

    denoiser = load(path)
    assert isinstance(denoiser.architecture, Architecture)  # model files contain no other kind
    return {
        "model": denoiser.fingerprint(),
        **denoiser.architecture.model_dump(),
        "stack_axis": denoiser.stack_axis or None,  # along which planes are neighbours
        "parameters": sum(p.numel() for p in denoiser.network.parameters()),
        "normalisation": vars(denoiser.normalisation),
        "calibration": denoiser.calibration.summary() if denoiser.calibration else None,
        **denoiser.record,
    }


def _facts_of_image(path: Path) -> dict[str, Any]:
    from ..api import record_of

    return record_of(path)
