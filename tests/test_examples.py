"""The scripts in `examples`, with few steps."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from core.makers import white_noise
from napari.components import ViewerModel

import napari_aprrd as aprrd
from napari_aprrd._napari.sample_data import correlated_noise
from napari_aprrd.files.formats import read_picture, write_picture
from napari_aprrd.files.picture import Picture

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.usefixtures("few_steps")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: str, **names: Any) -> None:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), names, "__main__")

    return run


def test_a_session_in_the_console(run: Any) -> None:
    viewer = ViewerModel()
    for data, attributes, _ in correlated_noise():
        viewer.add_image(data, **attributes)
    run("console_session.py", viewer=viewer)
    assert "cells, correlated noise denoised" in viewer.layers
    assert not aprrd.load("cells.aprrd").is_teacher


def test_a_folder(run: Any) -> None:
    Path("noisy").mkdir()
    shapes = {"a.tif": (40, 48), "b.tif": (56, 40)}
    for name, shape in shapes.items():
        tifffile.imwrite(Path("noisy", name), white_noise(*shape))
    run("batch_folder.py", "noisy", "clean")
    assert {p.name: tifffile.imread(p).shape for p in Path("clean").iterdir()} == shapes


@pytest.mark.filterwarnings("default")  # of Dask's, when its workers end
def test_a_zarr_on_dask(run: Any) -> None:
    write_picture("stack.zarr", Picture(white_noise(3, 40, 48), "ZYX"))
    run("ome_zarr_on_dask.py", "stack.zarr", "clean.zarr")
    out, source = zarr.open_group("clean.zarr", mode="r")["0"], read_picture(Path("stack.zarr"))
    assert out.shape == source.data.shape
    assert (np.asarray(out[:]) != 0).all()


def test_the_comparison_with_noise2void(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("compare_with_noise2void.py")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[0] for row in rows] == ["white", "blobby"]
    assert all(np.isfinite(list(map(float, row[1:]))).all() for row in rows)
