"""Training a teacher and distilling a student: the two long jobs of the method."""

from __future__ import annotations

import copy
import itertools
import math
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_aprrd.core import jobs as progress
from napari_aprrd.core.config import DenoiseConfig, DistillConfig, StudentKind, TrainConfig
from napari_aprrd.core.data.crops import CropSampler
from napari_aprrd.core.data.planes import Image, MemoryPlanes, Planes
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.jobs import STOP, Clock, Job, Signal
from napari_aprrd.core.method.networks import BlindSpotNetwork
from napari_aprrd.core.model.denoiser import Denoiser, load
from napari_aprrd.core.model.trials import Trial
from napari_aprrd.core.training import auto_settings, budget, held_out
from napari_aprrd.core.training import distill as distill_module
from napari_aprrd.core.training import targets as targets_module
from napari_aprrd.core.training import train as train_module
from napari_aprrd.core.training.checkpoint import Checkpoint
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.loop import learning_rate, optimise
from napari_aprrd.core.training.objective import Batch, Objective
from napari_aprrd.core.training.state import PATIENCE
from napari_aprrd.core.training.train import train

from ..makers import (
    BRIEF,
    DEVICE,
    assert_one_sentence,
    assert_same_pixels,
    drive,
    noisy_image,
    noisy_planes,
    random_denoiser,
    same_weights,
)

Patch = pytest.MonkeyPatch
TRAIN = TrainConfig(**BRIEF, shift=2, hold_out=0, adapt=False)  # few steps look like over-training
DISTILL = DistillConfig(**BRIEF, shifts=(0, 1, 2), hold_out=0, adapt=False)
EVERY_STEP = pytest.mark.usefixtures("report_every_step")


@pytest.fixture(autouse=True)
def _few_pixels_held_out(monkeypatch: Patch) -> None:
    monkeypatch.setattr(held_out, "HELD_OUT_PIXELS", 4096)


@pytest.fixture(params=["in memory", "per crop"])
def _targets(request: pytest.FixtureRequest, monkeypatch: Patch) -> None:
    """Both places that targets of distillation may come from."""
    if request.param == "per crop":
        monkeypatch.setattr(targets_module, "TARGETS_IN_MEMORY", 0)


BOTH_TARGETS = pytest.mark.usefixtures("_targets")


class VirtualPlanes:
    """One plane of 4096 x 4096 pixels, made as it is read; remembers what was read."""

    channels, sizes, in_memory = 1, ((4096, 4096),), True
    stack_axes = ""

    def __init__(self) -> None:
        self.windows: list[tuple[int, int]] = []

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        assert plane == 0
        assert 0 <= rows.start < rows.stop <= 4096
        assert 0 <= columns.start < columns.stop <= 4096
        self.windows.append((rows.stop - rows.start, columns.stop - columns.start))
        rng = np.random.default_rng((rows.start, columns.start))
        return rng.normal(100, 10, (1, *self.windows[-1])).astype(np.float32)


def job_of(kind: str, teacher: Denoiser, planes: Planes | None = None) -> Job[Denoiser]:
    planes = planes or noisy_planes(channels=teacher.channels)
    return train(planes, TRAIN) if kind == "train" else distill(teacher, planes, DISTILL)


def finish(job: Job[Denoiser], answer: Signal | None) -> Denoiser:
    """Give the job one answer at all reports to come."""
    while True:
        try:
            job.send(answer)
        except StopIteration as end:
            return end.value


def finite(denoiser: Denoiser) -> bool:
    return all(bool(p.isfinite().all()) for p in denoiser.network.parameters())


def psnr(image: Image, truth: Image) -> float:
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((image - truth) ** 2)))


JOBS = pytest.mark.parametrize("kind", ["train", "distill"])


# --- Both jobs ---------------------------------------------------------------------------------


@JOBS
def test_the_seed_decides_the_weights_to_the_bit(kind: str, teacher: Denoiser) -> None:
    def weights(seed: int) -> Denoiser:
        config = (TRAIN if kind == "train" else DISTILL).model_copy(update={"seed": seed})
        planes = noisy_planes()
        job = train(planes, config) if kind == "train" else distill(teacher, planes, config)
        return drive(job)[0]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = weights(3)
        torch.manual_seed(2)  # the caller's random numbers are not used
        assert same_weights(first, weights(3))
    assert not same_weights(first, weights(4))


@JOBS
@EVERY_STEP
def test_the_callers_random_numbers_are_left_alone(kind: str, teacher: Denoiser) -> None:
    before = torch.get_rng_state()
    job = job_of(kind, teacher)
    for _ in job:
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.get_rng_state(), before)


@JOBS
@EVERY_STEP
def test_every_step_is_reported_in_order(kind: str, teacher: Denoiser) -> None:
    _, reports = drive(job_of(kind, teacher))  # which also looks at torch's gradient modes
    stage = {"train": "Train teacher", "distill": "Distil student"}[kind]
    ours = [report for report in reports if report.stage == stage]
    assert [report.step for report in ours] == [1, 2, 3, 4, 5, 6]
    assert all(report.total == 6 and report.loss is not None for report in ours)
    seconds = [report.seconds for report in reports]
    assert seconds == sorted(seconds)
    assert [r.step for r in reports if r.stage == "Calibrate"] == [1]


@JOBS
@EVERY_STEP
def test_the_bar_never_restarts(kind: str, teacher: Denoiser) -> None:
    _, reports = drive(job_of(kind, teacher))
    shares = [report.fraction for report in reports]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    ended = next(report for report in reports if report.step == 6 and report.loss is not None)
    assert 0 < ended.fraction < 1  # calibration has a part of it
    assert ended.seconds_left > 0


@EVERY_STEP
def test_a_stop_that_comes_before_the_first_step_is_not_lost() -> None:
    job = train(noisy_planes(), TRAIN)
    assert next(job).loss is None
    job.send(STOP)
    assert finish(job, None).record["train"]["steps"] == 1


@JOBS
@EVERY_STEP
def test_stopping_keeps_a_usable_denoiser(kind: str, teacher: Denoiser) -> None:
    job = job_of(kind, teacher)
    while (report := next(job)).loss is None or report.step < 3:
        pass
    denoiser = finish(job, STOP)
    assert denoiser.record[kind]["stopped"] is True
    assert denoiser.record[kind]["steps"] == 3
    assert denoiser.calibration is not None
    assert np.isfinite(denoiser.predict(noisy_image(1, 40, 40))).all()


@JOBS
def test_a_job_that_ran_to_its_end_was_not_stopped(kind: str, teacher: Denoiser) -> None:
    denoiser = drive(job_of(kind, teacher))[0]
    assert denoiser.record[kind]["stopped"] is False
    assert denoiser.record[kind]["steps"] == 6
    assert denoiser.record["train"]["config"]["shift"] == 2  # a student knows its teacher's
    assert denoiser.record[kind]["megapixels"] == pytest.approx(0.004)


@JOBS
@EVERY_STEP
@pytest.mark.parametrize("reports", [0, 1, 3, 7])
def test_cancelling_is_quiet_and_leaves_nothing(kind: str, reports: int, teacher: Denoiser) -> None:
    threads = threading.enumerate()
    job = job_of(kind, teacher)
    for _ in range(reports):
        next(job)
    job.close()
    assert threading.enumerate() == threads
    assert torch.is_grad_enabled()
    with pytest.raises(StopIteration):
        next(job)


@JOBS
@EVERY_STEP
def test_snapshots_are_copies_that_denoise(kind: str, teacher: Denoiser) -> None:
    job = job_of(kind, teacher)
    while (report := next(job)).snapshot is None:
        pass
    snapshot = report.snapshot()
    kept = snapshot.copy()
    assert np.isfinite(snapshot.predict(noisy_image(1, 40, 40))).all()
    nn.init.zeros_(next(snapshot.network.parameters()))  # the user's to spoil
    result, _ = drive(job)
    assert finite(result)
    assert not same_weights(result, kept)
    assert same_weights(result, drive(job_of(kind, teacher))[0])


@pytest.fixture
def _even_clock(monkeypatch: Patch) -> None:
    """A clock that goes on by 20 ms whenever it is read, on slow and busy machines as on others."""
    readings = itertools.count()
    even = SimpleNamespace(perf_counter=lambda: 0.02 * next(readings))
    monkeypatch.setattr(progress, "time", even)


@JOBS
@pytest.mark.usefixtures("_even_clock")
def test_a_time_budget_is_kept(kind: str, teacher: Denoiser) -> None:
    planes, minutes = noisy_planes(), 0.03  # 1.8 s
    if kind == "train":
        denoiser, reports = drive(train(planes, TrainConfig.of(TRAIN, minutes=minutes)))
    else:
        denoiser, reports = drive(
            distill(teacher, planes, DistillConfig.of(DISTILL, minutes=minutes))
        )
    training = [report for report in reports if report.loss is not None]
    assert budget.LEARNING * 1.8 <= training[-1].seconds < 1.8 * 1.5
    assert denoiser.record[kind]["steps"] == training[-1].step > 1
    assert not denoiser.record[kind]["stopped"]
    assert training[-1].total == training[-1].step
    assert training[0].total > training[0].step  # the time left is known from the start


@JOBS
@pytest.mark.usefixtures("_even_clock")
def test_a_budget_that_starting_has_taken_still_teaches(
    kind: str, teacher: Denoiser, monkeypatch: Patch
) -> None:
    settings = {"train": TRAIN, "distill": DISTILL}[kind]
    job, planes = {"train": train, "distill": partial(distill, teacher)}[kind], noisy_planes()
    few, _ = drive(job(planes, type(settings).of(settings, minutes=1e-4)))
    assert few.record[kind]["steps"] == budget.FEWEST_STEPS
    monkeypatch.setattr(budget, "OVERTIME", 0.05)  # two readings of the clock: a slow machine
    monkeypatch.setattr(budget, "LEAST_OVERTIME", 0.05)
    fewer, _ = drive(job(planes, type(settings).of(settings, minutes=1e-4)))
    assert fewer.record[kind]["steps"] < budget.FEWEST_STEPS


@pytest.mark.usefixtures("_even_clock")
def test_within_a_time_budget_some_targets_must_do(teacher: Denoiser, monkeypatch: Patch) -> None:
    monkeypatch.setattr(targets_module, "TARGETS_IN_MEMORY", 512e6)
    monkeypatch.setattr(budget, "TARGETS", 0.0)
    planes = noisy_planes(*((64, 64),) * 5)
    student, reports = drive(distill(teacher, planes, DistillConfig.of(DISTILL, minutes=0.02)))
    targets = [report for report in reports if "of the 5 parts" in report.note]
    assert [(report.stage, report.step) for report in targets] == [("Compute targets", 1)]
    assert student.record["distill"]["steps"] > 1
    assert finite(student)


@pytest.mark.usefixtures("_even_clock")
def test_within_a_time_budget_large_planes_are_not_computed_whole(
    teacher: Denoiser, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(targets_module, "TARGETS_IN_MEMORY", 512e6)
    monkeypatch.setattr(targets_module, "SMALLEST_PART", 64)
    monkeypatch.setattr(budget, "TARGETS", 0.0)
    planes = noisy_planes((64, 192))
    student, reports = drive(distill(teacher, planes, DistillConfig.of(DISTILL, minutes=0.001)))
    said = [report.note for report in reports if "have to do" in report.note]
    assert said == ["In this time, targets of 1 of the 3 parts of the images have to do."]
    assert student.record["distill"]["targets"] == 1


@JOBS
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_in_advice(
    kind: str, bad: float, teacher: Denoiser, monkeypatch: Patch
) -> None:
    name = "apr_loss" if kind == "train" else "distillation_loss"
    module: Any = train_module if kind == "train" else distill_module
    loss = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args, **kwargs: bad * loss(*args, **kwargs))
    with pytest.raises(UserError, match="lower learning rate") as error:
        drive(job_of(kind, teacher))
    assert_one_sentence(str(error.value))


@JOBS
def test_only_crops_of_large_images_are_read(kind: str, teacher: Denoiser) -> None:
    planes = VirtualPlanes()
    denoiser, _ = drive(job_of(kind, teacher, planes))
    assert finite(denoiser)
    assert planes.windows
    assert max(max(window) for window in planes.windows) <= 512


@pytest.mark.parametrize("separate", [True, False])
def test_a_student_and_the_files_have_as_many_networks_as_the_teacher(
    separate: bool, tmp_path: Path
) -> None:
    planes = MemoryPlanes([noisy_image(3, 64, 64)])
    setting = "auto" if separate else "together"  # which of them auto is: test_auto_settings
    teacher, _ = drive(train(planes, TrainConfig.of(TRAIN, channels=setting)))
    student, _ = drive(distill(teacher, planes, DISTILL))
    for model in (teacher, student):
        assert model.architecture.separate is separate
        model.save(tmp_path / "model.aprrd")
        assert_same_pixels(
            load(tmp_path / "model.aprrd").predict(planes.images[0]),
            model.predict(planes.images[0]),
        )


def test_one_channel_is_not_separate() -> None:
    teacher, _ = drive(train(noisy_planes(), TrainConfig.of(TRAIN, channels="separate")))
    assert not teacher.architecture.separate


@JOBS
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_planes_of_any_size_and_channels_will_do(kind: str, channels: int) -> None:
    planes = noisy_planes((33, 90), (64, 40), (51, 37), channels=channels)
    teacher = random_denoiser(channels=channels)
    denoiser, _ = drive(job_of(kind, teacher, planes))
    assert finite(denoiser)
    assert denoiser.channels == channels
    assert denoiser.predict(planes.images[0]).shape == (channels, 33, 90)


# --- Training ----------------------------------------------------------------------------------


def test_images_of_a_few_pixels_are_refused() -> None:
    with pytest.raises(UserError, match="at least 8 x 8 pixels, got 64 x 7") as error:
        drive(train(noisy_planes((64, 64), (64, 7)), TRAIN))
    assert_one_sentence(str(error.value))


@pytest.mark.parametrize(
    ("value", "words"),
    [(7.0, r"constant \(value 7\)"), (math.nan, "no finite pixels"), (math.inf, "finite pixels")],
)
def test_images_with_nothing_to_learn_from_are_refused(value: float, words: str) -> None:
    image = np.full((2, 64, 64), value, np.float32)
    with pytest.raises(UserError, match=words) as error:
        drive(train(MemoryPlanes([image]), TRAIN))
    assert_one_sentence(str(error.value))


def test_a_device_that_is_not_there_is_refused(monkeypatch: Patch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="'cuda' is not available"):
        drive(train(noisy_planes(), TrainConfig.of(TRAIN, device="cuda")))


@pytest.mark.parametrize("changes", [{"regularization": 0}, {"loss": "l2"}, {"window": 5}])
def test_settings_of_the_loss_change_what_is_learnt(changes: dict[str, Any]) -> None:
    planes = noisy_planes()
    changed = drive(train(planes, TrainConfig.of(TRAIN, **changes)))[0]
    assert finite(changed)
    assert not same_weights(changed, drive(train(planes, TRAIN))[0])


@JOBS
def test_invalid_pixels_do_no_harm(kind: str) -> None:
    image = noisy_image(2, 96, 96) + 1e4
    image[0, 3, 3], image[1, 50, 44:48] = np.nan, np.inf
    image[:, :, 50:] = np.nan  # whole crops hold nothing
    planes, teacher = MemoryPlanes([image]), random_denoiser(channels=2)
    teacher.normalisation = drive(train(planes, TRAIN))[0].normalisation
    denoiser, reports = drive(job_of(kind, teacher, planes))
    assert finite(denoiser)
    assert max(r.loss for r in reports if r.loss is not None) < 100  # normalised: about 1
    assert denoiser.calibration is not None
    assert np.isfinite([*denoiser.calibration.gain, *denoiser.calibration.offset]).all()
    output = denoiser.predict(image)
    np.testing.assert_array_equal(np.isfinite(output), np.isfinite(image))


@pytest.mark.parametrize("config", [TrainConfig(learning_rate=0.01), DistillConfig(warmup=0.5)])
def test_the_learning_rate_warms_up_and_falls_as_a_cosine(
    config: TrainConfig | DistillConfig,
) -> None:
    top, up = config.learning_rate, config.warmup
    assert learning_rate(config, 0) == 0
    assert learning_rate(config, up / 4) == pytest.approx(top / 4)
    assert learning_rate(config, up) == pytest.approx(top)
    third = up + (1 - up) / 3
    assert learning_rate(config, third) == pytest.approx(0.75 * top)
    assert learning_rate(config, (1 + up) / 2) == pytest.approx(top / 2)
    assert learning_rate(config, 1) == pytest.approx(0, abs=1e-12)
    assert learning_rate(config, 1.2) == pytest.approx(0, abs=1e-12)  # a budget overrun


def test_without_warm_up_the_learning_rate_starts_at_the_top() -> None:
    config = TrainConfig(warmup=0, learning_rate=3e-3)
    assert learning_rate(config, 0) == config.learning_rate


# --- Which weights are kept --------------------------------------------------------------------


class Lonely(Objective):
    """An objective whose loss is a function's."""

    stage = "Learn"

    def __init__(self, loss: Callable[[nn.Module], Tensor]) -> None:
        identity = Normalisation((0.0,), (1.0,))
        super().__init__(CropSampler(noisy_planes(), identity, batch=1, patch=32, seed=0), seed=0)
        self._loss = loss

    def draw(self) -> Batch:
        crops = self.sampler.draw()
        return Batch(crops.values, crops.valid, torch.empty(1, 0))

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return self._loss(network)


class Optimised:
    """Optimises a student on a simple loss, with made-up held-out losses."""

    def __init__(self, held_out: list[float], **changes: Any) -> None:
        self.denoiser = random_denoiser("student-1.00M")
        self.seen: list[nn.Module] = []
        self.losses = iter(held_out)
        self.newest: dict[str, Tensor] = {}
        config = TrainConfig(**{"steps": 10, "learning_rate": 0.01, **changes})
        objective = Lonely(self.loss)
        objective.held_out_loss = self.held_out_loss if held_out else None
        job = optimise(self.denoiser, objective, config, Clock(), Checkpoint())
        self.done, self.reports = drive(job)

    def loss(self, network: nn.Module) -> Tensor:
        self.network = network
        return network(torch.ones(1, 1, 16, 16)).abs().mean()

    def held_out_loss(self, network: nn.Module) -> float:
        self.seen.append(copy.deepcopy(network))
        return next(self.losses)

    def kept(self, network: nn.Module) -> bool:
        ours, theirs = self.denoiser.network.state_dict(), network.state_dict()
        return all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_over_training_goes_back_to_the_best_weights() -> None:
    run = Optimised([5.0, 3.0, 2.0, 4.0, 6.0, *[7.0] * 15], steps=20)
    assert run.kept(run.seen[2])
    assert run.done["best_step"] == 3
    assert run.done["stopped"] is False  # by the user
    assert run.done["steps"] == 3 + PATIENCE
    assert "step 3" in run.reports[-1].note
    assert [report.held_out for report in run.reports][:4] == [5.0, 3.0, 2.0, 4.0]


def test_while_the_held_out_loss_falls_training_goes_on_to_the_end() -> None:
    run = Optimised([20.0 - step for step in range(10)])
    assert run.kept(run.seen[-1])
    assert run.done["best_step"] == run.done["steps"] == 10
    assert not any(report.note for report in run.reports)


def test_a_late_gain_is_not_given_up() -> None:
    run = Optimised([20.0 - step for step in range(8)] + [15.0, 15.0])
    assert run.kept(run.seen[7])
    assert run.done["best_step"] == 8
    assert run.done["steps"] == 10


def test_a_difference_by_chance_is_no_over_training() -> None:
    run = Optimised([2.0, 1.0, *[1.0001] * 8])
    assert run.kept(run.seen[-1])
    assert run.done["best_step"] == run.done["steps"] == 10


def test_a_long_time_budget_is_not_spent_on_learning_by_heart(monkeypatch: Patch) -> None:
    monkeypatch.setattr(auto_settings, "PASSES", 3)
    monkeypatch.setattr(auto_settings, "FEWEST_STEPS", 2)
    planes, config = noisy_planes((64, 64)), TrainConfig.of(TRAIN, minutes=5)
    teacher, reports = drive(train(planes, config))
    pixels_of_a_step = config.batch * config.patch**2
    assert teacher.record["train"]["steps"] == max(math.ceil(3 * 64**2 / pixels_of_a_step), 2)
    assert any("Nothing more to learn" in report.note for report in reports)
    assert reports[-1].seconds < 60


@JOBS
def test_held_out_pixels_are_watched(kind: str, teacher: Denoiser) -> None:
    planes, share = noisy_planes((96, 96)), {"hold_out": 0.3, "steps": 4}
    if kind == "train":
        denoiser, reports = drive(train(planes, TrainConfig.of(TRAIN, **share)))
    else:
        denoiser, reports = drive(distill(teacher, planes, DistillConfig.of(DISTILL, **share)))
    losses = [report.held_out for report in reports if report.held_out is not None]
    assert len(losses) > 1
    assert np.isfinite(losses).all()
    best = int(np.argmin(losses)) + 1
    assert denoiser.record[kind]["best_step"] in {best, denoiser.record[kind]["steps"]}


def test_without_averaging_the_last_weights_are_kept() -> None:
    last = Optimised([], average=0)
    assert last.kept(last.network)
    averaged = Optimised([], average=0.5)
    assert not averaged.kept(averaged.network)
    assert finite(averaged.denoiser)


# --- Distilling --------------------------------------------------------------------------------


def test_a_student_cannot_teach() -> None:
    with pytest.raises(UserError, match=r"student already.*distil from a teacher"):
        drive(distill(random_denoiser("student-1.00M"), noisy_planes(), DISTILL))


def test_a_teacher_of_other_channels_is_refused(teacher: Denoiser) -> None:
    with pytest.raises(UserError, match=r"trained on 1 channel\(s\), the images have 3"):
        drive(distill(teacher, noisy_planes(channels=3), DISTILL))


@BOTH_TARGETS
@pytest.mark.parametrize("size", [(7, 64), (64, 7)])
def test_images_of_a_few_pixels_are_not_distilled(teacher: Denoiser, size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=f"at least 8 x 8 pixels, got {size[0]} x {size[1]}"):
        drive(distill(teacher, noisy_planes(size), DISTILL))


def test_stopping_before_the_first_step_says_that_nothing_is_kept(teacher: Denoiser) -> None:
    with pytest.raises(UserError, match="nothing to keep"):
        drive(distill(teacher, noisy_planes(), DISTILL), stop_at="Compute targets")


@BOTH_TARGETS
@pytest.mark.parametrize("student", ["1.00M", "1.02M"])
@pytest.mark.parametrize("recharge", [True, False])
def test_students_of_both_kinds_learn_from_targets_of_both_places(
    teacher: Denoiser, student: StudentKind, recharge: bool
) -> None:
    config = DistillConfig.of(DISTILL, student=student, recharge=recharge)
    before, planes = teacher.copy(), noisy_planes((70, 45), (34, 33))
    result, _ = drive(distill(teacher, planes, config))
    assert same_weights(teacher, before)
    assert teacher.record == before.record
    assert teacher.calibration == before.calibration
    assert result.architecture.kind == f"student-{student}"
    assert result.normalisation == teacher.normalisation
    assert finite(result)
    assert np.isfinite(result.predict(planes.images[0])).all()


def test_recharging_changes_what_is_learnt(teacher: Denoiser) -> None:
    plain = DistillConfig.of(DISTILL, recharge=False)
    students = [drive(distill(teacher, noisy_planes(), c))[0] for c in (DISTILL, plain)]
    assert not same_weights(*students)


def test_targets_are_the_same_wherever_they_are_computed(
    teacher: Denoiser, monkeypatch: Patch
) -> None:
    planes, config = noisy_planes((32, 32)), DistillConfig.of(DISTILL, recharge=False)

    def losses() -> list[float | None]:
        reports = drive(distill(teacher, planes, config))[1]
        return [r.loss for r in reports if r.stage == "Distil student"]

    in_memory = losses()
    monkeypatch.setattr(targets_module, "TARGETS_IN_MEMORY", 0)
    per_crop = losses()
    # Crops are turned before the teacher sees them, so that its targets differ a little.
    assert per_crop[-1] == pytest.approx(in_memory[-1], rel=0.3)


@BOTH_TARGETS
def test_targets_are_computed_in_the_faster_precision_of_blind_spot_networks(
    teacher: Denoiser, monkeypatch: Patch
) -> None:
    def pick(device: object, precision: object, trial: Trial) -> str:
        return "bfloat16" if trial.architecture.kind == "blind-spot" else "float32"

    def computed(network: BlindSpotNetwork, *args: Any) -> Tensor:
        used.append(torch.is_autocast_enabled(DEVICE.type))
        return all_shifts(network, *args)

    used: list[bool] = []
    all_shifts = BlindSpotNetwork.all_shifts
    monkeypatch.setattr(distill_module, "pick_precision", pick)
    monkeypatch.setattr(BlindSpotNetwork, "all_shifts", computed)
    student, _ = drive(distill(teacher, noisy_planes(), DISTILL))
    assert used
    assert all(used)
    assert student.record["distill"]["config"]["precision"] == "float32"


# --- The point of it all -----------------------------------------------------------------------


def test_teacher_and_student_denoise() -> None:
    y, x = np.indices((96, 96))
    truth = (100 + 40 * np.sin(y / 9) * np.cos(x / 11))[None].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 25, truth.shape).astype(np.float32)
    noisy, small = truth + noise, {"batch": 2, "patch": 32, "width": 6, "depth": 2}
    planes = MemoryPlanes([noisy])
    teacher, reports = drive(
        train(planes, TrainConfig(**small, steps=150, shift=1, learning_rate=5e-3))
    )
    training = [r.loss for r in reports if r.loss is not None]
    assert training[-1] < training[0]
    student, _ = drive(
        distill(teacher, planes, DistillConfig(**small, steps=150, learning_rate=5e-3))
    )
    before = psnr(noisy, truth)
    assert psnr(teacher.predict(noisy), truth) > before + 5
    assert psnr(student.predict(noisy), truth) > before + 5
    alone = teacher.predict(noisy, DenoiseConfig(shifts=(1,)))
    assert psnr(alone, truth) > before + 3
