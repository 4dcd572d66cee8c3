"""The benchmark command on tiny data sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import QUICK, call, succeed
from core.makers import random_denoiser
from skimage.metrics import peak_signal_noise_ratio

from napari_aprrd.core.model.denoiser import load

from . import layouts
from .layouts import photo


def benchmark(name: str, root: Path, out: Path, *options: str | Path) -> str:
    return succeed("benchmark", name, "--root", root, "-o", out, *options)


def test_sidd_from_training_to_submission(tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = benchmark("sidd", layouts.sidd(tmp_path / "sidd"), out, *QUICK)
    scores = json.loads((out / "scores.json").read_text())
    assert list(scores) == ["noisy", "teacher", "student"]
    blocks = [(photo(n, noise=0), photo(n)) for n in range(6)]
    psnr = np.mean([peak_signal_noise_ratio(*pair, data_range=255) for pair in blocks])
    assert scores["noisy"]["psnr"] == pytest.approx(psnr)
    assert str(out / "SubmitSrgb.mat") in said
    files = {path.name for path in out.iterdir()}
    assert files == {
        "teacher.aprrd",
        "student.aprrd",
        "scores.json",
        "SubmitSrgb.mat",
        "SubmitSrgb.csv",
    }
    trained = load(out / "student.aprrd").record
    assert trained["train"]["config"]["preset"] == "paper"
    assert trained["train"]["megapixels"] == pytest.approx(4 * 0.0016, abs=1e-3)
    assert trained["distill"]["config"]["recharge"]


def test_dnd_writes_its_submission_and_no_scores(tmp_path: Path) -> None:
    model = tmp_path / "model.aprrd"
    random_denoiser("student-1.00M", channels=3).save(model)
    benchmark("dnd", layouts.dnd(tmp_path / "dnd"), tmp_path / "out", "--model", model)
    files = sorted(p.name for p in (tmp_path / "out").rglob("*.mat"))
    assert files == [
        *["0001.mat", "0001_01.mat", "0001_02.mat", "0002.mat", "0002_01.mat", "0002_02.mat"]
    ]
    assert not (tmp_path / "out" / "scores.json").exists()


@pytest.mark.parametrize("name", ["polyu", "cc", "pairs"])
def test_pairs_are_scored_with_a_model(name: str, tmp_path: Path) -> None:
    layout = layouts.cc if name == "pairs" else getattr(layouts, name)
    model = tmp_path / "model.aprrd"
    random_denoiser("student-1.00M", channels=3).save(model)
    said = benchmark(name, layout(tmp_path / "data"), tmp_path / "out", "--model", model)
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(scores) == ["noisy", "model"]
    assert f"{scores['noisy']['ssim']:.4f}" in said


def test_ctrl_c_keeps_what_was_learnt(tmp_path: Path, ctrl_c: Callable[[str], None]) -> None:
    ctrl_c("Train teacher")
    out = tmp_path / "out"
    arguments = ["benchmark", "sidd", "--root", str(layouts.sidd(tmp_path / "sidd"))]
    result = call(*arguments, "-o", str(out), *QUICK, "--steps", "500")
    assert result.exit_code == 130
    assert f"the model trained so far is in {out}" in result.stderr
    assert load(out / "teacher.aprrd").record["train"]["stopped"]


def test_an_output_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    arguments = ["benchmark", "sidd", "--root", str(layouts.sidd(tmp_path / "sidd"))]
    result = call(*arguments, "-o", tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert "Cannot make the folder" in result.stderr


def test_missing_files_end_with_a_sentence(tmp_path: Path) -> None:
    arguments = ["benchmark", "sidd", "--root", str(tmp_path), "-o", str(tmp_path / "out")]
    result = call(*arguments)
    assert result.exit_code == 2
    assert "Smartphone Image Denoising Dataset" in result.stderr
    assert not (tmp_path / "out").exists()
