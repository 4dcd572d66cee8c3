"""Many files: one after the other; what fails is told at the end, the rest is done."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.config import DenoiseConfig
from ..core.data.planes import Planes
from ..core.errors import UserError
from ..core.jobs import STOP, Clock, Job, Progress, R, Signal, heard, report_progress
from ..core.model.denoiser import Denoiser
from ..core.trust.domain_shift import misfit, missing_neighbours
from .denoise_file import denoise_file
from .inputs import Files, Tell, say_nothing

if TYPE_CHECKING:
    from .dask_workers import Cluster

# Opens what listens to one job, a progress bar for example, and closes it at the job's end.
Listening = Callable[[], AbstractContextManager[Callable[[Progress], Any]]]


def nobody_listens() -> AbstractContextManager[Callable[[Progress], Any]]:
    """Let a job run without a progress bar."""
    return nullcontext(lambda _: None)


@dataclass(frozen=True)
class Result:
    """What became of one file: a line of the summary."""

    input: Path
    output: Path
    status: str  # done, skipped, failed, interrupted
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class FileProgress(Progress):
    """How far the work on several files is; its `fraction` is that of all of them.

    Parameters
    ----------
    path : Path
        The input that is worked on.
    share : float
        Share of the work on this input that is done, from 0 to 1.
    result : Result or None
        What became of it, in the last report on it.
    """

    path: Path = Path()
    share: float = 0.0
    result: Result | None = None


def denoise_files(
    files: Files,
    model_for: Callable[[Path], Denoiser],
    config: DenoiseConfig,
    *,
    overwrite: bool = True,
    cluster: Cluster | None = None,
    listening: Listening = nobody_listens,
    tell: Tell = say_nothing,
    warn: Tell | None = None,
) -> list[Result]:
    """Denoise files one after the other, to the end.

    Parameters
    ----------
    model_for : callable
        Gets or makes the model for a file.
    files, config, overwrite, cluster, listening, tell, warn
        As for `denoise_files_job`.

    Returns
    -------
    list of Result
        One for each file, up to an interruption.
    """

    def ready(path: Path) -> Job[Denoiser]:
        yield from ()
        return model_for(path)

    job = _Batch(files, ready, config, overwrite, cluster, listening, tell, warn).job()
    while True:  # not `run`: an interruption is heard within each file
        try:
            next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def denoise_files_job(
    files: Files,
    model_for: Callable[[Path], Job[Denoiser]],
    config: DenoiseConfig,
    *,
    overwrite: bool = True,
    cluster: Cluster | None = None,
    listening: Listening = nobody_listens,
    tell: Tell = say_nothing,
    warn: Tell | None = None,
) -> Job[list[Result]]:
    """Denoise files one after the other.

    Parameters
    ----------
    files : Files
    model_for : callable
        Gives a job that gets or makes the model for a file.
    config : DenoiseConfig
    overwrite : bool
        False: outputs that are there are left alone.
    cluster : Cluster, optional
        Dask workers to compute on.
    listening : callable
        Opens a progress bar for each file.
    tell : callable
        Gets a sentence for each file, and one where its type cannot hold the result.
    warn : callable, optional
        Gets a sentence for each file that is not like those the model learnt from.

    Yields
    ------
    FileProgress
        As a file is begun, with each tile or step of a training, and as a file is done. Send
        `STOP` to end after the present tile, which is kept.

    Returns
    -------
    list of Result
        One for each file, up to an interruption.
    """
    batch = _Batch(files, model_for, config, overwrite, cluster, listening, tell, warn)
    return (yield from batch.job())


@dataclass(frozen=True)
class _Batch:
    """Files to denoise, and how; see `denoise_files_job`."""

    files: Files
    model_for: Callable[[Path], Job[Denoiser]]
    config: DenoiseConfig
    overwrite: bool
    cluster: Cluster | None
    listening: Listening
    tell: Tell
    warn: Tell | None

    def job(self) -> Job[list[Result]]:
        """Denoise one file after the other."""
        clock, done, results = Clock(), 0.0, list[Result]()
        for path in self.files.targets:
            at = _At(path, done, len(self.files.targets) - len(results), clock)
            if (yield from at.tell()) is STOP:
                break
            results.append((yield from self._result(at)))
            stopped, done = (yield from at.tell(results[-1])) is STOP, at.done
            if stopped or results[-1].status == "interrupted":
                break
        return results

    def _result(self, at: _At) -> Job[Result]:
        """Denoise a file, and say what became of it."""
        path, target = at.path, self.files.targets[at.path]
        if target.exists() and not self.overwrite:
            self.tell(f"Skipped {path}: {target} is there.")
            return Result(path, target, "skipped", 0.0)
        started, message = at.clock.seconds, ""
        try:
            done = yield from self._denoise(at, target)
            status = "done" if done else "interrupted"
        except UserError as error:
            status, message = "failed", str(error)
        if status == "done":
            self.tell(f"Wrote {target}")
        return Result(path, target, status, round(at.clock.seconds - started, 1), message)

    def _denoise(self, at: _At, target: Path) -> Job[bool]:
        """Denoise a file; False when stopped before its end."""
        files, path, config = self.files, at.path, self.config
        picture = files.read(path)
        files.check(path, picture, config)
        own, said = files.with_dtype(path, picture, config)
        if said:
            self.tell(f"{path}: {said}")
        model = yield from at.learn(self.model_for(path), for_all=not files.each)
        for said in self._remarks(model, picture.as_planes):
            (self.warn or self.tell)(f"{path}: {said}")
        with self.listening() as listen:
            job = denoise_file(picture, target, model, own, cluster=self.cluster)
            return (yield from at.denoise(heard(job, listen)))

    def _remarks(self, model: Denoiser, planes: Planes) -> list[str]:
        """What the user must know of a model and an image."""
        compared = self.warn is not None and self.config.normalise == "model"
        differing = misfit(model, planes) if compared else ""
        return [said for said in (differing, missing_neighbours(model, planes)) if said]


class _At:
    """One of several files, and how far the work on it, and on all of them, is."""

    def __init__(self, path: Path, begun: float, files_left: int, clock: Clock) -> None:
        self.path, self.clock, self.done = path, clock, begun
        self._begun, self._files_left, self._share = begun, files_left, 0.0

    @property
    def _end(self) -> float:
        """Share of all work that is done when this file is."""
        return self._begun + (1 - self._begun) / self._files_left

    def learn(self, job: Job[R], *, for_all: bool) -> Job[R]:
        """Get a model; to learn takes about as long as to denoise all that it is learnt for."""
        model = yield from self._part(job, 0.5, (self.done + (1.0 if for_all else self._end)) / 2)
        self._begun = self.done if for_all else self._begun
        return model

    def denoise(self, job: Job[R]) -> Job[R]:
        """Denoise the file to its end."""
        return (yield from self._part(job, 1.0, self._end))

    def tell(self, result: Result | None = None) -> Generator[Progress, Signal | None, Any]:
        """Report that the file is begun or, with its result, that it has ended."""
        if result is not None:
            self._share, self.done = 1.0, self._end
        report = replace(self._report(Progress("Read", 0, 1, 0.0)), result=result)
        return (yield from report_progress(report, self.clock))

    def _part(self, job: Job[R], share: float, done: float) -> Job[R]:
        """Pass on a job's reports; at its end so much is done of this file, and of all work."""
        begun, answer = (self._share, self.done), None
        try:
            while True:
                try:
                    progress = job.send(answer)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                there, way = min(progress.fraction, 1.0), (share - begun[0], done - begun[1])
                self._share, self.done = begun[0] + there * way[0], begun[1] + there * way[1]
                answer = yield from report_progress(self._report(progress), self.clock)
        finally:
            job.close()

    def _report(self, progress: Progress) -> FileProgress:
        own = {"path": self.path, "share": self._share, "done": self.done}
        return FileProgress(**{**vars(progress), **own, "seconds": self.clock.seconds})
