"""No file of the user's is lost: not by Ctrl-C, not by a name that is derived from another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from command_line import QUICK, call, contents
from core.makers import noisy_stack, random_denoiser

from napari_aprrd.cli import demo
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.denoiser import load
from napari_aprrd.files import batch, learn_from_files
from napari_aprrd.files.formats import write_picture
from napari_aprrd.files.inputs import Files
from napari_aprrd.files.picture import Picture
from napari_aprrd.files.summary import write_summary


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    np.save(tmp_path / "a.npy", noisy_stack(3, 72, 72))
    return tmp_path / "a.npy"


@pytest.fixture
def student(tmp_path: Path) -> Path:
    random_denoiser("student-1.00M").save(tmp_path / "student.aprrd")
    return tmp_path / "student.aprrd"


@pytest.mark.parametrize("stage", ["Train teacher", "Distil student"])
def test_ctrl_c_in_denoise_leaves_a_model_beside_the_output_alone(
    tmp_path: Path,
    stack: Path,
    ctrl_c: Callable[[str], None],
    tiny_presets: Callable[[int], None],
    stage: str,
) -> None:
    tiny_presets(200)
    mine = tmp_path / "clean.aprrd"
    mine.write_bytes(b"a model of mine")
    ctrl_c(stage)
    result = call("denoise", stack, "-o", tmp_path / "clean.npy")
    assert result.exit_code == 130
    assert mine.read_bytes() == b"a model of mine"
    kept = [f"kept in {path}: start the same" for path in tmp_path.glob(".clean.npy.*.checkpoint")]
    assert any(words in result.stderr for words in kept)
    assert not [p for p in tmp_path.glob("[!.]*") if p not in (mine, stack)]


def test_ctrl_c_in_training_leaves_a_finished_model_alone(
    tmp_path: Path, stack: Path, ctrl_c: Callable[[str], None]
) -> None:
    out, other = tmp_path / "t.aprrd", tmp_path / "new.aprrd"
    assert call("train", stack, "-o", out, *QUICK).exit_code == 0
    before = out.read_bytes()
    for target in (out, other):
        ctrl_c("Train teacher")
        result = call("train", stack, "-o", target, *QUICK, "--steps", "500")
        assert result.exit_code == 130
    assert out.read_bytes() == before
    assert load(other).record["train"]["stopped"]
    ctrl_c("Train teacher")
    result = call("train", stack, "-o", out, *QUICK, "--steps", "500")
    kept = tmp_path / ".t.aprrd.checkpoint"
    assert f"so far is in {kept}; {out} is still the previous model" in result.stderr
    assert kept.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "a.npy", "-o", "a.npy", *QUICK], "the name of a model file ends in .aprrd"),
        (["distill", "t.aprrd", "a.npy", "-o", "t.aprrd", *QUICK], "overwrite the input t.aprrd"),
        (["import", "m.pth", "-o", "m.pth"], "the name of a model file ends in .aprrd"),
        (["export", "student.aprrd", "-o", "student.aprrd"], "overwrite the input"),
        (["denoise", "a.npy", "b.npy", "-o", "c.tif", "--model", "student.aprrd"], "name a folder"),
        (["denoise", "x.zarr/a.npy", "-o", "x.zarr", "--model", "student.aprrd"], "overwrite the"),
        (["denoise", "a.npy", "-o", "x.zarr", "--model", "student.aprrd"], "with other files"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("stack", "student")
def test_outputs_never_replace_inputs_or_foreign_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.npy", "x.zarr/a.npy"):
        Path(name).parent.mkdir(exist_ok=True)
        np.save(name, noisy_stack(40, 48))
    random_denoiser("blind-spot").save("t.aprrd")
    Path("m.pth").write_bytes(b"weights")
    before = contents(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert contents(tmp_path) == before


def test_a_zarr_image_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    picture = Picture(noisy_stack(40, 48), "YX")
    for name in ("ome.zarr", "plain.zarr"):
        if name == "plain.zarr":
            zarr.create_array(tmp_path / name, data=np.zeros((4, 4)))
        else:
            write_picture(tmp_path / name, picture)
        write_picture(tmp_path / name, picture)
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="not a Zarr image"):
        write_picture(tmp_path / "mine.zarr", picture)
    assert (tmp_path / "mine.zarr" / "thesis.txt").read_text() == "mine"


def test_reports_on_outputs_of_one_stem_have_names_of_their_own(
    tmp_path: Path, student: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.tif", "a.png"):
        picture = Picture(noisy_stack(72, 72, dtype=np.uint8), "YX")
        write_picture(tmp_path / "in" / name, picture)
    out = tmp_path / "out"
    assert call(
        "denoise", tmp_path / "in", "-o", out, "--model", student, "--report"
    ).exit_code == 0  # fmt: skip
    assert {p.name for p in out.glob("*.html")} == {"a.tif.report.html", "a.png.report.html"}


def test_a_summary_replaces_an_earlier_one_but_no_table_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_text("plate;well\n1;A1\n")
    written = [write_summary([], tmp_path) for _ in range(2)]
    assert [path.name for path in written] == ["summary-2.csv", "summary-2.csv"]
    assert (tmp_path / "summary.csv").read_text() == "plate;well\n1;A1\n"
    (tmp_path / "summary.csv").unlink()
    assert [write_summary([], tmp_path).name for _ in range(2)] == ["summary.csv"] * 2


def test_a_model_is_kept_until_its_image_is_written(
    tmp_path: Path, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def train(*_: Any) -> Any:
        trained.append(1)
        return random_denoiser("student-1.00M")

    def fail(*_: Any, **__: Any) -> Any:
        raise UserError("Cannot write it: No space left on device.")

    monkeypatch.setattr(learn_from_files, "train_and_distill", train)
    with monkeypatch.context() as patch:
        patch.setattr(batch, "denoise_file", fail)
        assert call("denoise", stack, "-o", tmp_path / "out.npy").exit_code == 2
    assert call("denoise", stack, "-o", tmp_path / "out.npy").exit_code == 0
    assert trained == [1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npy", "out.npy"]


def test_the_demo_never_replaces_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    Path("noisy.tif").write_bytes(b"mine")
    result = call("demo", "--out", ".")
    assert result.exit_code == 2
    assert "noisy.tif is there already" in result.stderr
    monkeypatch.setattr(demo, "noisy_cells", interrupt)  # the folder is made before the work
    for name in ("napari-aprrd-demo", "napari-aprrd-demo-2"):
        assert not Path(name).exists()
        assert call("demo").exit_code == 130
        assert Path(name).is_dir()


def test_a_benchmark_never_replaces_its_models(tmp_path: Path, stack: Path) -> None:
    for name in ("noisy", "clean"):
        np.save(tmp_path / f"a_{name}.npy", noisy_stack(40, 48))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "teacher.aprrd").write_bytes(b"days of training")
    result = call("benchmark", "pairs", "--root", tmp_path, "-o", tmp_path / "out", *QUICK)
    assert result.exit_code == 2
    assert "use it with --model" in result.stderr
    assert (tmp_path / "out" / "teacher.aprrd").read_bytes() == b"days of training"


def test_an_input_is_recognised_under_another_name(tmp_path: Path, stack: Path) -> None:
    (tmp_path / "link.npy").symlink_to(stack)
    with pytest.raises(UserError, match="would overwrite the input"):
        Files.to([tmp_path / "link.npy"], stack)
