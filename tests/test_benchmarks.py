"""What the benchmarks compare with runs, and is what it says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_aprrd.core.config import DenoiseConfig, TrainConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.core.jobs import run


@pytest.fixture
def samplers(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "benchmarks"), *sys.path])
    import samplers

    return samplers


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "benchmarks"), *sys.path])
    import starting

    return starting


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "benchmarks"), *sys.path])
    import gpu

    return gpu


@pytest.mark.parametrize(
    ("gains", "kept"),
    [
        ([[0.2, 0.3], [0.1, 0.0]], True),
        ([[0.2, 0.3], [0.1, -0.2]], False),  # one kind loses
        ([[0.05, 0.9], [0.1, 0.9]], False),  # the first look hardly gains
        ([[np.nan, 0.3], [np.nan, 0.0]], True),  # of stacks there is only the result
    ],
)
def test_new_starting_weights_are_kept_only_where_all_gain(
    starting: Any, gains: list[list[float]], kept: bool
) -> None:
    assert starting.verdict(np.array(gains)).endswith("keep the new" if kept else "keep the old")


def test_a_row_that_fails_says_so_and_another_still_has_its_ratio(gpu: Any) -> None:
    here = {"what": "student", "value": 200.0, "unit": "Mpx/s", "seconds": 9.0, "mb": 812.0}
    there = {**here, "value": 50.0}
    assert gpu.cells("student", [here, there])[:4] == ["student", "200 Mpx/s", "50 Mpx/s", "4.00"]
    broken = gpu.cells("student", [{"failed": "no kernel"}, there])
    assert broken[:4] == ["student", "", "50 Mpx/s", ""]
    assert "FAILED: no kernel" in broken[-1]


def test_neighbour2neighbour_takes_two_touching_pixels_of_each_cell(samplers: Any) -> None:
    image = torch.arange(2 * 3 * 8 * 6.0).view(2, 3, 8, 6)
    chosen = torch.randint(8, (2, 4, 3), generator=torch.Generator().manual_seed(0))
    first, second = samplers.neighbours(image, chosen)
    steps = (first - second).abs()
    assert torch.isin(steps, torch.tensor([1.0, 6.0])).all()  # beside, or a row below
    corners = image[:, :, ::2, ::2]
    for pixels in (first, second):
        assert torch.isin(pixels - corners, torch.tensor([0.0, 1.0, 6.0, 7.0])).all()
    assert (steps[:, :1] == steps).all()  # the same choice for all channels


def test_neighbour2neighbour_learns(samplers: Any) -> None:
    noisy, truth = noisy_cells((64, 64), kind="white")
    # Shift 1 in training too: a window of 9 x 9 hides most of a halved crop of 16 x 16.
    tiny = {"batch": 2, "patch": 32, "width": 4, "depth": 2, "shift": 1, "precision": "float32"}
    config = TrainConfig.of(**tiny, steps=40, learning_rate=1e-2, adapt=False)
    image = noisy[None].astype("f4")
    teacher = run(samplers.train_neighbour2neighbour(MemoryPlanes([image]), config))
    assert teacher.record["train"]["steps"] == 40
    clean = teacher.predict(image, DenoiseConfig(shifts=(1,)))
    before, after = (((x - truth) ** 2).mean() for x in (image, clean))
    assert after < 0.5 * before
