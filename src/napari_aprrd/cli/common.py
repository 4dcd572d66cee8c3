"""What the commands share: how they speak, their common arguments, reading their inputs."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..core.errors import StoppedEarlyError, UserError

if TYPE_CHECKING:
    from ..core.model.denoiser import Denoiser
    from ..files.picture import Choice, Picture


Tell = Callable[[str], Any]

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
    typer.Argument(
        metavar="IN...",
        help="TIFF, PNG, JPEG, NPY, Zarr, LSM, CZI, ND2, LIF; folders; globs. "
        "Names that begin with a dash come after --.",
    ),
]


def _output(name: str) -> Path:
    """The path of an output; an empty name would stand for the folder one is in."""
    if not str(name).strip():
        raise typer.BadParameter("The name of the output is empty; name a file or a folder.")
    return Path(name)


Output = Annotated[
    Path, typer.Option("--out", "-o", metavar="OUT", help="File to write.", parser=_output)
]
Axes = Annotated[
    str | None,
    typer.Option(help="One letter of ITZCYXS per dimension, where the file does not say."),
]
PlaneChoice = Annotated[
    str | None,
    typer.Option(
        "--planes",
        help="Only these planes along the first axis: '0' or '0:10'. Others are not read.",
    ),
]
Series = Annotated[
    int | None,
    typer.Option(min=1, help="Which image of a file of several, from 1; else the largest."),
]
ChannelChoice = Annotated[
    str | None,
    typer.Option("--channels", help="Only these channels: numbers from 0 or names, 'GFP,2'."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command whose errors are one sentence on stderr and exit code 2."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def speaking(*args: Any, **kwargs: Any) -> None:
            try:
                function(*args, **{name: _at_home(value) for name, value in kwargs.items()})
            except StoppedEarlyError as error:
                fail(str(error), 130)
            except UserError as error:
                fail(str(error), 2)
            except KeyboardInterrupt:
                fail("Interrupted before the end; start the same command again.", 130)
            except Exception as error:
                if os.environ.get("NAPARI_APRRD_DEBUG"):
                    raise
                hint = "Set NAPARI_APRRD_DEBUG=1 to see where, and report it."
                fail(f"Failed: {type(error).__name__}: {error} {hint}", 1)

        return app.command(name)(speaking)

    return register


def _at_home(value: Any) -> Any:
    """A path with its "~" replaced, which shells leave in --out=~/cells.tif."""
    from ..files.find import at_home

    return at_home(value) if isinstance(value, Path) else value


def stopped(model: Denoiser) -> bool:
    """True when training or distilling was interrupted."""
    from ..core.model.provenance import was_stopped

    return was_stopped(model.record)


def save(model: Denoiser, out: Path) -> None:
    """Write a model file and say so."""
    model.save(out)
    typer.echo(f"Wrote {out}")


def check_model_output(out: Path, *inputs: Path) -> None:
    """Make sure, before hours of work, that a model file can be written without any loss.

    Raises
    ------
    UserError
        If the name is not that of a model file, or the file is an input or cannot be written.
    """
    from ..core.atomic_files import check_not_input, check_writable

    if out.suffix.lower() != ".aprrd":
        raise UserError(f"Cannot write {out}: the name of a model file ends in .aprrd.")
    check_not_input(out, inputs)
    check_writable(out)


def as_planes(pictures: dict[Path, Picture]) -> Any:
    """The planes of all pictures."""
    from ..axes import JoinedPlanes

    return JoinedPlanes([picture.as_planes for picture in pictures.values()])


def read_all(inputs: list[str], choice: Choice, tell: Tell = typer.echo) -> dict[Path, Picture]:
    """Open the chosen part of all files, and say how each was read.

    Of several, those that cannot be read or do not go with the others are named and left out.
    """
    from ..files.inputs import alike

    paths, pictures = find_inputs(inputs, tell), {}
    for path in paths:
        try:
            pictures[path] = read_one(path, choice, tell)
        except UserError as error:
            if len(paths) == 1 or (path == paths[-1] and not pictures):
                raise
            typer.echo(f"Left out: {error}", err=True)
    kept = alike(pictures, functools.partial(typer.echo, err=True))
    return {path: pictures[path] for path in kept}


def find_inputs(inputs: list[str], tell: Tell = typer.echo) -> list[Path]:
    """Files that the inputs name; says what is left out."""
    from ..files.formats import find_files

    return find_files(inputs, tell)


def read_one(path: Path, choice: Choice, tell: Tell = typer.echo) -> Picture:
    """Open the chosen part of a file, and say how it was read."""
    from ..files.description import describe
    from ..files.formats import read_chosen

    picture = read_chosen(path, choice)
    tell(str(describe(picture)))
    return picture


_LONG = 400  # characters of a list that nobody reads on a screen


def lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    """Facts for people to read."""
    said = []
    for name, value in facts.items():
        if isinstance(value, dict):
            said += [f"{indent}{name}:", *lines(value, indent + "  ")]
        elif isinstance(value, list) and len(str(value)) > _LONG:
            said.append(f"{indent}{name}: {len(value)} (all figures: --json)")
        elif value is not None:
            said.append(f"{indent}{name}: {value}")
    return said


def fail(sentence: str, code: int) -> NoReturn:
    """Say what is wrong and exit."""
    typer.echo(sentence, err=True)
    sys.exit(code)
