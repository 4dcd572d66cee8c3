"""What the benchmarks compare with runs, and is what it says."""

from __future__ import annotations

import re
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_aprrd.core.config import DenoiseConfig, TrainConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.core.jobs import run

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])


@pytest.fixture
def samplers() -> Any:
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


def _row(photographs: int, psnr: float, steps: int = 100) -> dict[str, Any]:
    """What is kept of a teacher whose outputs are equally good at all shifts."""
    scores = {"psnr": list(psnr + np.arange(photographs)), "ssim": [0.9] * photographs}
    at = {str(shift): scores for shift in (*range(8), "mean")}
    return {**at, "steps": steps, "seconds": 10.0}


def test_the_page_compares_photograph_by_photograph(tmp_path: Path) -> None:
    import paper_tables

    names = ("batch", "patch", "rate", "width", "depth", "side")
    used = {**dict.fromkeys(names, 8), "counts": {"nam12": 2, "polyu": 1}, "pictures": 5}
    results = {
        "settings": {**used, "device": "a GPU"},
        "noisy": _row(3, 30),
        **{f"{name}/seed 0": _row(3, 31) for name in ("teacher", "APR", "RD 6")},
        "lambda 0/seed 0": _row(3, 30.5),
        "D 6/seed 0": _row(3, 31.25),
    }
    (tmp_path / "images").mkdir()
    page = Path(shutil.copy(ROOT / "docs" / "reproduction.md", tmp_path))
    paper_tables.write(results, tmp_path)
    written = page.read_text()
    assert (
        "| D 6 | 37.90 / 0.945 | 38.16 / 0.935 | 31.75 / 0.900 | 33.25 / 0.900 | +0.25 ± 0.00 |"
        in (written)
    )
    assert "| 0 | 37.09 / 0.933 | 31.00 / 0.900 | 32.50 / 0.900 | -0.50 ± 0.00 |" in written
    paper_tables.write(results, tmp_path)
    assert page.read_text() == written  # it is written in place of what was there


def test_the_page_has_a_place_for_all_that_is_measured(tmp_path: Path) -> None:
    import pages

    text = (ROOT / "docs" / "reproduction.md").read_text()
    page = Path(shutil.copy(ROOT / "docs" / "reproduction.md", tmp_path))
    written_by = "settings", "claims", "lambda", "targets", "shifts", "samplers", "camera"
    parts = {name: _between(text, name) for name in written_by}
    pages.fill(page, parts)
    assert page.read_text() == text
    with pytest.raises(ValueError, match="0 places for 'scores'"):
        pages.fill(page, {"scores": ""})


def _between(text: str, name: str) -> str:
    found = re.search(f"<!-- {name} -->(.*)<!-- /{name} -->", text, re.DOTALL)
    assert found is not None
    return found[1].strip()


@pytest.mark.parametrize(("budget", "expected"), [(200, 10_000), (70, 4_000)])
def test_the_first_teacher_leaves_time_for_students(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, budget: int, expected: int
) -> None:
    import paper_size

    learnt: list[int] = []
    monkeypatch.setattr(paper_size.Jobs, "_pilot", lambda _: 0.0125)
    monkeypatch.setattr(
        paper_size.Jobs, "_learn", lambda _, name, seed, steps, keep: learnt.append(steps)
    )
    options = Namespace(budget=budget, steps=10_000, seeds=1, work=tmp_path)
    _, measure = next(paper_size.Jobs(options, None, {}).in_order())
    measure()
    assert learnt[0] == pytest.approx(expected, rel=0.02)
