"""Images that are hard to learn from are denoised, or named, from the user's side."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from core.makers import noisy_image, random_denoiser
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

import napari_aprrd as aprrd
from napari_aprrd import cli
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.noise.rounding import loss_by_rounding
from napari_aprrd.core.training import budget
from napari_aprrd.files.bioimage_io import InUnitsOfTheSource
from napari_aprrd.files.formats import read_picture, write_picture
from napari_aprrd.files.picture import Picture

TINY: Any = {"steps": 3, "batch": 2, "patch": 32, "width": 4, "depth": 2, "progress": False}
OPTIONS = [f"--{name}={value}" for name, value in TINY.items() if name != "progress"]


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def noisy(*shape: int, dtype: Any = np.uint16) -> NDArray[Any]:
    planes = noisy_image(int(np.prod(shape[:-2])), *shape[-2:])
    return planes.reshape(shape).astype(dtype)


def photons(*shape: int, rate: float = 0.1) -> NDArray[np.uint8]:
    return (np.random.default_rng(0).random(shape) < rate).astype(np.uint8)


def save(path: Path, data: NDArray[Any], axes: str = "YX") -> Path:
    path.parent.mkdir(exist_ok=True)
    write_picture(path, Picture(data, axes))
    return path


def learnt(images: Any, **keywords: Any) -> Any:
    """A student of a teacher, both after a few steps."""
    teacher = aprrd.train_apr(images, **TINY, **keywords)
    keywords.pop("channels", None)
    return aprrd.distill_rd(teacher, images, **TINY, **keywords)


# --- Narrow images -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(8, 90), (100, 12), (20, 64), (25, 25)])
def test_images_narrower_than_a_crop_are_learnt_from_and_denoised(size: tuple[int, int]) -> None:
    strip = noisy(*size)
    clean = aprrd.denoise(strip, learnt(strip), progress=False)
    assert (clean.shape, clean.dtype) == (strip.shape, strip.dtype)


def test_a_strip_and_a_large_image_are_learnt_from_together() -> None:
    images = [noisy(80, 90), noisy(10, 90)]
    clean = aprrd.denoise(images, learnt(images), progress=False)
    assert [image.shape for image in clean] == [(80, 90), (10, 90)]


# --- Constant channels, planes and borders -----------------------------------------------------


@pytest.mark.parametrize("channels", ["together", "separate"])
@pytest.mark.parametrize("value", [0, 9])
def test_an_empty_channel_comes_out_as_it_went_in(
    tmp_path: Path, channels: str, value: int
) -> None:
    image = noisy(3, 48, 64)
    image[1] = value
    student = learnt(image, axes="CYX", channels=channels)
    student.save(tmp_path / "student.aprrd")
    assert student.normalisation.not_learnt == (1,)
    for model in (student, tmp_path / "student.aprrd"):
        clean = aprrd.denoise(image, model, axes="CYX", progress=False)
        np.testing.assert_array_equal(clean[1], image[1])
        assert all((clean[c] != image[c]).any() for c in (0, 2))


def test_a_channel_that_was_empty_in_training_is_kept_and_named() -> None:
    image = noisy(2, 48, 64)
    image[1] = 0
    teacher = aprrd.train_apr(image, axes="CYX", **TINY)
    full = noisy(2, 48, 64)
    with pytest.warns(aprrd.DataWarning, match="Channel 1 .* was constant in the images"):
        clean = aprrd.denoise(full, teacher, axes="CYX", progress=False)
    np.testing.assert_array_equal(clean[1], full[1])


def test_black_frames_and_borders_come_out_as_they_went_in() -> None:
    image = noisy(4, 72, 80)
    image[[0, 2]] = 0
    image[:, :15] = 0
    student = learnt(image)
    for tile in (1024, 64):
        clean = aprrd.denoise(image, student, progress=False, tile=tile)
        assert not clean[image == 0].any()
        assert (clean != image)[1, 15:].any()


def test_the_network_does_not_see_the_step_at_a_black_border() -> None:
    """Else its output is too dark beside the border."""
    model, image = random_denoiser("student-1.00M"), noisy_image(1, 64, 64)
    image[0, :20] = 0
    low = image.copy()
    low[0, :20] = -1000
    for window in (image, low):
        np.testing.assert_array_equal(model.predict(window)[0, :20], window[0, :20])
    np.testing.assert_array_equal(model.predict(image)[0, 20:], model.predict(low)[0, 20:])


def test_the_black_frames_of_a_stack_take_no_time_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a short time targets of one plane have to do: it is not a black one."""
    monkeypatch.setattr(budget, "TARGETS", 0.0)
    image = noisy(6, 48, 48)
    image[:5] = 0
    teacher = aprrd.train_apr(image, **TINY)
    short = {name: value for name, value in TINY.items() if name != "steps"}
    student = aprrd.distill_rd(teacher, image, minutes=0.01, **short)
    assert student.record["distill"]["targets"] == 1
    assert student.calibration is not None
    clean = aprrd.denoise(image, student, progress=False, dtype="float32")
    assert clean[5].mean() == pytest.approx(image[5].mean(), rel=0.02)


def test_an_exported_package_keeps_an_empty_channel() -> None:
    image = noisy(2, 48, 64).astype(np.float32)
    image[1] = 0
    student = learnt(image, axes="CYX")
    image[1, 10] = 5
    exported = InUnitsOfTheSource(student.to("cpu"))
    with torch.inference_mode():
        clean = exported(torch.from_numpy(image)[None])[0].numpy()
    np.testing.assert_array_equal(clean[1], image[1])
    assert (clean[0] != image[0]).any()


# --- One odd file ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two grey images, and beside them a coloured, a tiny and a damaged one."""
    for name in ("a", "b"):
        save(tmp_path / "in" / f"{name}.tif", noisy(40, 48))
    save(tmp_path / "in" / "colours.tif", noisy(40, 48, 3, dtype=np.uint8), "YXS")
    save(tmp_path / "in" / "tiny.tif", noisy(5, 60))
    (tmp_path / "in" / "damaged.tif").write_bytes(b"II*\0 and no more")
    return tmp_path / "in"


@pytest.mark.usefixtures("few_steps")
def test_odd_files_of_a_folder_are_named_and_the_rest_is_done(folder: Path) -> None:
    out = folder.parent / "out"
    result = call("denoise", folder, "-o", out, "--preset", "fast")
    assert result.exit_code == 2
    assert "colours.tif is not learnt from: it has 3 channel(s), the others 1." in result.stderr
    assert "tiny.tif is not learnt from: it has only 5 x 60 pixels." in result.stderr
    assert "2 of 5 files failed" in result.stderr
    with (out / "summary.csv").open() as file:
        became = {Path(row["input"]).stem: row for row in csv.DictReader(file)}
    done = {name for name, row in became.items() if row["status"] == "done"}
    assert done == {"a", "b", "tiny"}  # the model of the others can denoise the tiny one
    assert all(became[name]["message"] for name in ("colours", "damaged"))
    assert sorted(path.name for path in out.iterdir()) == [
        "a.tif", "b.tif", "summary.csv", "tiny.tif"
    ]  # fmt: skip


@pytest.mark.usefixtures("few_steps")
def test_with_each_every_file_is_on_its_own(folder: Path) -> None:
    out = folder.parent / "out"
    result = call("denoise", folder, "-o", out, "--each", "--preset", "fast")
    assert result.exit_code == 2
    assert "not learnt from" not in result.stderr
    assert "2 of 5 files failed" in result.stderr
    assert {path.stem for path in out.glob("*.tif")} == {"a", "b", "colours"}


def test_models_are_made_of_the_files_that_go_together(folder: Path) -> None:
    teacher, student = folder.parent / "teacher.aprrd", folder.parent / "student.aprrd"
    for command in (
        ["train", folder, "-o", teacher],
        ["distill", teacher, folder, "-o", student],
        ["inspect", folder],
    ):
        options = OPTIONS if command[0] != "inspect" else []
        result = call(*command, *options)
        assert result.exit_code == 0, result.stderr
        for name in ("colours.tif", "tiny.tif", "damaged.tif"):
            assert name in result.stderr
    assert aprrd.load(student).record["distill"]["planes"] == 2


def test_a_folder_of_nothing_but_damaged_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / "in" / f"{name}.tif").write_bytes(b"II*\0 and no more")
    result = call("train", tmp_path / "in", "-o", tmp_path / "t.aprrd", *OPTIONS)
    assert result.exit_code == 2
    assert all(name in result.stderr for name in ("a.tif", "b.tif"))


# --- Values too small for whole numbers --------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "loss"),
    [
        (photons(2, 128, 128), "black"),
        (np.random.default_rng(0).poisson(1.5, (2, 128, 128)), "detail"),
        (noisy(2, 128, 128), ""),
        (np.random.default_rng(0).normal(1000, 10, (2, 128, 128)).round(), ""),
        (np.zeros((2, 128, 128)), ""),
    ],
    ids=["single photons", "few photons", "camera", "flat field", "empty"],
)
def test_rounding_is_judged_by_what_it_would_cost(image: NDArray[Any], loss: str) -> None:
    assert loss_by_rounding(MemoryPlanes([p[None].astype(np.float32) for p in image])) == loss


@pytest.fixture
def student(tmp_path: Path) -> Path:
    random_denoiser("student-1.00M").save(tmp_path / "student.aprrd")
    return tmp_path / "student.aprrd"


def test_single_photons_are_written_as_float32_and_that_is_said(
    tmp_path: Path, student: Path
) -> None:
    path, out = save(tmp_path / "photons.tif", photons(64, 64)), tmp_path / "out.tif"
    for options, dtype, words in (
        ([], "float32", "it is written as float32 (--dtype same keeps uint8)"),
        (["--dtype", "same"], "uint8", "--dtype float32 keeps it."),
        (["--dtype", "float32"], "float32", ""),
    ):
        result = call("denoise", path, "--model", student, "-o", out, *options)
        assert result.exit_code == 0, result.stderr
        assert words in result.stdout
        assert ("round" in result.stdout) == bool(words)
        assert read_picture(out).data.dtype == dtype


def test_a_format_without_float32_keeps_its_type_and_names_one_that_has_it(
    tmp_path: Path, student: Path
) -> None:
    path, out = save(tmp_path / "photons.png", photons(64, 64)), tmp_path / "out.png"
    result = call("denoise", path, "--model", student, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "--dtype float32 keeps it in a .tif file" in result.stdout
    assert read_picture(out).data.dtype == np.uint8


def test_python_keeps_the_type_and_warns(student: Path) -> None:
    with pytest.warns(aprrd.DataWarning, match=r"rounding .* dtype='float32' keeps it"):
        clean = aprrd.denoise(photons(64, 64), student, progress=False)
    assert clean.dtype == np.uint8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aprrd.denoise(photons(64, 64), student, progress=False, dtype="float32")
        aprrd.denoise(noisy(64, 64), student, progress=False)
