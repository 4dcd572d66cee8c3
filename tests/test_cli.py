"""The command line."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from command_line import QUICK, call, contents, succeed
from core.makers import (
    assert_one_sentence,
    neighbour_denoiser,
    noisy_stack,
    random_denoiser,
    same_weights,
)

from napari_aprrd import api, cli
from napari_aprrd.core.config import Config, DenoiseConfig, DistillConfig, TrainConfig
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.model.denoiser import Denoiser, load
from napari_aprrd.files import learn_from_files
from napari_aprrd.files.formats import BY_SUFFIX, read_picture, write_picture
from napari_aprrd.files.inputs import Files
from napari_aprrd.files.npy import Npy
from napari_aprrd.files.picture import Picture
from napari_aprrd.metrics import evaluate

PROGRAM = [sys.executable, "-c", "from napari_aprrd.cli import main; main()"]
DEADLINE = 60.0  # seconds
DETAILS = ("preset", "minutes", "seed", "start", "neighbours", "device")
COMMANDS: dict[str, Sequence[str]] = {
    "benchmark": ["root", "out", "model", *TrainConfig.model_fields, *DistillConfig.model_fields],
    "demo": ["out"],
    "inspect": ["axes", "planes", "json"],
    "train": ["out", "axes", "planes", "resume", *TrainConfig.model_fields],
    "distill": ["out", "axes", "planes", "resume", *DistillConfig.model_fields],
    "denoise": ["out", "model", "axes", "planes", "report", *DenoiseConfig.model_fields, *DETAILS],
    "evaluate": ["json"],
    "info": ["json", "methods"],
    "import": ["out"],
    "export": ["out", "name"],
}


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A TIFF file of two planes."""
    path = tmp_path / "stack.tif"
    scale = {"T": 2.0, "Y": 0.5, "X": 0.25}
    write_picture(
        path, Picture(noisy_stack(2, 40, 48), "TYX", scale, dict.fromkeys("YX", "nm"), "ome")
    )
    return path


@pytest.fixture
def student(tmp_path: Path) -> Path:
    random_denoiser("student-1.00M").save(tmp_path / "student.aprrd")
    return tmp_path / "student.aprrd"


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    random_denoiser("blind-spot").save(tmp_path / "teacher.aprrd")
    return tmp_path / "teacher.aprrd"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_every_setting(command: str) -> None:
    result = call(command, "--help", COLUMNS="200", TERMINAL_WIDTH="200")
    assert result.exit_code == 0
    for name in COMMANDS[command]:
        assert f"--{name.replace('_', '-')}" in result.stdout


def test_help_lists_every_command() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert {c.name for c in cli.app.registered_commands} == set(COMMANDS)
    assert all(f" {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    ("command", "config"),
    [("train", TrainConfig), ("distill", DistillConfig), ("denoise", DenoiseConfig)],
)
def test_help_says_what_a_setting_is_and_its_default(command: str, config: type[Config]) -> None:
    result = call(command, "--help", COLUMNS="400")
    words = " ".join(result.stdout.replace("│", " ").split())
    for info in config.model_fields.values():
        assert " ".join((info.description or "missing").split()) in words
        if isinstance(info.default, int | float | str) and not isinstance(info.default, bool):
            assert f"(default {info.default}" in words


def test_inspect_says_what_the_noise_looks_like(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(100, 10, (96, 96))
    np.save(tmp_path / "noise.npy", noise.astype("f4"))
    words = succeed("inspect", tmp_path / "noise.npy")
    assert "independent from pixel to pixel (white)" in words
    report = json.loads(succeed("inspect", tmp_path / "noise.npy", "--json"))
    assert report["reach_x"] == report["reach_y"] == 0
    assert report["sigma"] == pytest.approx(10, rel=0.15)
    read, *advice = words.splitlines()
    assert read == "noise.npy: one plane of 96 x 96, float32."
    assert list(report["advice"]) == advice[: len(report["advice"])]
    assert report["read"][0]["shape"] == [96, 96]


def test_inspect_says_once_what_frames_share(tmp_path: Path) -> None:
    scene = 100 + 30 * np.sin(np.arange(96) / 5)[:, None] * np.cos(np.arange(96) / 7)
    noise = np.random.default_rng(0).normal(0, 20, (6, 96, 96))
    np.save(tmp_path / "film.npy", (scene + noise).astype("f4"))
    words = succeed("inspect", tmp_path / "film.npy", "--axes", "TYX")
    assert words.count("Frames share their scene and not their noise: ") == 1
    report = json.loads(succeed("inspect", tmp_path / "film.npy", "--axes", "TYX", "--json"))
    assert report["stack"]["neighbours"] >= 1
    assert set(report["stack"]["correlation"]) == {"1", "2", "3"}


@pytest.mark.parametrize("flavour", ["", "imagej", "ome", "zarr"])
def test_denoised_files_say_how_they_were_made(tmp_path: Path, student: Path, flavour: str) -> None:
    name = "clean.zarr" if flavour == "zarr" else "clean.tif"
    write_picture(tmp_path / "a.tif", Picture(noisy_stack(2, 40, 48), "TYX", flavour=flavour))
    assert "does not say how it was made" in call("info", tmp_path / "a.tif").stderr
    succeed("denoise", tmp_path / "a.tif", "-o", tmp_path / name, "--model", student)
    record = json.loads(succeed("info", tmp_path / name, "--json"))["denoise"]
    assert record["model"] == hashlib.sha256(student.read_bytes()).hexdigest()
    assert record["input"]["file"] == "a.tif"
    assert record["input"]["of"] == "all pixels"
    assert record["config"]["tile"] == DenoiseConfig().tile
    assert f"model: {record['model']}" in succeed("info", tmp_path / name)
    assert "[1] H. Kim and N. I. Cho" in succeed("info", tmp_path / name, "--methods")


def test_train_distil_denoise_evaluate_info(tmp_path: Path, stack: Path) -> None:
    first, second, clean = (tmp_path / n for n in ("t.aprrd", "s.aprrd", "clean.tif"))
    read = "stack.tif: TYX, 2 time points of 40 x 48, uint16, 0.5 x 0.25 nm, 2 s.\n"
    assert succeed("train", stack, "-o", first, *QUICK) == f"{read}Wrote {first}\n"
    assert load(first).is_teacher
    assert succeed("distill", first, stack, "-o", second, *QUICK) == f"{read}Wrote {second}\n"
    assert not load(second).is_teacher
    assert succeed("denoise", stack, "--model", second, "-o", clean) == f"{read}Wrote {clean}\n"
    noisy_picture, picture = read_picture(stack), read_picture(clean)
    assert picture.data.shape == (2, 40, 48)
    assert picture.data.dtype == np.uint16
    assert (picture.data != noisy_picture.data).any()
    assert (picture.axes, picture.units["X"], picture.flavour) == ("TYX", "nm", "ome")
    assert picture.scale == pytest.approx(noisy_picture.scale)

    expected = evaluate(picture.data, noisy_picture.data)
    assert json.loads(succeed("evaluate", clean, stack, "--json")) == expected.as_dict()
    printed = succeed("evaluate", clean, stack)
    assert f"{expected.psnr:.2f} dB" in printed
    assert f"{expected.ssim:.4f}" in printed

    facts = json.loads(succeed("info", second, "--json"))
    assert (facts["kind"], facts["width"], facts["channels"]) == ("student-1.00M", 4, 1)
    parameters = sum(p.numel() for p in load(second).network.parameters())
    assert facts["parameters"] == parameters
    assert facts["train"]["steps"] == facts["distill"]["steps"] == 3
    assert f"parameters: {parameters}" in succeed("info", second)
    assert facts["model"] == hashlib.sha256(second.read_bytes()).hexdigest()


def test_settings_reach_the_training(tmp_path: Path, stack: Path) -> None:
    out = tmp_path / "m.aprrd"
    changes = ["--seed", "7", "--loss", "l2", "--learning-rate", "0.01", "--shift", "2"]
    succeed("train", stack, "-o", out, *QUICK, *changes)
    config = load(out).record["train"]["config"]
    assert (config["seed"], config["loss"], config["shift"]) == (7, "l2", 2)
    assert (config["learning_rate"], config["steps"], config["window"]) == (0.01, 3, 3)


def test_lists_and_switches_reach_the_distillation(
    tmp_path: Path, stack: Path, teacher: Path
) -> None:
    out = tmp_path / "s.aprrd"
    succeed("distill", teacher, stack, "-o", out, *QUICK, "--shifts", "0, 2,3", "--recharge", "off")
    config = load(out).record["distill"]["config"]
    assert (config["shifts"], config["recharge"]) == ([0, 2, 3], "off")


def test_models_of_stacks_are_made_described_and_used(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", noisy_stack(3, 64, 64))
    stack, first, second = (tmp_path / n for n in ("stack.npy", "t.aprrd", "s.aprrd"))
    succeed("train", stack, "-o", first, *QUICK, "--neighbours", "1")
    succeed("distill", first, stack, "-o", second, *QUICK, "--targets", "both")
    facts = json.loads(succeed("info", second, "--json"))
    assert (facts["neighbours"], facts["stack_axis"]) == (1, "T")
    assert facts["distill"]["config"]["targets"] == "both"
    out = tmp_path / "out.npy"
    assert "alone" not in call("denoise", stack, "--model", second, "-o", out).stderr
    expected = api.denoise(np.load(stack), load(second), progress=False)
    np.testing.assert_array_equal(np.load(out), expected)


def test_a_model_of_stacks_says_that_a_single_image_is_denoised_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", noisy_stack(3, 64, 64))
    model, teacher, out = (tmp_path / n for n in ("s.aprrd", "t.aprrd", "out.npy"))
    neighbour_denoiser().save(model)
    neighbour_denoiser("blind-spot").save(teacher)
    one = [tmp_path / "stack.npy", "--planes", "1"]
    told = call("denoise", *one, "--model", model, "-o", out).stderr.splitlines()[0]
    assert_one_sentence(told, "its planes are denoised alone")
    expected = load(model).predict(np.load(one[0])[1:2].astype(np.float32))
    np.testing.assert_array_equal(np.load(out), np.rint(expected[0]).clip(0))
    distilled = call("distill", teacher, *one, "-o", tmp_path / "d.aprrd", *QUICK)
    assert "this image has none" in distilled.stderr


def test_chosen_planes_are_each_others_neighbours_and_others_are_not_read(tmp_path: Path) -> None:
    stack = noisy_stack(9, 64, 64)
    np.save(tmp_path / "stack.npy", stack)
    model, out = tmp_path / "s.aprrd", tmp_path / "out.npy"
    neighbour_denoiser().save(model)
    for planes, chosen in (("2:6", stack[2:6]), ("0:9:3", stack[::3])):
        succeed(
            *("denoise", tmp_path / "stack.npy", "--model", model, "-o", out, "--planes", planes)
        )
        expected = api.denoise(chosen, load(model), progress=False)
        np.testing.assert_array_equal(np.load(out), expected)


def test_denoising_without_a_model_learns_from_neighbours_if_told(
    tmp_path: Path, tiny_presets: Any
) -> None:
    tiny_presets(3)
    stack, out = noisy_stack(3, 64, 64), tmp_path / "out.npy"
    np.save(tmp_path / "in.npy", stack)
    succeed("denoise", tmp_path / "in.npy", "-o", out, "--neighbours", "1", "--seed", "2")
    expected = api.denoise(stack, neighbours=1, seed=2, progress=False)
    np.testing.assert_array_equal(np.load(out), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.npy", "out.npy"]


def test_settings_reach_the_denoising(tmp_path: Path, stack: Path, student: Path) -> None:
    out = tmp_path / "clean.tif"
    succeed("denoise", stack, "--model", student, "-o", out, "--dtype", "float32", "--tile", "64")
    picture = read_picture(out)
    assert picture.data.dtype == np.float32
    expected = load(student).predict(read_picture(stack).data[1:].astype(np.float32))
    np.testing.assert_allclose(picture.data[1:], expected, rtol=1e-4)


def test_denoising_without_a_model_trains_and_distils_first(tmp_path: Path) -> None:
    out = tmp_path / "clean.tif"
    np.save(tmp_path / "in.npy", noisy_stack(64, 72))
    before = contents(tmp_path)
    succeed("denoise", tmp_path / "in.npy", "-o", out, "--minutes", "0.005", "--seed", "3")
    assert read_picture(out).data.shape == (64, 72)
    after = contents(tmp_path)
    assert after.pop("clean.tif")
    assert after == before


def test_many_files_go_into_a_folder(tmp_path: Path, student: Path) -> None:
    (tmp_path / "in").mkdir()
    images = {
        "a.tif": noisy_stack(40, 48),
        "b.npy": noisy_stack(2, 33, 35),
        "c.png": noisy_stack(20, 30, dtype="u1"),
    }
    for name, image in images.items():
        write_picture(tmp_path / "in" / name, Picture(image, "TYX"[-image.ndim :]))
    printed = succeed("denoise", tmp_path / "in", "--model", student, "-o", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [*images, "summary.csv"]
    for name, image in images.items():
        written = read_picture(tmp_path / "out" / name).data
        assert (written.shape, written.dtype) == (image.shape, image.dtype)
        assert f"Wrote {tmp_path / 'out' / name}\n" in printed


def test_what_fails_is_told_at_the_end_and_the_rest_is_done(tmp_path: Path, student: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ac":
        np.save(tmp_path / "in" / f"{name}.npy", noisy_stack(40, 48))
    (tmp_path / "in" / "b.tif").write_bytes(b"no image")
    out = tmp_path / "out"
    result = call("denoise", tmp_path / "in", "--model", student, "-o", out)
    assert result.exit_code == 2
    assert result.stderr.count("b.tif") == 2  # once as the file, once in its message
    assert "1 of 3 files failed" in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(p.name for p in out.iterdir()) == ["a.npy", "c.npy", "summary.csv"]
    with (out / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert "b.tif" in rows[1]["message"]


def test_outputs_that_are_there_can_be_left_alone(tmp_path: Path, student: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        np.save(tmp_path / "in" / f"{name}.npy", noisy_stack(40, 48))
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.npy").write_bytes(b"mine")
    arguments = ("denoise", tmp_path / "in", "--model", student, "-o", out)
    assert "Skipped" in succeed(*arguments, "--skip-existing")
    assert (out / "a.npy").read_bytes() == b"mine"
    assert read_picture(out / "b.npy").data.shape == (40, 48)
    succeed(*arguments)
    assert read_picture(out / "a.npy").data.shape == (40, 48)


@pytest.mark.parametrize("each", [False, True])
def test_one_model_for_all_files_or_one_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, each: bool
) -> None:
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", noisy_stack(72, 72))
    (tmp_path / "c.tif").write_bytes(b"no image")
    inputs, trained = [tmp_path / name for name in ("a.npy", "b.npy", "c.tif")], []

    def train(files: Files, *_: Any) -> Denoiser:
        trained.append([path.name for path in files.targets])
        return random_denoiser("student-1.00M")

    monkeypatch.setattr(learn_from_files, "train_and_distill", train)
    result = call("denoise", *inputs, "-o", tmp_path / "out", *(["--each"] if each else []))
    assert result.exit_code == 2
    assert "1 of 3 files failed" in result.stderr
    assert trained == ([["a.npy"], ["b.npy"]] if each else [["a.npy", "b.npy"]])
    left = {p.name for p in (tmp_path / "out").iterdir()}
    assert left == {"a.npy", "b.npy", "summary.csv"}  # no model stays behind


def test_a_model_trained_before_a_kill_is_used_again_and_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "a.npy", noisy_stack(72, 72))
    trained = []

    def train(*_: Any) -> Denoiser:
        trained.append(1)
        return random_denoiser("student-1.00M")

    def kill(*_: Any, **__: Any) -> Any:
        raise SystemExit(9)

    monkeypatch.setattr(learn_from_files, "train_and_distill", train)
    arguments = ("denoise", tmp_path / "a.npy", "-o", tmp_path / "out.npy")
    with monkeypatch.context() as patch:
        patch.setattr("napari_aprrd.files.batch.denoise_file", kill)
        assert call(*arguments).exit_code == 9
    assert any(p.suffix == ".aprrd" for p in tmp_path.iterdir())
    succeed(*arguments)
    assert trained == [1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npy", "out.npy"]


@pytest.mark.parametrize("stage", ["Train teacher", "Compute targets", "Distil student", "Denoise"])
def test_the_same_command_goes_on_after_ctrl_c(
    tmp_path: Path,
    ctrl_c: Callable[[str], None],
    tiny_presets: Callable[[int], None],
    stage: str,
) -> None:
    tiny_presets(200)
    np.save(tmp_path / "a.npy", noisy_stack(3, 72, 72))
    arguments = ("denoise", tmp_path / "a.npy", "-o", tmp_path / "out.npy")
    ctrl_c(stage)
    result = call(*arguments)
    assert result.exit_code == 130
    assert_one_sentence(result.stderr, "start the same command again")
    assert not (tmp_path / "out.npy").exists()
    succeed(*arguments)
    assert read_picture(tmp_path / "out.npy").data.shape == (3, 72, 72)


def test_ctrl_c_before_the_first_step_of_distillation_is_no_wrong_input(
    tmp_path: Path, stack: Path, teacher: Path, ctrl_c: Callable[[str], None]
) -> None:
    ctrl_c("Compute targets")
    out = tmp_path / "out.aprrd"
    result = call("distill", teacher, stack, "-o", out, *QUICK, "--steps", "500")
    assert result.exit_code == 130
    assert_one_sentence(result.stderr, "nothing to keep yet")
    assert not out.exists()


def test_ctrl_c_keeps_what_was_distilled(
    tmp_path: Path, stack: Path, teacher: Path, ctrl_c: Callable[[str], None]
) -> None:
    ctrl_c("Distil student")
    out = tmp_path / "out.aprrd"
    result = call("distill", teacher, stack, "-o", out, *QUICK, "--steps", "500")
    assert result.exit_code == 130
    assert_one_sentence(result.stderr, f"so far is in {out}; add --resume to continue")
    assert load(out).record["distill"]["stopped"]


class Counted(Npy):
    """A file format of its own, that counts."""

    suffixes = (".counted",)

    def __init__(self) -> None:
        self.names: list[str] = []

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        self.names.append(path.name)
        return super().read(path, series, in_memory)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The names of the files that were read, of a format that is one entry in the table."""
    file_format = Counted()
    monkeypatch.setitem(BY_SUFFIX, ".counted", file_format)
    return file_format


@pytest.mark.usefixtures("few_steps")
def test_each_source_is_opened_once(tmp_path: Path, counted: Counted) -> None:
    source, out = tmp_path / "a.counted", tmp_path / "b.counted"
    write_picture(source, Picture(noisy_stack(72, 72), "YX"))
    succeed("denoise", source, "-o", out, "--report")
    assert counted.names == ["a.counted", "b.counted"]  # the result is read for the report


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.usefixtures("few_steps")
def test_each_file_of_a_folder_is_opened_once(tmp_path: Path, counted: Counted, each: bool) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        write_picture(tmp_path / "in" / f"{name}.counted", Picture(noisy_stack(72, 72), "YX"))
    succeed("denoise", tmp_path / "in", "-o", tmp_path / "out", *(["--each"] if each else []))
    assert sorted(counted.names) == ["a.counted", "b.counted"]


def test_reports_are_written_of_what_was_denoised(tmp_path: Path, student: Path) -> None:
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", noisy_stack(72, 72))
    (tmp_path / "b.npy").write_bytes(b"no image")
    out = tmp_path / "out"
    names = (tmp_path / "a.npy", tmp_path / "b.npy")
    assert call("denoise", *names, "-o", out, "--model", student, "--report").exit_code == 2
    assert {p.name for p in out.glob("*.html")} == {"a.npy.report.html"}


@pytest.mark.parametrize("command", ["train", "distill"])
def test_resume_goes_on_and_without_it_what_is_there_is_mentioned(
    tmp_path: Path, stack: Path, teacher: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any) -> None:
        raise SystemExit(9)

    out, kept = tmp_path / "out.aprrd", tmp_path / ".out.aprrd.checkpoint"
    arguments = [command, *[teacher] * (command == "distill"), stack, "-o", out, *QUICK]
    assert "starts over" in call(*arguments, "--resume").stderr  # there is nothing yet
    whole = load(out)
    with monkeypatch.context() as patch:
        patch.setattr(cli.learn, "save", kill)
        assert call(*arguments).exit_code == 9
    assert kept.exists()
    assert f"kept in {kept}; add --resume to continue" in call(*arguments[:-2], "--depth", 3).stderr
    with monkeypatch.context() as patch:
        patch.setattr(cli.learn, "save", kill)
        assert call(*arguments).exit_code == 9
    refused = call(*arguments, "--seed", "1", "--resume")
    assert refused.exit_code == 2
    assert_one_sentence(refused.stderr, "other settings (seed)")
    succeed(*arguments, "--resume")
    assert same_weights(load(out), whole)
    assert not kept.exists()


def test_one_file_goes_into_a_folder_that_is_there(
    tmp_path: Path, stack: Path, student: Path
) -> None:
    (tmp_path / "out").mkdir()
    succeed("denoise", stack, "--model", student, "-o", tmp_path / "out")
    assert read_picture(tmp_path / "out" / "stack.tif").data.shape == (2, 40, 48)


def test_files_of_one_name_do_not_overwrite_each_other(tmp_path: Path, student: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        write_picture(tmp_path / folder / "x.npy", Picture(noisy_stack(40, 48), "YX"))
    inputs = [tmp_path / folder / "x.npy" for folder in "ab"]
    result = call("denoise", *inputs, "--model", student, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert_one_sentence(result.stderr, "x.npy")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("planes", "shape"), [("1", (40, 48)), ("0:1", (1, 40, 48)), ("0:2", (2, 40, 48))]
)
def test_planes_can_be_chosen(
    tmp_path: Path, student: Path, planes: str, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "in.npy", noisy_stack(3, 40, 48))
    out = tmp_path / "out.npy"
    succeed("denoise", tmp_path / "in.npy", "--model", student, "-o", out, "--planes", planes)
    assert read_picture(out).data.shape == shape


def test_training_uses_the_chosen_planes_and_axes(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", noisy_stack(3, 40, 48))
    out = tmp_path / "m.aprrd"
    succeed("train", tmp_path / "in.npy", "-o", out, *QUICK, "--planes", "0:2")
    assert load(out).record["train"]["planes"] == 2
    succeed("train", tmp_path / "in.npy", "-o", out, *QUICK, "--axes", "CYX")
    assert load(out).channels == 3


def test_equal_images_give_json_that_others_can_read(stack: Path) -> None:
    """JSON has no word for infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    printed = succeed("evaluate", stack, stack, "--json")
    assert json.loads(printed, parse_constant=refuse)["ssim"] == pytest.approx(1)


def bad_image(name: str) -> Callable[[Path], list[str | Path]]:
    """Training on an .npy file of this kind."""
    images = {
        "two pixels": noisy_stack(1, 2),
        "complex": noisy_stack(40, 48).astype(complex),
        "mask": noisy_stack(40, 48) > 100,
        "all NaN": np.full((40, 48), np.nan),
        "constant": np.full((40, 48), 5),
        "one dimension": noisy_stack(1, 64)[0],
    }

    def arguments(folder: Path) -> list[str | Path]:
        np.save(folder / "bad.npy", images[name])
        return ["train", folder / "bad.npy", "-o", folder / "out.aprrd", *QUICK]

    return arguments


def bad_model(content: Callable[[bytes], bytes]) -> Callable[[Path], list[str | Path]]:
    """Denoising with a model file of other content."""

    def arguments(folder: Path) -> list[str | Path]:
        (folder / "bad.aprrd").write_bytes(content((folder / "student.aprrd").read_bytes()))
        image = folder / "stack.tif"
        return ["denoise", image, "--model", folder / "bad.aprrd", "-o", folder / "out.tif"]

    return arguments


def on_stack(command: str, *options: str) -> Callable[[Path], list[str | Path]]:
    """A command on the stack; IN before an option's value stands for the folder."""

    def arguments(folder: Path) -> list[str | Path]:
        inside = [folder / o[3:] if o.startswith("IN/") else o for o in options]
        models = [folder / "teacher.aprrd"] if command == "distill" else []
        return [command, *models, folder / "stack.tif", *inside]

    return arguments


def wrong_channels(command: str) -> Callable[[Path], list[str | Path]]:
    def arguments(folder: Path) -> list[str | Path]:
        np.save(folder / "rgb.npy", np.moveaxis(noisy_stack(3, 40, 48), 0, -1))
        if command == "distill":
            options = [folder / "teacher.aprrd", folder / "rgb.npy", *QUICK]
            return [command, *options, "-o", folder / "out.aprrd"]
        model = ["--model", folder / "student.aprrd"]
        return [command, folder / "rgb.npy", *model, "-o", folder / "out.npy"]

    return arguments


def text_as(name: str) -> Callable[[Path], list[str | Path]]:
    def arguments(folder: Path) -> list[str | Path]:
        (folder / name).write_text("this is no image")
        return ["train", folder / name, "-o", folder / "out.aprrd", *QUICK]

    return arguments


TRAIN = ["-o", "IN/out.aprrd", *QUICK]
DENOISE = ["--model", "IN/student.aprrd", "-o"]
BAD_INPUT = {
    **{name: (bad_image(name), text) for name, text in {
        "two pixels": "at least 8 x 8 pixels, got 1 x 2",
        "complex": "type complex128 cannot be denoised",
        "mask": "type bool cannot be denoised",
        "all NaN": "no finite pixels",
        "constant": "constant (value 5)",
        "one dimension": "at least two dimensions",
    }.items()},
    "missing file": (lambda f: ["train", f / "no.tif", "-o", f / "out.aprrd"], "There is no file"),
    "empty folder": (lambda f: ["train", f / "empty", "-o", f / "out.aprrd"], "no images"),
    "glob without files": (lambda f: ["train", f / "*.jpg", "-o", f / "out.aprrd"], "no images"),
    "text as TIFF": (text_as("a.tif"), "is not a TIFF image"),
    "text as PNG": (text_as("a.png"), "is not a PNG image"),
    "text as JPEG": (text_as("a.jpg"), "is not a JPEG image"),
    "text as NPY": (text_as("a.npy"), "is not an NPY image"),
    "text as Zarr": (text_as("a.zarr"), "is not a Zarr image"),
    "text file": (text_as("a.txt"), "Cannot read"),
    "text as model": (bad_model(lambda _: b"this is no model"), "is not a napari-aprrd model"),
    "empty model": (bad_model(lambda _: b""), "is not a napari-aprrd model"),
    "truncated model": (bad_model(lambda content: content[:-100]), "damaged or incomplete"),
    "missing model": (on_stack("denoise", "--model", "IN/no", "-o", "IN/out.tif"), "no file"),
    "folder as model": (on_stack("denoise", "--model", "IN/empty", "-o", "IN/o.tif"), "a folder"),
    "info of a text file": (lambda f: ["info", f / "notes.txt"], "Cannot read"),
    "import of a text file": (
        lambda f: ["import", f / "notes.txt", "-o", f / "out.aprrd"],
        "not a published APR-RD checkpoint",
    ),
    "train into no folder": (on_stack("train", "-o", "IN/no/out.aprrd", *QUICK), "Cannot write"),
    "train into a file": (on_stack("train", "-o", "IN/notes.txt/o.aprrd", *QUICK), "Cannot write"),
    "train onto a folder": (on_stack("train", "-o", "IN/empty", *QUICK), "ends in .aprrd"),
    "distill into a missing folder": (on_stack("distill", "-o", "IN/no/m", *QUICK), "Cannot write"),
    "denoise into a missing folder": (on_stack("denoise", *DENOISE, "IN/no/o.tif"), "Cannot write"),
    "denoise into a file": (on_stack("denoise", *DENOISE, "IN/notes.txt/o.tif"), "Cannot write"),
    "denoise to an unknown format": (on_stack("denoise", *DENOISE, "IN/o.bmp"), "Cannot write"),
    "denoise a stack to PNG": (on_stack("denoise", *DENOISE, "IN/o.png"), "use .tif instead"),
    "shift 0": (on_stack("train", *TRAIN, "--shift", "0"), "Setting shift = 0: "),
    "even window": (on_stack("train", *TRAIN, "--window", "4"), "The window must be odd"),
    "odd patch": (on_stack("train", *TRAIN, "--patch", "33"), "multiple of 2 ** depth"),
    "unknown device": (on_stack("train", *TRAIN, "--device", "tpu"), "Setting device = 'tpu'"),
    "no shifts": (on_stack("denoise", *DENOISE, "IN/o.tif", "--shifts", ","), "Setting shifts"),
    "letters as shifts": (on_stack("denoise", *DENOISE, "IN/o.tif", "--shifts", "a"), "shifts"),
    "small tile": (on_stack("denoise", *DENOISE, "IN/o.tif", "--tile", "1"), "Setting tile = 1"),
    "plane that is not there": (on_stack("train", *TRAIN, "--planes", "9"), "no planes '9'"),
    "axes of another count": (on_stack("train", *TRAIN, "--axes", "YX"), "YX name 2 dimensions"),
    "student as teacher": (
        lambda f: ["distill", f / "student.aprrd", f / "stack.tif", "-o", f / "out.aprrd", *QUICK],
        "student already",
    ),
    "wrong channels to denoise": (wrong_channels("denoise"), "trained on 1 channel(s)"),
    "wrong channels to distill": (wrong_channels("distill"), "trained on 1 channel(s)"),
    "evaluate other shapes": (
        lambda f: ["evaluate", f / "stack.tif", f / "small.npy"],
        "they must be equal",
    ),
    "evaluate a missing file": (
        lambda f: ["evaluate", f / "stack.tif", f / "no.tif"],
        "There is no file",
    ),
    "demo in a file": (lambda f: ["demo", "--out", f / "notes.txt"], "Cannot make the folder"),
}  # fmt: skip


@pytest.mark.usefixtures("stack", "student", "teacher")
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path: Path, case: str) -> None:
    (tmp_path / "notes.txt").write_text("this is neither model nor image")
    np.save(tmp_path / "small.npy", noisy_stack(20, 30))
    (tmp_path / "empty").mkdir()
    make_arguments, expected = BAD_INPUT[case]
    arguments = make_arguments(tmp_path)
    before = contents(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2, result.stderr
    assert_one_sentence(result.stderr, expected)
    assert "Wrote" not in result.stdout
    assert contents(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no such permission on Windows")
def test_a_folder_without_permission_is_refused(tmp_path: Path, stack: Path, student: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    for arguments in (
        ["train", stack, "-o", locked / "out.aprrd", *QUICK],
        ["denoise", stack, "--model", student, "-o", locked / "out.tif"],
    ):
        result = call(*arguments)
        assert result.exit_code == 2
        assert_one_sentence(result.stderr, "Cannot write")
    assert not list(locked.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "IN"],
        ["train", "IN", "-o", "out.aprrd", "--steps", "many"],
        ["train", "IN", "-o", "out.aprrd", "--loss", "l3"],
        ["train", "IN", "-o", "out.aprrd", "--nothing", "1"],
        ["nothing"],
    ],
)
def test_wrong_usage_is_told_and_writes_nothing(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    result = call(*[str(stack) if a == "IN" else a for a in arguments])
    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.stderr
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["out.bmp", "out", "out.png", "out.jpg"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(cli.learn, "train_teacher", fail)
    result = call("denoise", stack, "-o", tmp_path / name)
    assert result.exit_code == 2
    assert_one_sentence(result.stderr, "Cannot write")


def test_a_failure_of_our_own_is_told_in_one_line(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr(cli.learn, "train_teacher", fail)
    result = call("train", stack, "-o", tmp_path / "out.aprrd")
    assert result.exit_code == 1
    assert_one_sentence(result.stderr, "Failed: ZeroDivisionError: nobody foresaw this")
    result = call("train", stack, "-o", tmp_path / "out.aprrd", NAPARI_APRRD_DEBUG="1")
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interrupt_before_the_first_step_is_told(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.learn, "train_teacher", interrupt)
    result = call("train", stack, "-o", tmp_path / "out.aprrd")
    assert result.exit_code == 130
    assert_one_sentence(result.stderr, "Interrupted before the end; start the same command again")


def test_the_program_runs_and_refuses(tmp_path: Path) -> None:
    """In a process of its own; nothing here needs torch."""
    done = subprocess.run([*PROGRAM, "--help"], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0
    assert "denoise" in done.stdout
    assert done.stderr == ""
    command = [*PROGRAM, "train", str(tmp_path / "no.tif"), "-o", str(tmp_path / "out.aprrd")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"There is no file {tmp_path / 'no.tif'}.\n"


def test_the_program_trains(tmp_path: Path, stack: Path) -> None:
    out = tmp_path / "out.aprrd"
    command = [*PROGRAM, "train", str(stack), "-o", str(out), *QUICK]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, env=env)
    assert done.returncode == 0, done.stderr
    how_it_was_read, result = done.stdout.splitlines()
    assert how_it_was_read.startswith(f"{stack.name}: TYX, ")
    assert result == f"Wrote {out}"
    assert "Train teacher" in done.stderr
    assert load(out).is_teacher


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one process on Windows")
def test_an_interrupted_training_keeps_what_was_learnt(tmp_path: Path, stack: Path) -> None:
    out = tmp_path / "out.aprrd"
    command = [*PROGRAM, "train", str(stack), "-o", str(out), *QUICK, "--steps", "10000000"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "FORCE_COLOR": "1", "COLUMNS": "100"}  # a live bar
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        try:
            said = read_until(process.stderr, b"Train teacher")
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
    assert process.returncode == 130
    message = (said + rest).decode()
    assert "Traceback" not in message
    last = message.rstrip().splitlines()[-1]
    assert last.endswith(
        f"Interrupted; the model trained so far is in {out}; add --resume to continue."
    )
    record = load(out).record["train"]
    assert record["stopped"]
    assert 1 <= record["steps"] < 10_000_000
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".out.aprrd.checkpoint",
        "out.aprrd",
        "stack.tif",
    ]


def read_until(stream: Any, text: bytes) -> bytes:
    """What a stream says up to a text; fails when it does not say it in time."""
    said, end = b"", time.monotonic() + DEADLINE
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while text not in said:
            assert selector.select(end - time.monotonic()), said
            piece = os.read(stream.fileno(), 65536)
            assert piece, said  # it ended
            said += piece
    return said


def test_a_zarr_array_goes_into_a_tiff(tmp_path: Path, student: Path) -> None:
    data = noisy_stack(2, 40, 48)
    zarr.create_array(tmp_path / "in.zarr", data=data, chunks=(1, 20, 20))
    out = tmp_path / "out.tif"
    succeed("denoise", tmp_path / "in.zarr", "--model", student, "-o", out)
    np.save(tmp_path / "in.npy", data)
    succeed("denoise", tmp_path / "in.npy", "--model", student, "-o", tmp_path / "out.npy")
    np.testing.assert_array_equal(read_picture(out).data, np.load(tmp_path / "out.npy"))


def test_stacks_of_three_or_four_planes_are_no_colour_pictures(
    tmp_path: Path, student: Path
) -> None:
    for planes in (2, 3, 4):
        tifffile.imwrite(tmp_path / "in.tif", noisy_stack(planes, 40, 48), photometric="minisblack")
        succeed("denoise", tmp_path / "in.tif", "--model", student, "-o", tmp_path / "out.tif")
        picture = read_picture(tmp_path / "out.tif")
        assert picture.data.shape == (planes, 40, 48)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        *(("u1", 0, 255), ("u2", 0, 65_535), ("u4", 4_294_000_000, 4_294_967_295)),
        *(("i2", -32_768, -32_000), ("i4", -90_000, 90_000), (">u2", 60_000, 60_100)),
        *(("f2", 0, 0.002), ("f4", -1e-3, 2e-3), ("f8", 1e6, 2e6), (">f4", 0, 1)),
    ],
)
def test_numbers_of_any_type_come_out_as_they_went_in(
    tmp_path: Path, student: Path, suffix: str, dtype: str, low: float, high: float
) -> None:
    rng = np.random.default_rng(0)
    data = np.linspace(low, high, 40 * 48).reshape(40, 48) + rng.normal(0, (high - low) / 50)
    kind = np.dtype(dtype)
    data = (np.rint(data) if kind.kind in "ui" else data).clip(low, high).astype(kind)
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    write_picture(source, Picture(data, "YX"))
    model = load(student)
    middle, spread = float(data.mean(dtype=float)), float(data.std(dtype=float))
    model.normalisation = Normalisation((middle,), (spread,))
    model.calibration = None
    model.save(tmp_path / "fitting.aprrd")
    succeed("denoise", source, "--model", tmp_path / "fitting.aprrd", "-o", out)
    clean = np.asarray(read_picture(out).data)
    assert clean.dtype == kind.newbyteorder("=")
    expected = api.denoise(data, model, progress=False)
    np.testing.assert_array_equal(clean, expected)
    if kind.kind in "ui":  # rounded and clipped, not wrapped
        floats = api.denoise(data, model, dtype="float32", progress=False).astype(float)
        limits = np.iinfo(kind)
        nearest = np.rint(floats).clip(limits.min, limits.max)
        np.testing.assert_array_equal(clean.astype(float), nearest)
