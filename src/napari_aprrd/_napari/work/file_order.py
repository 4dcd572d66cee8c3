"""The work behind "Denoise files": find files, learn from them if need be, denoise them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import UserError, cause

if TYPE_CHECKING:
    from ...core.config import DenoiseConfig
    from ...core.jobs import Job
    from ...core.model.denoiser import Denoiser
    from ...files.batch import Result
    from ...files.inputs import Files
    from ...files.learn_from_files import Learner

# Endings of the outputs' names; an empty one keeps the format of the input.
FORMATS = {
    "As the input": "",
    "OME-TIFF": ".ome.tif",
    "TIFF": ".tif",
    "OME-Zarr": ".ome.zarr",
}
DECIMALS = "Keep decimals"  # what the widget calls results of type float32


@dataclass(frozen=True)
class Order:
    """What to make of which files.

    Parameters
    ----------
    paths : tuple of Path
        The files.
    out : Path
        Folder for the outputs; it is made if it is not there.
    model : Denoiser or None
        None: a model learns from the files first.
    learning : dict
        Settings of the learning; "minutes" is for all of it.
    each : bool
        Whether a model learns from each file, not one from all of them.
    ending : str
        Of the outputs' names, which stands for a format; see `FORMATS`.
    decimals : bool
        Whether results are float32 whatever the type of the input.
    overwrite : bool
        False: outputs that are there are left alone.
    device : str
    """

    paths: tuple[Path, ...]
    out: Path
    model: Denoiser | None = None
    learning: dict[str, Any] = field(default_factory=dict)
    each: bool = False
    ending: str = ""
    decimals: bool = False
    overwrite: bool = False
    device: str = "auto"


class Done(NamedTuple):
    """What became of an order."""

    results: list[Result]
    learnt: Denoiser | None = None  # the one model that learnt from all files
    stopped: bool = False
    wrong: str = ""  # why nothing was done


def found(inputs: tuple[str, ...]) -> tuple[list[Path], str]:
    """Files that the inputs name, and what is left out.

    Raises
    ------
    UserError
        If an input names nothing.
    """
    from ...files.formats import find_files

    said: list[str] = []
    return find_files(inputs, said.append), " ".join(said)


def fulfil(order: Order) -> Job[Done]:
    """Denoise the files of an order; started again, it goes on where it was.

    Yields
    ------
    FileProgress
        Its notes are what the user should know of the file.

    Raises
    ------
    UserError
        If there is nothing to do, or nothing can be written.
    """
    from ...core.config import DenoiseConfig
    from ...files.batch import denoise_files_job
    from ...files.learn_from_files import LearningStoppedError

    said: list[str] = []
    config = DenoiseConfig(device=order.device, dtype="float32" if order.decimals else None)
    files = _files(order)
    models = _Models(order, files, config, said.append)
    job = denoise_files_job(
        files,
        models.job,
        config,
        overwrite=order.overwrite,
        tell=said.append,
        warn=said.append if order.model is not None else None,
    )
    try:
        results = yield from _with_notes(job, said)
    except LearningStoppedError:
        return Done([], stopped=True)
    stopped = len(results) < len(files.targets) or results[-1].status == "interrupted"
    _write_summary(results, order.out)
    if not stopped:
        models.clean_up({result.input for result in results if result.status == "failed"})
    return Done(results, models.learnt, stopped)


def _files(order: Order) -> Files:
    from ...files.inputs import Files

    try:
        order.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {order.out}: {cause(error)}.") from error
    learns = order.model is None and order.each
    files = Files.to(order.paths, order.out, each=learns, ending=order.ending)
    return replace(files, ask_for_float=f'"{DECIMALS}"', ask_for_same="")


class _Models:
    """The models for the files of an order: the one that was given, or those that learn."""

    def __init__(
        self, order: Order, files: Files, config: DenoiseConfig, tell: Callable[[str], Any]
    ) -> None:
        self._order = order
        self.learnt: Denoiser | None = None
        self._learner: Learner | None = None
        if order.model is not None:
            order.model.check_settings(config)
        else:
            self._learner = self._make_learner(files, config, tell)

    def _make_learner(
        self, files: Files, config: DenoiseConfig, tell: Callable[[str], Any]
    ) -> Learner:
        from ...files.learn_from_files import Learner

        settings = {**self._order.learning, "device": self._order.device}
        # Nothing is learnt for outputs that cannot be written, nor from files that cannot be read.
        usable = files if files.each else files.usable(config).alike(tell)
        return Learner(usable, self._order.out, settings)

    def job(self, path: Path) -> Job[Denoiser]:
        """Get or make the model for a file."""
        if self._learner is None:
            assert self._order.model is not None
            return self._order.model
        model = yield from self._learner.model_job(path)
        if not self._order.each:
            self.learnt = model
        return model

    def clean_up(self, failed: set[Path]) -> None:
        """Delete the copies of models that nobody needs any more."""
        if self._learner is not None:
            self._learner.clean_up(failed)


def _with_notes(job: Job[list[Result]], said: list[str]) -> Job[list[Result]]:
    """Pass on a job's reports, each with what was said since the one before."""
    answer = None
    try:
        while True:
            try:
                report = job.send(answer)
            except StopIteration as end:
                return end.value
            notes = " ".join([*filter(None, [report.note]), *said])
            said.clear()
            answer = yield replace(report, note=notes)
    finally:
        job.close()


def _write_summary(results: list[Result], out: Path) -> None:
    from ...files.summary import write_summary

    if len(results) > 1:
        write_summary(results, out)
