"""What an editor knows of the public functions, and that their keywords are the settings."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import napari_aprrd as aprrd
from napari_aprrd import api, signatures

ROOT = Path(__file__).resolve().parents[1]
# Skipping what the signatures do not name keeps the run to a few seconds. napari and dask, whose
# own analysis takes long, are stood in for by the two classes that are named.
CONFIG = """
[mypy]
strict = true
[mypy-napari_aprrd.*]
follow_imports = silent
[mypy-torch.*,pydantic.*,scipy.*,skimage.*,rich.*,zarr.*,tifffile.*,safetensors.*,psutil.*]
follow_imports = skip
ignore_missing_imports = true
"""
STUBS = {
    "napari/__init__.pyi": "",
    "napari/layers.pyi": "from typing import Any\nclass Image:\n"
    "    def as_layer_data_tuple(self) -> Any: ...\n",
    "xarray/__init__.pyi": "from typing import Any\nclass DataArray:\n"
    "    dims: tuple[str, ...]\n    shape: tuple[int, ...]\n    dtype: Any\n    chunks: Any\n"
    "    data: Any\n    def isel(self, indexers: Any, drop: bool) -> DataArray: ...\n"
    "    def copy(self, deep: bool = True, data: Any = None) -> DataArray: ...\n",
    "dask/__init__.pyi": "from typing import Any\ndef __getattr__(name: str) -> Any: ...\n",
    "dask/array/__init__.pyi": "from typing import Any\n"
    "class Array:\n    shape: tuple[Any, ...]\n    dtype: Any\n    chunks: Any\n"
    "def __getattr__(name: str) -> Any: ...\n",
}
USED = """
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from dask.array import Array
from napari.layers import Image
from numpy.typing import NDArray
from xarray import DataArray

import napari_aprrd as aprrd
from napari_aprrd.core.background import Background
from napari_aprrd.metrics import Scores

image: NDArray[Any] = np.zeros((64, 64))


def use(layer: Image, lazy: Array, named: DataArray) -> None:
    teacher = aprrd.train_apr([image, image], minutes=2, shift=3, axes="YX", progress=False)
    assert_type(teacher, aprrd.Denoiser)
    assert_type(aprrd.train_apr(layer, background=True), Background[aprrd.Denoiser])
    assert_type(aprrd.train_apr(lazy, aprrd.TrainConfig()), aprrd.Denoiser)
    assert_type(aprrd.distill_rd(teacher, image, steps=3, shifts=(0, 1)), aprrd.Denoiser)
    distilling = aprrd.distill_rd(teacher, image, background=True, checkpoint=Path("a"))
    assert_type(distilling.result(), aprrd.Denoiser)
    assert_type(aprrd.denoise(image, teacher, dtype="float32"), NDArray[Any])
    assert_type(aprrd.denoise(layer, "cells.aprrd"), Image)
    assert_type(aprrd.denoise(layer, minutes=2), Image)
    assert_type(aprrd.denoise([image], preset="fast", seed=1), list[NDArray[Any]])
    assert_type(aprrd.denoise(lazy, background=True).result(), Array)
    assert_type(aprrd.denoise(lazy, teacher), Array)
    assert_type(aprrd.denoise(named, teacher), DataArray)
    assert_type(aprrd.denoise([named], teacher), list[DataArray])
    assert_type(aprrd.uncertainty(named, teacher), DataArray)
    assert_type(aprrd.train_apr(named), aprrd.Denoiser)
    assert_type(aprrd.denoise([image, image], teacher), list[NDArray[Any]])
    assert_type(aprrd.denoise([layer], teacher), list[Image])
    assert_type(aprrd.denoise([lazy], teacher), list[Array])
    both: list[NDArray[Any] | Image] = [layer, image]
    untyped: Any = Array()
    aprrd.denoise(untyped, teacher).compute()
    assert_type(aprrd.denoise(both, teacher), list[NDArray[Any] | Image])
    assert_type(aprrd.denoise(image, teacher, background=True).result(), NDArray[Any])
    assert_type(aprrd.denoise(layer, teacher, background=True), Background[Image])
    assert_type(aprrd.uncertainty(layer, teacher), Image)
    assert_type(aprrd.uncertainty(image, teacher), Array)
    assert_type(aprrd.inspect_noise(lazy), aprrd.NoiseReport)
    assert_type(aprrd.trust_report(layer, image, teacher), aprrd.TrustReport)
    assert_type(aprrd.evaluate(image, image), Scores)
    assert_type(aprrd.load(Path("cells.aprrd")), aprrd.Denoiser)
    assert_type(aprrd.noisy_cells((64, 64), kind="white")[0], NDArray[np.uint16])
    assert_type(aprrd.methods(layer), str)
    aprrd.distill_rd(teacher, image, recharge=True, shifts=None)
    aprrd.export(teacher, "cells.zip")
"""
MISUSED = """
import numpy as np
import napari_aprrd as aprrd

image = np.zeros((64, 64))
teacher = aprrd.train_apr(image)
aprrd.train_apr(image, stepz=3)
aprrd.train_apr(image, steps="3")
aprrd.distill_rd(teacher, image, window=3)
aprrd.denoise(image, teacher, shift=3)
aprrd.denoise(image, 3)
aprrd.denoise(image, minutes="2")
aprrd.trian_apr(image)
aprrd.noisy_cells(kind="pink")
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a user's type checker says of both files, one line for each error."""
    folder = tmp_path_factory.mktemp("user")
    files = {"mypy.ini": CONFIG, "used.py": USED, "misused.py": MISUSED}
    for name, text in {**files, **STUBS}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    words = ["used.py", "misused.py", "--config-file=mypy.ini", "--hide-error-context"]
    cache = ROOT / ".mypy_cache" / "signatures"
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", *words, "--no-error-summary", f"--cache-dir={cache}"],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(Path(aprrd.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stderr
    return [line for line in ran.stdout.splitlines() if " error: " in line]


def test_an_editor_knows_what_the_public_functions_return(said: list[str]) -> None:
    assert [line for line in said if not line.startswith("misused.py")] == []


def test_an_editor_marks_what_they_do_not_take(said: list[str]) -> None:
    wrong = {int(n) for line in said for n in re.findall(r"^misused\.py:(\d+)", line)}
    first = 1 + MISUSED.splitlines().index("aprrd.train_apr(image, stepz=3)")
    assert wrong == set(range(first, len(MISUSED.splitlines()) + 1)), said


CONFIGS = {
    signatures.TrainSettings: aprrd.TrainConfig,
    signatures.DistillSettings: aprrd.DistillConfig,
    signatures.DenoiseSettings: aprrd.DenoiseConfig,
}


@pytest.mark.parametrize("settings", CONFIGS, ids=lambda kind: kind.__name__)
def test_the_keywords_are_the_settings(settings: type[Any]) -> None:
    config = CONFIGS[settings]
    hints = get_type_hints(config)  # without bounds and descriptions
    hints["recharge"] = hints.get("recharge", Any) | bool | None  # also understood: see the config
    assert get_type_hints(settings) == {name: hints[name] for name in config.model_fields}


@pytest.mark.parametrize(
    ("function", "keywords", "settings"),
    [
        (api.train_apr, signatures.TrainKeywords, signatures.TrainSettings),
        (api.distill_rd, signatures.DistillKeywords, signatures.DistillSettings),
        (api.denoise, signatures.DenoiseKeywords, signatures.DenoiseSettings),
    ],
    ids=["train", "distill", "denoise"],
)
def test_all_other_keywords_are_known_too(function: Any, keywords: Any, settings: Any) -> None:
    taken = {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert set(get_type_hints(keywords)) - set(get_type_hints(settings)) == taken - {"background"}


def test_the_page_on_python_has_every_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: ([\w.]+)", page, re.MULTILINE)
    public = [getattr(aprrd, name) for name in aprrd.__all__]
    assert {f"{thing.__module__}.{thing.__qualname__}" for thing in public} <= set(shown)
    assert set(aprrd._HOME) == set(aprrd.__all__)
