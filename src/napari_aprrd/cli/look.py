"""Looking at noise, results and models: inspect, evaluate, info; and the demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ._common import AsJson, Axes, Inputs, PlaneChoice, as_planes, command, lines, read_all


@command("demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the images.")] = Path("napari-aprrd-demo"),
) -> None:
    """Make a noisy stack, train, distil, denoise, and compare with the known truth."""
    from ..demo import run_demo

    run_demo(out)


@command("inspect")
def inspect(
    inputs: Inputs, axes: Axes = None, planes: PlaneChoice = None, as_json: AsJson = False
) -> None:
    """Say what the noise looks like, and what that means for the settings."""
    from ..core.noise import inspect as inspect_noise

    report = inspect_noise(as_planes(read_all(inputs, axes, planes)))
    if as_json:
        typer.echo(json.dumps(report.model_dump(mode="json")))
        return
    for sentence in report.advice:
        typer.echo(sentence)
    for line in lines(report.model_dump(mode="json", exclude={"advice"})):
        typer.echo(line)


@command("evaluate")
def evaluate(
    denoised: Annotated[Path, typer.Argument(help="Image to judge.")],
    reference: Annotated[Path, typer.Argument(help="Clean image of the same size.")],
    as_json: AsJson = False,
) -> None:
    """Print PSNR, scale-invariant PSNR and SSIM against a reference."""
    from ..io import read_picture
    from ..metrics import evaluate as score

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
    from ..core.denoiser import Architecture
    from ..core.model_file import load

    denoiser = load(model)
    assert isinstance(denoiser.architecture, Architecture)  # a file holds no other
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
    for line in lines(facts):
        typer.echo(line)
