"""Files that earlier versions wrote still open: models, and checkpoints to resume from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_aprrd as aprrd

FILES = Path(__file__).parent / "made_before"
# What the checkpoints were made with: a job that is resumed has the same data and settings.
SIZE: dict[str, Any] = {"width": 4, "depth": 2, "patch": 32, "batch": 1, "device": "cpu"}


@pytest.fixture
def cells() -> np.ndarray[Any, Any]:
    return aprrd.noisy_cells((64, 64), kind="white")[0]


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_models_of_the_first_version_denoise_and_say_how_they_were_made(
    kind: str, cells: np.ndarray[Any, Any]
) -> None:
    model = aprrd.load(FILES / f"{kind}.aprrd")
    assert model.is_teacher is (kind == "teacher")
    clean = aprrd.denoise(cells, model, progress=False)
    assert clean.shape == cells.shape
    assert clean.dtype == cells.dtype
    assert 0 < abs(clean.astype(float) - cells).mean() < 2000  # it was hardly trained
    text = aprrd.methods(model)
    assert "initialised at random: there was no pre-training" in text  # of another size
    assert ("distilled into a student" in text) is (kind == "student")


@pytest.mark.parametrize("job", ["train", "distill"])
def test_checkpoints_are_resumed(job: str, cells: np.ndarray[Any, Any], tmp_path: Path) -> None:
    checkpoint = tmp_path / f"{job}.checkpoint"
    shutil.copy(FILES / checkpoint.name, checkpoint)
    notes: list[str] = []
    settings = {**SIZE, "steps": 6, "precision": "float32", "checkpoint": checkpoint}
    settings["progress"] = lambda progress: notes.append(progress.note)
    if job == "train":
        model = aprrd.train_apr(cells, **settings)
    else:
        model = aprrd.distill_rd(aprrd.load(FILES / "teacher.aprrd"), cells, **settings)
    assert any("after step 3" in note for note in notes), notes
    assert model.record[job]["steps"] == 6
