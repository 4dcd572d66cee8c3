"""Options and settings without effect are refused in one sentence that names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from command_line import call, contents
from core.makers import (
    THREE_STEPS,
    assert_one_sentence,
    noisy_image,
    noisy_stack,
    random_denoiser,
)

from napari_aprrd import api
from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.architecture import OwnArchitecture

DENOISE = ["denoise", "a.npy", "-o", "o.npy"]
WITH_MODEL = [*DENOISE, "--model", "student.aprrd"]
TRAIN = ["train", "a.npy", "-o", "o.aprrd"]
DISTILL = ["distill", "teacher.aprrd", "a.npy", "-o", "o.aprrd"]
BENCHMARK = ["benchmark", "pairs", "--root", ".", "-o", "out"]
REFUSED = [
    (WITH_MODEL, "--minutes 5", "--minutes has no effect with --model"),
    (WITH_MODEL, "--each", "--each has no effect"),
    (WITH_MODEL, "--seed 0", "--seed has no effect"),
    (WITH_MODEL, "--start scratch", "--start has no effect"),
    (WITH_MODEL, "--neighbours 1", "--neighbours has no effect with --model"),
    (WITH_MODEL, "--preset fast", "--preset has no effect"),
    (WITH_MODEL, "--preset fast --each", "--preset and --each have no effect with --model"),
    (WITH_MODEL, "--minutes 5 --seed 1 --each", "--minutes, --seed and --each have no effect"),
    (WITH_MODEL, "--shifts 1,2", "shifts has no effect: this model is a student"),
    (WITH_MODEL, "--workers 2 --scheduler tcp://localhost:1", "--workers has no effect"),
    (DENOISE, "--shifts 1,2", "--shifts has no effect without --model"),
    (DENOISE, "--preset paper --start starter", "--start has no effect with --preset paper"),
    (TRAIN, "--minutes 1 --steps 5", "--steps has no effect with --minutes"),
    (TRAIN, "--preset fast --minutes 1", "--preset has no effect with --minutes"),
    (TRAIN, "--preset fast --steps 5", "--preset has no effect with --steps"),
    (TRAIN, "--no-replace --window 5", "--window has no effect with --no-replace"),
    (TRAIN, "--start starter --width 48", "--start has no effect with another --width"),
    (TRAIN, "--channels separate", "--channels has no effect on images of one channel"),
    (TRAIN, "--devices 2 --device cuda:1", "--device has no effect"),
    (TRAIN, "--neighbours 1", "neighbours = 1 has no effect: there is no stack"),
    (DENOISE, "--neighbours 1", "neighbours = 1 has no effect: there is no stack"),
    (TRAIN, "--planes 0", "no planes to choose from"),
    (DISTILL, "--minutes 1 --steps 5", "--steps has no effect with --minutes"),
    (DISTILL, "--student 1.02M --start starter", "--start has no effect with --student"),
    (DISTILL, "--targets both", "targets = 'both' has no effect: this teacher sees no"),
    (BENCHMARK, "--neighbours 1", "--neighbours has no effect in a benchmark"),
    (BENCHMARK, "--model student.aprrd --steps 5", "--steps has no effect with --model"),
    (["info", "student.aprrd"], "--json --methods", "--json has no effect with --methods"),
]


@pytest.mark.parametrize(("command", "options", "said"), REFUSED)
def test_options_without_effect_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], options: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", noisy_image(1, 72, 72)[0])
    random_denoiser("student-1.00M").save("student.aprrd")
    random_denoiser("blind-spot").save("teacher.aprrd")
    before = contents(tmp_path)
    result = call(*command, *options.split())
    assert result.exit_code == 2
    assert_one_sentence(result.stderr, said)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
def test_a_student_refuses_shifts_in_python(wrap: Any) -> None:
    image, student = wrap(noisy_image(1, 40, 48)[0]), random_denoiser("student-1.00M")
    with pytest.raises(UserError, match="shifts has no effect"):
        api.denoise(image, student, shifts=(1,), progress=False)


def test_a_network_of_ones_own_refuses_a_size() -> None:
    own = OwnArchitecture(make=lambda: None, channels=1, reach=lambda _: 1)  # type: ignore[arg-type,return-value]
    with pytest.raises(UserError, match="own: width, start; leave them out"):
        api.train_apr(noisy_image(1, 72, 72)[0], architecture=own, width=4, start="scratch")


def test_a_network_of_ones_own_refuses_neighbours_also_in_a_config() -> None:
    own = OwnArchitecture(make=lambda: None, channels=1, reach=lambda _: 1)  # type: ignore[arg-type,return-value]
    stack = noisy_stack(3, 72, 72)
    with pytest.raises(UserError, match="own: neighbours; leave them out"):
        api.train_apr(stack, architecture=own, neighbours=1)
    config = TrainConfig(neighbours=1, steps=1)
    with pytest.raises(UserError, match="network of your own sees planes alone"):
        api.train_apr(stack, config, architecture=own, progress=False)


def test_neighbours_of_a_single_image_are_refused_in_python() -> None:
    with pytest.raises(UserError, match="neighbours = 1 has no effect: there is no stack"):
        api.train_apr(noisy_stack(72, 72), **THREE_STEPS, neighbours=1, progress=False)
    with pytest.raises(UserError, match="neighbours = 1 has no effect: there is no stack"):
        api.denoise(noisy_stack(72, 72), neighbours=1, minutes=0.1, progress=False)
    teacher = random_denoiser()
    with pytest.raises(UserError, match="targets = 'with' has no effect"):
        api.distill_rd(teacher, noisy_stack(72, 72), targets="with", progress=False)


def test_a_function_as_progress_is_refused_in_the_background() -> None:
    image, student = noisy_image(1, 40, 48)[0], random_denoiser("student-1.00M")
    with pytest.raises(UserError, match="no effect in the background"):
        api.denoise(image, student, progress=print, background=True)
