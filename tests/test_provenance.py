"""Every place that says how a result was made names the pre-training, or that there was none."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from command_line import succeed
from napari.layers import Image

import napari_aprrd as aprrd
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.files.formats import read_picture
from napari_aprrd.files.picture import Picture
from napari_aprrd.report.trust_report import write_report

NAMED = {"starter": "pre-trained on public pictures", "scratch": "no pre-training"}
DESCRIBED = {"starter": "supervised, on public pictures (photographs", "scratch": "none"}


class Made(NamedTuple):
    """A student, its teacher, what users heard meanwhile, and how both networks started."""

    start: str
    heard: str
    teacher: aprrd.Denoiser
    student: aprrd.Denoiser


@pytest.fixture(scope="module")
def cells() -> np.ndarray[Any, Any]:
    return noisy_cells((64, 64))[0]


@pytest.fixture(scope="module", params=["starter", "scratch"])
def made(request: pytest.FixtureRequest, cells: np.ndarray[Any, Any]) -> Made:
    notes: list[str] = []
    given: dict[str, Any] = {"steps": 2, "patch": 32, "start": request.param, "device": "cpu"}
    given["progress"] = lambda progress: notes.append(progress.note)
    teacher = aprrd.train_apr(cells, **given)
    student = aprrd.distill_rd(teacher, cells, **given)
    return Made(request.param, " ".join(notes), teacher, student)


def test_the_record_of_a_model_and_the_notes_of_a_run_say_it(made: Made) -> None:
    for stage in ("train", "distill"):
        assert made.student.record[stage]["start"] == made.start
        assert made.student.record[stage]["pretraining"].startswith(DESCRIBED[made.start])
    assert made.heard.count(NAMED[made.start]) == 2  # when training and when distilling starts


def test_the_record_says_which_steps_of_the_method_ran(made: Made) -> None:
    train, distill = made.student.record["train"], made.student.record["distill"]
    assert (train["method"] == "APR") is train["config"]["replace"]
    assert 0 <= distill["recharged"] <= 1
    assert (distill["method"] == "RD, measured") is (distill["recharged"] > 0)


def test_the_model_file_and_info_say_it(made: Made, tmp_path: Path) -> None:
    made.student.save(tmp_path / "model.aprrd")
    assert DESCRIBED[made.start].encode() in (tmp_path / "model.aprrd").read_bytes()
    shown = succeed("info", tmp_path / "model.aprrd")
    assert f"pretraining: {DESCRIBED[made.start]}" in shown
    paragraph = succeed("info", tmp_path / "model.aprrd", "--methods")
    assert paragraph.strip() == aprrd.methods(tmp_path / "model.aprrd")
    assert paragraph.strip() == aprrd.methods(made.student)


def test_denoised_layers_and_files_say_it(
    made: Made, cells: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    layer = aprrd.denoise(Image(cells, name="cells"), made.student, progress=False)
    expected = {"starter": "pre-trained (supervised", "scratch": "there was no pre-training"}
    assert expected[made.start] in aprrd.methods(layer)
    made.student.save(tmp_path / "model.aprrd")
    np.save(tmp_path / "noisy.npy", cells)
    files = (tmp_path / name for name in ("noisy.npy", "clean.tif", "model.aprrd"))
    source, out, model = files
    succeed("denoise", source, "-o", out, "--model", model)
    assert expected[made.start] in aprrd.methods(tmp_path / "clean.tif")
    assert read_picture(tmp_path / "clean.tif").record["train"]["start"] == made.start
    source = Picture(cells, "YX", path=tmp_path / "noisy.npy")
    page, _ = write_report(source, tmp_path / "clean.tif")
    assert expected[made.start] in page.read_text("utf-8")


def test_an_exported_package_says_it(made: Made, tmp_path: Path) -> None:
    aprrd.export(made.student, tmp_path / "package.zip")
    expected = {"starter": "pre-trained (supervised, on public", "scratch": "without pre-"}
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        description = json.loads(package.read("rdf.yaml"))["description"]
        documentation = package.read("README.md").decode()
    assert expected[made.start] in description
    assert expected[made.start] in documentation
    assert "alone" not in description + documentation


@pytest.mark.parametrize(("first", "second"), [("starter", "scratch"), ("imported", "scratch")])
def test_a_student_from_scratch_does_not_hide_how_its_teacher_started(
    first: str, second: str, cells: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    notes: list[str] = []
    given: dict[str, Any] = {"steps": 2, "patch": 32, "device": "cpu"}
    given["progress"] = lambda progress: notes.append(progress.note)
    if first == "imported":
        teacher = aprrd.load(Path(__file__).parent / "made_before" / "teacher.aprrd")
        teacher.record = {"imported": "bsn.pth"}
    else:
        teacher = aprrd.train_apr(cells, start=first, **given)
    notes.clear()
    student = aprrd.distill_rd(teacher, cells, start=second, **given)
    said = " ".join([*notes, aprrd.methods(student)])
    aprrd.export(student, tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        said += package.read("README.md").decode()
    assert "no pre-training" not in said
    assert "without pre-training" not in said
    expected = {"starter": "its teacher was pre-trained", "imported": "trained elsewhere"}
    assert said.count(expected[first]) >= 1


def test_something_that_does_not_say_how_it_was_made_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "foreign.npy", np.ones((8, 8)))
    for made in (tmp_path / "foreign.npy", Image(np.ones((8, 8))), {}):
        with pytest.raises(aprrd.UserError, match="does not say how it was made"):
            aprrd.methods(made)
