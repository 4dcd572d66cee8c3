"""Many files: one after the other; what fails is told at the end, the rest is done."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.atomic_files import write_atomically
from ..core.config import DenoiseConfig
from ..core.errors import UserError
from ..core.jobs import Progress, run
from ..core.model.denoiser import Denoiser
from ..core.trust.domain_shift import misfit
from .denoise_file import denoise_file
from .inputs import Files

if TYPE_CHECKING:
    from .dask_workers import Cluster

SUMMARY = "summary.csv"

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


def denoise_files(
    files: Files,
    model_for: Callable[[Path], Denoiser],
    config: DenoiseConfig,
    *,
    overwrite: bool = True,
    cluster: Cluster | None = None,
    listening: Listening = nobody_listens,
    tell: Callable[[str], Any] = lambda _: None,
    warn: Callable[[str], Any] | None = None,
) -> list[Result]:
    """Denoise files one after the other.

    Parameters
    ----------
    files : Files
    model_for : callable
        Gets or makes the model for a file.
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

    Returns
    -------
    list of Result
        One for each file, up to an interruption.
    """

    def denoise_one(path: Path, target: Path) -> bool:
        picture = files.read(path)
        files.check(path, picture, config)
        own, said = files.with_dtype(path, picture, config)
        if said:
            tell(f"{path}: {said}")
        model = model_for(path)
        if warn is not None and config.normalise == "model":
            differing = misfit(model, picture.as_planes)
            if differing:
                warn(f"{path}: {differing}")
        with listening() as listen:
            return run(denoise_file(picture, target, model, own, cluster=cluster), listen)

    results = []
    for path, target in files.targets.items():
        started = time.monotonic()
        if target.exists() and not overwrite:
            results.append(Result(path, target, "skipped", 0.0))
            tell(f"Skipped {path}: {target} is there.")
            continue
        message = ""
        try:
            status = "done" if denoise_one(path, target) else "interrupted"
        except UserError as error:
            status, message = "failed", str(error)
        results.append(Result(path, target, status, round(time.monotonic() - started, 1), message))
        if status == "done":
            tell(f"Wrote {target}")
        if status == "interrupted":
            break
    return results


def write_summary(results: Sequence[Result], folder: Path) -> Path:
    """Write a CSV file with a line for each file; it replaces no table but an earlier summary.

    Returns
    -------
    Path
        ``summary.csv`` in the folder; ``summary-2.csv`` and so on beside a table of the user's.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Result)], lineterminator="\n")
    writer.writeheader()
    header = text.getvalue()
    writer.writerows(asdict(result) for result in results)
    path, number = folder / SUMMARY, 1
    while path.exists() and not _begins_with(path, header):
        number += 1
        path = folder / f"summary-{number}.csv"
    # Names may hold characters that the machine's encoding lacks, even bytes of another one.
    content = text.getvalue().encode("utf-8", "surrogateescape")
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return path


def _begins_with(path: Path, header: str) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline() == header
    except OSError:  # also a folder of that name
        return False
