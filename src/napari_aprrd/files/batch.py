"""Many files: one after the other; what fails is told at the end, the rest is done."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..axes import ArrayPlanes
from ..core.atomic_files import check_not_input, write_atomically
from ..core.config import DenoiseConfig
from ..core.errors import UserError
from ..core.jobs import run
from ..core.model.denoiser import Denoiser
from ..core.trust.domain_shift import misfit
from ..lazy import output_dtype
from ..progress_bar import listener
from .denoise_file import denoise_file
from .formats import IN_MEMORY, check_format, format_of, is_folder_of_images, read_picture
from .picture import Picture, file_stamp, select_planes

if TYPE_CHECKING:
    from .dask_workers import Cluster


SUMMARY = "summary.csv"


@dataclass(frozen=True)
class Result:
    """What became of one file: a line of the summary."""

    input: Path
    output: Path
    status: str  # done, skipped, failed, interrupted
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class Files:
    """Input files with what was said about them, and where their outputs go.

    Parameters
    ----------
    targets : dict of Path to Path
        Output for each input.
    axes : str, optional
        Of all files, where they do not say.
    planes : str, optional
        Choice of planes.
    """

    targets: dict[Path, Path]
    axes: str | None = None
    planes: str | None = None

    @classmethod
    def to(cls, inputs: Sequence[Path], out: Path, axes: str | None, planes: str | None) -> Files:
        """OUT is a file for one input, a folder for many.

        Raises
        ------
        UserError
            If an output would overwrite an input or another output.
        """
        single = len(inputs) == 1 and not is_folder_of_images(out)
        if not single and format_of(out) is not None:
            raise UserError(f"{out} is the name of a file, for several inputs name a folder.")
        targets = {path: out if single else out / path.name for path in inputs}
        for path, target in targets.items():
            check_not_input(target, [path])
        counts = Counter(target.resolve() for target in targets.values())
        twice = [target for target in targets.values() if counts[target.resolve()] > 1]
        if twice:
            raise UserError(f"Several inputs would be written to {twice[0]}; denoise them in turn.")
        if not single:
            try:
                out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(f"Cannot make the folder {out}: {error.strerror}.") from error
        return cls(targets, axes, planes)

    def read(self, path: Path) -> Picture:
        """Open one of the inputs; large ones are read window by window."""
        picture = read_picture(path, self.axes, in_memory=IN_MEMORY // len(self.targets))
        return picture if self.planes is None else select_planes(picture, self.planes)

    def check(self, path: Path, picture: Picture, config: DenoiseConfig) -> None:
        """Make sure, before hours of work, that the output can be written."""
        target = self.targets[path]
        dtype = output_dtype(picture.data.dtype, config)
        check_format(target, dtype, picture.axes).check_target(target)

    def usable(self, config: DenoiseConfig) -> Files:
        """Those that can be read, and whose outputs can be written.

        Raises
        ------
        UserError
            If there is none.
        """
        targets, first = {}, None
        for path, target in self.targets.items():
            try:
                self.check(path, self.read(path), config)
            except UserError as error:
                first = first or error
            else:
                targets[path] = target
        if first is not None and not targets:
            raise first
        return Files(targets, self.axes, self.planes)

    def key(self, settings: dict[str, Any]) -> str:
        """The same for the same files and settings."""
        stamps = [file_stamp(path, self.planes or "") for path in self.targets]
        text = json.dumps([stamps, self.axes, settings], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def denoise_files(
    files: Files,
    model_for: Callable[[Path, Picture], Denoiser],
    config: DenoiseConfig,
    *,
    overwrite: bool = True,
    cluster: Cluster | None = None,
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
    tell : callable
        Gets a sentence for each file.
    warn : callable, optional
        Gets a sentence for each file that is not like those the model learnt from.

    Returns
    -------
    list of Result
        One for each file, up to an interruption.
    """
    results = []
    for path, target in files.targets.items():
        begun = time.monotonic()
        if target.exists() and not overwrite:
            results.append(Result(path, target, "skipped", 0.0))
            tell(f"Skipped {path}: {target} is there.")
            continue
        status, message = "done", ""
        try:
            picture = files.read(path)
            files.check(path, picture, config)
            model = model_for(path, picture)
            if warn is not None and config.normalise == "model":
                differing = misfit(model, ArrayPlanes(picture.data, picture.axes))
                if differing:
                    warn(f"{path}: {differing}")
            with listener(True) as listen:
                job = denoise_file(picture, target, model, config, cluster=cluster)
                status = "done" if run(job, listen) else "interrupted"
            if status == "done":
                tell(f"Wrote {target}")
        except UserError as error:
            status, message = "failed", str(error)
        results.append(Result(path, target, status, round(time.monotonic() - begun, 1), message))
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
    write_atomically(path, lambda temporary: temporary.write_text(text.getvalue()))
    return path


def _begins_with(path: Path, header: str) -> bool:
    try:
        with path.open(errors="replace") as file:
            return file.readline() == header
    except OSError:  # also a folder of that name
        return False
