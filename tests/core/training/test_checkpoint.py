"""Nothing is lost: what was interrupted goes on to the same weights, whatever goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_aprrd.core import jobs
from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.data import crops as reading
from napari_aprrd.core.data.planes import Image, MemoryPlanes, Planes
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.jobs import Clock, Job, Progress
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.training import budget, captured, held_out
from napari_aprrd.core.training import checkpoint as checkpoint_module
from napari_aprrd.core.training import distill as distill_module
from napari_aprrd.core.training import loop as optimise_module
from napari_aprrd.core.training import targets as targets_module
from napari_aprrd.core.training import train as train_module
from napari_aprrd.core.training.checkpoint import Checkpoint, peek
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.objective import Objective
from napari_aprrd.core.training.state import MOST_ROLLBACKS, State
from napari_aprrd.core.training.train import train

from ..makers import (
    BRIEF,
    LazyPlanes,
    assert_one_sentence,
    drive,
    noisy_planes,
    random_denoiser,
    same_weights,
    similar_weights,
)

Patch = pytest.MonkeyPatch
TRAIN = TrainConfig(**{**BRIEF, "steps": 12}, shift=2, replace=True, hold_out=0.2)
DISTILL = DistillConfig(**{**BRIEF, "steps": 12}, shifts=(0, 1, 2), hold_out=0.2)
JOBS = pytest.mark.parametrize("kind", ["train", "distill"])
pytestmark = pytest.mark.usefixtures("report_every_step")


@pytest.fixture(autouse=True)
def _small(monkeypatch: Patch) -> None:
    monkeypatch.setattr(held_out, "HELD_OUT_PIXELS", 4096)
    monkeypatch.setattr(reading, "SIDE", 48)
    monkeypatch.setattr(reading, "REUSE", 3)  # so that windows change all the time
    monkeypatch.setattr(reading, "WINDOWS", 5)


@pytest.fixture
def keep_every_step(monkeypatch: Patch) -> None:
    monkeypatch.setattr(checkpoint_module, "EVERY", 0.0)
    monkeypatch.setattr(checkpoint_module, "SHARE", math.inf)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.checkpoint"


def job_of(
    kind: str,
    kept: Checkpoint | None = None,
    planes: Planes | None = None,
    **changes: Any,
) -> Job[Denoiser]:
    planes = planes or noisy_planes((64, 50), (40, 60))
    if kind == "train":
        return train(planes, TrainConfig.of(TRAIN, **changes), checkpoint=kept)
    return distill(random_denoiser(), planes, DistillConfig.of(DISTILL, **changes), kept)


def interrupt(job: Job[Any], step: int) -> None:
    """Close a job after so many steps, as a closed window does."""
    for progress in job:
        if progress.loss is not None and progress.step == step:
            break
    job.close()


def notes(reports: list[Progress]) -> str:
    return " ".join(report.note for report in reports if report.note)


# --- The same bits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "planes", "per_crop"),
    [
        ("train", MemoryPlanes, False),
        ("train", LazyPlanes, False),
        ("distill", MemoryPlanes, False),
        ("distill", MemoryPlanes, True),
        ("distill", LazyPlanes, True),
    ],
)
def test_interrupted_again_and_again_it_ends_with_the_same_weights(
    path: Path, monkeypatch: Patch, kind: str, planes: Any, per_crop: bool
) -> None:
    if per_crop:
        monkeypatch.setattr(targets_module, "TARGETS_IN_MEMORY", 0)
    source = planes(noisy_planes((64, 50), (60, 90)).images)
    whole, _ = drive(job_of(kind, planes=source))
    for step in (1, 7, 12):
        interrupt(job_of(kind, Checkpoint(path), source), step)
    assert peek(path).numbers["step"] == whole.record[kind]["steps"]
    resumed, reports = drive(job_of(kind, Checkpoint(path), source))
    assert same_weights(resumed, whole)
    assert resumed.calibration == whole.calibration
    for times in ("seconds", "waiting"):
        whole.record[kind].pop(times, None)
        resumed.record[kind].pop(times, None)
    assert resumed.record == whole.record
    assert not any(report.loss is not None for report in reports)  # no step was left to do


@JOBS
def test_what_a_user_stopped_goes_on_too(path: Path, kind: str) -> None:
    whole, _ = drive(job_of(kind))
    stage = {"train": "Train teacher", "distill": "Distil student"}[kind]
    stopped, _ = drive(job_of(kind, Checkpoint(path)), stop_at=stage)
    assert stopped.record[kind]["steps"] == 1
    resumed, reports = drive(job_of(kind, Checkpoint(path)))
    assert "Going on after step 1." in notes(reports)
    assert same_weights(resumed, whole)


def test_the_precision_is_chosen_once(path: Path, monkeypatch: Patch) -> None:
    tried = []

    def choose(device: torch.device, precision: str, trial: object) -> str:
        tried.append(precision)
        return "bfloat16" if precision == "auto" else precision

    monkeypatch.setattr(train_module, "pick_precision", choose)
    interrupt(job_of("train", Checkpoint(path)), 2)
    assert tried == ["auto"]
    resumed, _ = drive(job_of("train", Checkpoint(path)))
    assert tried == ["auto"]
    assert resumed.record["train"]["config"]["precision"] == "bfloat16"


def test_the_scale_of_float16_gradients_is_gone_on_with(path: Path, monkeypatch: Patch) -> None:
    """On a GPU; a processor can do it too, slowly."""
    monkeypatch.setattr(optimise_module, "pick_precision", lambda *_, **__: "float16")
    whole, reports = drive(job_of("distill"))
    losses = [report.loss for report in reports if report.loss is not None]
    assert losses[-1] < losses[0]
    interrupt(job_of("distill", Checkpoint(path)), 7)
    assert peek(path).numbers["scaler"]["scale"] > 1
    resumed, _ = drive(job_of("distill", Checkpoint(path)))
    assert same_weights(resumed, whole)


def test_within_a_time_budget_the_same_targets_and_the_time_worked_count(
    path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(budget, "TARGETS", 0.0)
    planes, settings = noisy_planes(*((64, 64),) * 4), {"minutes": 0.02, "hold_out": 0.0}  # 1.2 s
    # A clock that no machine hurries: it moves on by a millisecond whenever it is read.
    ticks = count()
    monkeypatch.setattr(jobs, "time", SimpleNamespace(perf_counter=lambda: next(ticks) * 1e-3))
    job = job_of("distill", Checkpoint(path), planes, **settings)
    while next(job).seconds < 0.8:
        pass
    job.close()
    monkeypatch.setattr(budget, "TARGETS", 1.0)  # now all would be computed
    student, reports = drive(job_of("distill", Checkpoint(path), planes, **settings))
    assert student.record["distill"]["targets"] == 1
    learning = [report.seconds for report in reports if report.loss is not None]
    assert learning[0] > 0.8
    assert learning[-1] < 1.2 * 1.5


# --- Whose it is -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"planes": noisy_planes((64, 50), (40, 60), seed=1)}, "other images"),
        ({"steps": 13}, r"other settings \(steps\)"),
        ({"seed": 1, "batch": 3}, r"other settings \(seed, batch\)"),
        ({"kind": "distill"}, "another job"),
    ],
)
def test_the_work_on_something_else_is_refused(
    path: Path, change: dict[str, Any], words: str
) -> None:
    interrupt(job_of("train", Checkpoint(path)), 2)
    before = path.read_bytes()
    with pytest.raises(UserError, match=words) as error:
        drive(job_of(**{"kind": "train", "kept": Checkpoint(path), **change}))
    assert_one_sentence(str(error.value))
    assert path.read_bytes() == before


def test_another_teacher_is_refused(path: Path) -> None:
    interrupt(job_of("distill", Checkpoint(path)), 2)
    planes = noisy_planes((64, 50), (40, 60))
    job = distill(random_denoiser(seed=1), planes, DISTILL, Checkpoint(path))
    with pytest.raises(UserError, match="another teacher"):
        drive(job)


def test_another_device_may_go_on(path: Path) -> None:
    alike: dict[str, Any] = {"replace": False}  # A GPU draws other maps for the replacer.
    whole, _ = drive(job_of("train", **alike))
    interrupt(job_of("train", Checkpoint(path), device="auto", **alike), 9)
    resumed, reports = drive(job_of("train", Checkpoint(path), device="cpu", **alike))
    assert "Going on after step 9." in notes(reports)
    assert similar_weights(resumed, whole)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _model(path: Path) -> None:
    random_denoiser().save(path)


def _newer(path: Path) -> None:
    ours, newer = (rf"{{\"format\": {number}, \"identity".encode() for number in (1, 9))
    assert ours in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(ours, newer))


def _other_network(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"network.", b"netwurk."))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_cut, "start again"),
        (_empty, "not a checkpoint"),
        (_model, "name another file"),
        (_newer, "start again"),
        (_other_network, "start again"),
    ],
)
def test_a_file_that_is_no_checkpoint_gets_one_sentence(
    path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    interrupt(job_of("train", Checkpoint(path)), 2)
    spoil(path)
    with pytest.raises(UserError, match=words) as error:
        drive(job_of("train", Checkpoint(path)))
    assert_one_sentence(str(error.value))


def test_without_resuming_it_begins_anew_and_the_old_one_is_there_until_the_next(
    path: Path, monkeypatch: Patch
) -> None:
    interrupt(job_of("train", Checkpoint(path)), 6)
    job = job_of("train", Checkpoint(path, resume=False))
    assert [next(job).step for _ in range(3)][-1] < 6
    assert peek(path).numbers["step"] == 6
    interrupt(job, 3)
    assert peek(path).numbers["step"] == 3


# --- When --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("writing", "most"), [(0.0, 100), (1.0, 30)])
def test_checkpoints_are_seldom_and_take_little_of_the_time(
    path: Path, monkeypatch: Patch, writing: float, most: int
) -> None:
    denoiser, clock = random_denoiser("student-1.00M"), Clock()
    sampler = reading.CropSampler(noisy_planes(), denoiser.normalisation, batch=1, patch=32, seed=0)
    state, checkpoint, now = (
        State.fresh(
            denoiser.network, Objective(sampler, 0), torch.amp.GradScaler("cpu", enabled=False)
        ),
        Checkpoint(path),
        [0.0],
    )
    monkeypatch.setattr(Clock, "seconds", property(lambda _: now[0]))

    def write(*_: Any) -> None:
        now[0] += writing

    monkeypatch.setattr(checkpoint_module, "write_atomically", write)
    times = []
    while now[0] < 1000:
        now[0] += 0.1
        if checkpoint.is_due(clock):
            times.append(now[0])
            checkpoint.keep(denoiser, state, clock, lambda _: None)
    assert 0.9 * most < len(times) <= most
    assert min(times[0], *(b - a for a, b in pairwise(times))) >= 10


# --- What goes wrong inside --------------------------------------------------------------------


@pytest.fixture
def one_by_one(monkeypatch: Patch) -> None:
    """Each step calls the loss; of those that a GPU recorded, see `test_captured.py`."""
    monkeypatch.setattr(captured, "recorder_for", lambda device: None)


FAULTS = pytest.mark.usefixtures("one_by_one")


class Faulty:
    """The loss of a job, with a fault at some of its calls."""

    def __init__(self, monkeypatch: Patch, kind: str, fault: Callable[[Tensor], Tensor]) -> None:
        module: Any = train_module if kind == "train" else distill_module
        name = "apr_loss" if kind == "train" else "distillation_loss"
        plain = getattr(module, name)
        self.calls, self.at = 0, {7}
        self.crops: list[int] = []

        def loss(*arguments: Any, mask: Tensor, **settings: Any) -> Tensor:
            if not torch.is_grad_enabled():  # of held-out pixels: nothing is learnt from it
                return plain(*arguments, mask=mask, **settings)
            self.calls += 1
            self.crops.append(len(mask))
            value = plain(*arguments, mask=mask, **settings)
            return fault(value) if self.calls in self.at else value

        monkeypatch.setattr(module, name, loss)


@FAULTS
@JOBS
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_rolls_back_and_goes_on_slower(
    kind: str, bad: float, monkeypatch: Patch
) -> None:
    faulty = Faulty(monkeypatch, kind, lambda loss: loss * bad)
    denoiser, reports = drive(job_of(kind))
    assert "back to step 0, with half the learning rate" in notes(reports)
    assert faulty.calls == 7 + 12
    assert denoiser.record[kind]["steps"] == 12
    assert all(p.isfinite().all() for p in denoiser.network.parameters())
    assert all(math.isfinite(report.loss) for report in reports if report.loss is not None)


@FAULTS
@JOBS
def test_a_loss_that_stays_no_number_ends_in_advice(kind: str, monkeypatch: Patch) -> None:
    faulty = Faulty(monkeypatch, kind, lambda loss: loss * math.nan)
    faulty.at = set(range(100))
    with pytest.raises(UserError, match="lower learning rate"):
        drive(job_of(kind))
    assert faulty.calls == MOST_ROLLBACKS + 1


def _no_memory(loss: Tensor) -> Tensor:
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: not enough memory"
    )


@FAULTS
@JOBS
def test_out_of_memory_the_batch_shrinks_and_the_same_is_learnt(
    kind: str, monkeypatch: Patch
) -> None:
    whole, _ = drive(job_of(kind, batch=4, precision="float32"))
    faulty = Faulty(monkeypatch, kind, _no_memory)
    parted, reports = drive(job_of(kind, batch=4, precision="float32"))
    assert "each batch is now computed in 2 parts" in notes(reports)
    assert set(faulty.crops[7:]) == {2}
    for mine, theirs in zip(parted.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0.02, atol=2e-3)


@FAULTS
@JOBS
def test_parts_are_gone_on_with(kind: str, path: Path, monkeypatch: Patch) -> None:
    Faulty(monkeypatch, kind, _no_memory).at = {3}
    interrupt(job_of(kind, Checkpoint(path), batch=4), 6)
    assert peek(path).numbers["parts"] == 2


@FAULTS
@JOBS
def test_memory_for_not_even_one_crop_is_told(kind: str, monkeypatch: Patch) -> None:
    Faulty(monkeypatch, kind, _no_memory).at = set(range(100))
    with pytest.raises(UserError, match="not enough memory for a single crop"):
        drive(job_of(kind))


def _lost(loss: Tensor) -> Tensor:
    raise RuntimeError("CUDA error: unspecified launch failure")


@FAULTS
@JOBS
def test_a_lost_device_goes_on_from_the_last_state_on_the_cpu(
    kind: str, monkeypatch: Patch, keep_every_step: None
) -> None:
    whole, _ = drive(job_of(kind))
    faulty = Faulty(monkeypatch, kind, _lost)
    denoiser, reports = drive(job_of(kind))
    assert "going on from the last checkpoint on the CPU" in notes(reports)
    assert "Going on after step 6." in notes(reports)
    assert faulty.calls == 12 + 1  # no step is done twice
    assert similar_weights(denoiser, whole)


@FAULTS
@JOBS
def test_another_runtime_error_is_not_hidden(kind: str, monkeypatch: Patch) -> None:
    def odd(loss: Tensor) -> Tensor:
        raise RuntimeError("shape mismatch")

    Faulty(monkeypatch, kind, odd)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        drive(job_of(kind))


def test_a_source_that_vanishes_is_told_and_what_was_learnt_is_kept(
    path: Path, keep_every_step: None
) -> None:
    class Vanishing(LazyPlanes):
        gone = False

        def read(self, plane: int, rows: slice, columns: slice) -> Image:
            if self.gone:
                raise UserError("The file is there no more.")
            return super().read(plane, rows, columns)

    planes = Vanishing(noisy_planes((64, 50), (60, 90)).images)
    whole, _ = drive(job_of("train", planes=planes))
    job = job_of("train", Checkpoint(path), planes)
    while (progress := next(job)).loss is None or progress.step < 4:
        pass
    Vanishing.gone = True
    with pytest.raises(UserError, match="there no more"):
        drive(job)
    Vanishing.gone = False
    assert peek(path).numbers["step"] >= 4
    assert same_weights(drive(job_of("train", Checkpoint(path), planes))[0], whole)
