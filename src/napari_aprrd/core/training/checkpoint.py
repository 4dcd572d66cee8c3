"""Checkpoints: the complete state of a job, written atomically.

A job that was killed is started again with the same data and settings. What follows from these
is computed again; then the state of the last checkpoint is restored, and the job continues as if
nothing had happened: on the same device, to the same bits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load as deserialise
from safetensors.torch import save as serialise
from torch import Tensor

from ..atomic_files import hidden_beside, remove_leftovers, write_atomically
from ..config import Config, DistillConfig, TrainConfig
from ..data.planes import Planes
from ..errors import UserError, cannot_read
from ..jobs import Clock, Job, Progress, Signal, Tell, report_progress
from ..model.architecture import OwnArchitecture
from ..model.denoiser import Denoiser
from ..model.hardware import is_device_lost
from ..model.model_file import Header, is_safetensors, read_header
from ..model.provenance import identify
from .state import Snapshot, State

# Chosen, and promised in docs/reliability.md.
EVERY = 10.0  # seconds of work between two checkpoints, at least: so much is lost at most
SHARE = 0.03  # of the time may be spent on checkpoints, where they are slow to write
FORMAT = 1  # of checkpoint files; other ones are refused
KEY, MODEL = "napari-aprrd checkpoint", "napari-aprrd model in the making"
_WHAT = "a checkpoint of napari-aprrd"
C = TypeVar("C", TrainConfig, DistillConfig)
R = TypeVar("R")


class About(Config):
    """The JSON header of a checkpoint.

    Parameters
    ----------
    format : int
    identity : dict
        Job, data and settings that it belongs to.
    numbers : dict
        Of the state.
    """

    format: int = Field(ge=1)
    identity: dict[str, Any]
    numbers: dict[str, Any]

    @property
    def job(self) -> str:
        """Which job: "train" or "distill"."""
        return str(self.identity["job"])

    @property
    def percent(self) -> int:
        """How much of the job is done."""
        return int(100 * min(self.numbers["fraction"], 1))


class Checkpoint:
    """Keeps the state of a job: in memory, and in a file if there is a path.

    Parameters
    ----------
    path : path, optional
    resume : bool
        Resume from the file if it is there; else the first checkpoint replaces it.
    """

    def __init__(self, path: str | PathLike[str] | None = None, *, resume: bool = True) -> None:
        self.path = Path(path) if path is not None else None
        self._resume = resume
        self._identity: dict[str, Any] = {}
        self._snapshot: Snapshot | None = None
        self._model: Header | None = None
        self._next, self._failed = EVERY, False

    @property
    def snapshot(self) -> Snapshot:
        """The last state; there is one from the first step on."""
        assert self._snapshot is not None
        return self._snapshot

    def denoiser(
        self, job: str, planes: Planes, config: C, teacher: Denoiser | None = None
    ) -> Denoiser | None:
        """The unfinished model, if there is a state to resume; its weights are not restored yet.

        Parameters
        ----------
        job : {"train", "distill"}
        planes : Planes
        config : TrainConfig or DistillConfig
            The settings as given, with those that are automatic.
        teacher : Denoiser, optional

        Raises
        ------
        UserError
            If the file belongs to another job, other data or other settings.
        """
        if self.path is not None and not self._identity:
            self._identity = _identity(job, planes, config, teacher)
            remove_leftovers(self.path)
            if self._resume and self.path.exists():
                about, self._model, tensors = read(self.path)
                _check(self.path, about.identity, self._identity, config)
                self._snapshot = Snapshot(tensors, about.numbers)
        if self._model is None:
            return None
        made, (normalisation, _) = self._model, self._model.parts()
        denoiser = Denoiser.fresh(made.architecture, normalisation, seed=0)
        denoiser.record = made.record
        return denoiser

    def begin(self, state: State, clock: Clock, tell: Tell) -> None:
        """Restore the last state if there is one; else remember this first one."""
        if self._model is None:
            self._snapshot = state.snapshot()
            return
        state.restore(self.snapshot)
        clock.go_on_from(self.snapshot.numbers["seconds"])
        self._next = clock.seconds + EVERY
        tell(f"Going on after step {state.step}.")

    def is_due(self, clock: Clock) -> bool:
        """True when enough time has passed since the last checkpoint."""
        return clock.seconds >= self._next

    def keep(self, denoiser: Denoiser, state: State, clock: Clock, tell: Tell) -> None:
        """Keep a state. A file that cannot be written does not end the work."""
        if not state.is_finite():
            return
        started = clock.seconds
        tensors, numbers = state.snapshot()
        self._snapshot = Snapshot(tensors, {**numbers, "seconds": started})
        if not isinstance(denoiser.architecture, OwnArchitecture):
            # Files describe only our own networks, so that others cannot be resumed.
            self._model = Header.model_validate(denoiser.header())
        if self.path is not None and state.objective.processes.rank == 0:
            try:
                self._write(self.path, denoiser)
            except UserError as error:
                if not self._failed:
                    tell(f"{error} Work goes on, but it could not be resumed.")
                self._failed = True
        self._next = clock.seconds + max(EVERY, (clock.seconds - started) / SHARE)

    def remove(self) -> None:
        """Delete the file: its work is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _write(self, path: Path, denoiser: Denoiser) -> None:
        tensors, numbers = self.snapshot
        about = {"format": FORMAT, "identity": self._identity, "numbers": numbers}
        headers = {KEY: json.dumps(about), MODEL: json.dumps(denoiser.header())}
        content = serialise(tensors, headers)
        write_atomically(path, lambda temporary: temporary.write_bytes(content))


def beside(out: Path) -> Path:
    """Path of the checkpoint that belongs to a model file."""
    return hidden_beside(out, "", ".checkpoint")


def peek(path: Path) -> About:
    """Read the header of a checkpoint file; a job may be writing the next one meanwhile.

    Raises
    ------
    UserError
        If it is damaged, foreign, or of another version.
    """
    with _damage_told(path), path.open("rb") as file:
        length, size = int.from_bytes(file.read(8), "little"), path.stat().st_size
        return _about(path, _metadata(file.read(min(length, size))))


def read(path: Path) -> tuple[About, Header, dict[str, Tensor]]:
    """Read a checkpoint file: its header, the model's and the tensors. It executes nothing.

    Raises
    ------
    UserError
        As for `peek`.
    """
    with _damage_told(path):
        content = path.read_bytes()
        metadata = _metadata(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return _about(path, metadata), read_header(path, metadata[MODEL]), deserialise(content)


def _metadata(header: bytes) -> dict[str, str]:
    metadata: dict[str, str] = json.loads(header).get("__metadata__", {})
    return metadata


def _about(path: Path, metadata: dict[str, str]) -> About:
    if KEY not in metadata:  # It is a model or another program's weights: do not say "delete it".
        raise UserError(f"{path} is not {_WHAT}; name another file.")
    raw = json.loads(metadata[KEY])
    if raw["format"] != FORMAT:
        raise UserError(f"{path} is of another version of napari-aprrd; delete it to start again.")
    return About.model_validate(raw)


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except (
        *(SafetensorError, OSError, ValueError, KeyError, TypeError),
        *(RecursionError, MemoryError),
    ) as error:
        recognised = _is_recognised(path)
        told = cannot_read(path, _WHAT, error, recognised=recognised)
        if isinstance(error, (OSError, MemoryError)) or not recognised:
            raise told from error
        raise UserError(f"{str(told)[:-1]}; delete it to start again.") from error


def _is_recognised(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_safetensors(file.read(9))
    except OSError:
        return False


_WORDS = {"job": "another job", "teacher": "another teacher", "data": "other images"}


def _identity(
    job: str, planes: Planes, config: TrainConfig | DistillConfig, teacher: Denoiser | None
) -> dict[str, Any]:
    return {
        "job": job,
        "teacher": teacher.fingerprint() if teacher is not None else "",
        "data": identify(planes)["sha256"],
        "config": config.model_dump(mode="json", exclude={"device"}),
    }


def _check(path: Path, found: dict[str, Any], wanted: dict[str, Any], config: Config) -> None:
    """Refuse to resume with other data or settings; older files lack settings that came later."""
    differing = [words for name, words in _WORDS.items() if found.get(name) != wanted[name]]
    usual = {name: info.default for name, info in type(config).model_fields.items()}
    known = usual | found.get("config", {})
    settings = [name for name, value in wanted["config"].items() if known.get(name) != value]
    if settings and not differing:
        differing = [f"other settings ({', '.join(settings)})"]
    if differing:
        raise UserError(f"{path} is of {differing[0]}; go on with the same, or delete it.")


def despite_lost_device(
    job: Callable[[C], Job[R]], config: C
) -> Generator[Progress, Signal | None, R]:
    """Run a job; should its device be lost, continue from its last state on the CPU.

    Parameters
    ----------
    job : callable
        Makes the job for settings; it resumes from its checkpoint.
    config : TrainConfig or DistillConfig
    """
    try:
        return (yield from job(config))
    except RuntimeError as error:
        if not is_device_lost(error):
            raise
    note = "The device was lost: going on from the last checkpoint on the CPU."
    yield from report_progress(Progress("Checkpoint", 0, 1, 0.0, note=note), Clock())
    return (yield from job(type(config).of(config, device="cpu")))
