"""The demo, in small."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.makers import TINY

from napari_aprrd.cli import demo
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.core.errors import UserError
from napari_aprrd.files.formats import read_picture
from napari_aprrd.metrics import evaluate

SHAPE = (2, 40, 48)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SHAPE", SHAPE)
    monkeypatch.setattr(demo.budget, "DEMO_TEACHER", 0.005)
    monkeypatch.setattr(demo.budget, "DEMO_STUDENT", 0.005)
    monkeypatch.setattr(demo, "train_apr", functools.partial(demo.train_apr, **TINY))
    monkeypatch.setattr(demo, "distill_rd", functools.partial(demo.distill_rd, **TINY))


@pytest.mark.usefixtures("tiny")
def test_the_demo_writes_and_scores_its_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "demo"
    scores = demo.run_demo(out)
    assert list(scores) == ["noisy", "teacher", "student"]
    stacks = ["noisy.tif", "student.tif", "teacher.tif", "truth.tif"]
    assert sorted(p.name for p in out.iterdir()) == sorted([*stacks, "comparison.png"])
    pictures = {name: read_picture(out / name) for name in stacks}
    for name, picture in pictures.items():
        assert picture.data.shape == SHAPE
        assert picture.axes == "TYX"
        assert picture.data.dtype == (np.float32 if name == "truth.tif" else np.uint16)
    noisy, truth = noisy_cells(SHAPE)
    np.testing.assert_array_equal(pictures["noisy.tif"].data, noisy)
    np.testing.assert_array_equal(pictures["truth.tif"].data, truth)
    for name, score in scores.items():
        assert score == evaluate(pictures[f"{name.lower()}.tif"].data, truth)
        assert math.isfinite(score.psnr)
    printed = capsys.readouterr().out
    for score in scores.values():
        assert f"{score.psnr:.2f}" in printed
    assert "comparison.png" in printed


@pytest.mark.usefixtures("tiny")
def test_the_comparison_shows_four_planes_side_by_side(tmp_path: Path) -> None:
    demo.run_demo(tmp_path)
    comparison = read_picture(tmp_path / "comparison.png")
    height, width = SHAPE[1:]
    panels = 4 * 2 * width + 3 * 8
    assert comparison.axes == "YX"
    assert comparison.data.dtype == np.uint8
    assert comparison.data.shape == (2 * height + 24, panels)


def test_panels_are_drawn_on_the_grey_scale_of_the_last() -> None:
    rng = np.random.default_rng(0)
    last = rng.uniform(100, 200, (20, 30))
    low, high = np.percentile(last, [0.5, 99.8])
    drawn = demo.side_by_side([("a", last + 1000), ("b", last - 1000), ("c", last)])
    panels = [drawn[24:, i * 68 : i * 68 + 60] for i in range(3)]
    assert (panels[0] == 255).all()
    assert (panels[1] == 0).all()
    expected = ((last - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(panels[2], expected.repeat(2, axis=0).repeat(2, axis=1))
    assert (drawn[:24] < 128).any()  # titles


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_an_unwritable_folder_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(demo, "noisy_cells", fail)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^Cannot make the folder .*\.$"):
        demo.run_demo(tmp_path / "file" / inside)
    assert (tmp_path / "file").read_text() == ""
