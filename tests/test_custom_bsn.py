"""The examples run, and do what they say."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from core.makers import noisy_image

import napari_aprrd as aprrd

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
THREE: dict[str, Any] = {"steps": 3, "batch": 1, "patch": 32, "progress": False}


@pytest.fixture(scope="module")
def custom_bsn() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "custom_bsn.py"))


def teacher_of(example: dict[str, Any], image: Any) -> aprrd.Denoiser:
    network = example["DilatedNetwork"]
    architecture = aprrd.OwnArchitecture(
        make=lambda: network(width=4), channels=1, reach=network().reach
    )
    return aprrd.train_apr(image, architecture=architecture, shift=2, replace=True, **THREE)


@pytest.mark.parametrize("shift", [1, 2, 5])
def test_the_dilated_network_is_blind_to_its_window(custom_bsn, shift: int) -> None:
    network = custom_bsn["DilatedNetwork"]()
    image = torch.rand(1, 1, 96, 96, requires_grad=True)
    network(image, shift)[0, 0, 48, 48].backward()
    seen = image.grad[0, 0] != 0
    hidden = slice(48 - shift + 1, 48 + shift)
    assert not seen[hidden, hidden].any()
    rows, columns = seen.nonzero().T - 48
    assert max(rows.abs().max(), columns.abs().max()) == network.reach(shift)
    assert seen.sum() > 8


def test_a_custom_network_is_trained_distilled_and_denoises(custom_bsn, tmp_path: Path) -> None:
    image = noisy_image(1, 72, 80)[0]
    teacher = teacher_of(custom_bsn, image)
    assert isinstance(teacher.network, custom_bsn["DilatedNetwork"])
    student = aprrd.distill_rd(teacher, image, recharge=True, width=4, depth=2, **THREE)
    student.save(tmp_path / "student.aprrd")
    for model in (teacher, student, aprrd.load(tmp_path / "student.aprrd")):
        assert np.isfinite(aprrd.denoise(image, model, progress=False)).all()
    assert student.record["train"]["steps"] == 3


def test_tiles_of_a_custom_network_leave_no_seams(custom_bsn) -> None:
    image = noisy_image(1, 150, 150)[0]
    teacher = teacher_of(custom_bsn, image)
    whole, tiled = (aprrd.denoise(image, teacher, tile=t, progress=False) for t in (1024, 64))
    np.testing.assert_allclose(whole, tiled, rtol=1e-4)


def test_a_custom_network_is_not_saved(custom_bsn, tmp_path: Path) -> None:
    teacher = teacher_of(custom_bsn, noisy_image(1, 72, 80)[0])
    with pytest.raises(aprrd.UserError, match="save its student"):
        teacher.save(tmp_path / "teacher.aprrd")
    assert not any(tmp_path.iterdir())


def test_the_custom_example_runs(custom_bsn, capsys: pytest.CaptureFixture[str]) -> None:
    custom_bsn["main"](steps=2, distill_steps=2)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if " dB" in line] == [
        *["noisy", "teacher", "student"]
    ]
