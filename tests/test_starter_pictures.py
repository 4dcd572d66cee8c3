"""The starting weights must not have learnt from what a figure shows or a benchmark scores."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "docs", "benchmarks", "examples")  # what shows, ships or scores images


def names_in(path: Path) -> Iterator[str]:
    """Every whole string, attribute and imported name of a source file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Path(node.value).stem if len(node.value) < 100 else node.value
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name


def modules_of(path: Path) -> Iterator[str]:
    """The modules that a source file imports, and what it imports from them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a file of `starter/`."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "starter"), *sys.path])
    return importlib.import_module


@pytest.fixture
def scenes(starter: Callable[[str], ModuleType]) -> Any:
    return starter("scenes")


def pictures() -> set[str]:
    """The names of the pictures that starter/pictures.py reads."""
    names: set[str] = set()
    for statement in ast.parse((ROOT / "starter/pictures.py").read_text("utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="PICTURES" | "PHOTOGRAPHS")], value=value):
                texts = (n.value for n in ast.walk(value) if isinstance(n, ast.Constant))
                names.update(map(str, texts))
    return names


def test_no_picture_that_is_shown_or_scored_is_learnt_from() -> None:
    sources = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    pictured = [path for path in sources if {"skimage", "sklearn"} & set(_words(path))]
    shown = {name for path in pictured for name in names_in(path)}
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        shown.update(re.findall(r"\bdata\.(\w+)\(", page.read_text("utf-8")))
    assert {"hubble_deep_field", "astronaut", "chelsea"} <= shown  # the test sees what there is
    assert not pictures() & shown
    assert len(pictures()) > 20


def test_the_starting_weights_do_not_know_the_generator_of_the_demo_and_the_benchmarks() -> None:
    for path in (ROOT / "starter").glob("*.py"):
        used = [name for name in modules_of(path) if "synthetic" in name or "demo" in name]
        assert not used, f"{path.name} imports {used}"


def test_scenes_are_clean_bounded_and_all_different(scenes: Any) -> None:
    images = scenes.scenes(2 * len(scenes.KINDS), 48)
    assert all(image.shape == (48, 48) and image.dtype == np.float32 for image in images)
    assert all(image.min() >= 0 and 0.1 < image.max() <= 1.5 for image in images)
    assert len({image.tobytes() for image in images}) == len(images)
    again = scenes.scenes(2 * len(scenes.KINDS), 48)
    assert all((one == other).all() for one, other in zip(images, again, strict=True))


def test_noise_for_the_weights_is_as_strong_as_it_says_however_correlated(starter: Any) -> None:
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    white = torch.randn(8, 2, 96, 96, generator=generator)
    noise = starter("exposures").correlated(rng, white)
    torch.testing.assert_close(noise.std((1, 2, 3)), torch.ones(8), rtol=0.05, atol=0)
    beside = (noise[..., 1:] * noise[..., :-1]).mean((1, 2, 3))
    below = (noise[..., 1:, :] * noise[..., :-1, :]).mean((1, 2, 3))
    assert (torch.maximum(beside, below) > 0.05).all()


def test_clean_crops_fit_their_noisy_ones_and_neighbours_may_be_missing(starter: Any) -> None:
    make, rng = starter("make"), np.random.default_rng(0)
    y, x = np.indices((128, 128))
    plane = (0.5 + 0.4 * np.sin(y / 5) * np.cos(x / 9)).astype(np.float32)
    clean = torch.from_numpy(np.stack([[plane * light for light in (1, 0.5, 0.25)]] * 4))
    options = SimpleNamespace(patch=32, neighbours=1)
    noisy, truth, shift = make.batch(rng, torch.Generator().manual_seed(0), clean, options)
    assert (noisy.shape, truth.shape) == ((4 * make.CROPS, 3, 32, 32), (4 * make.CROPS, 1, 32, 32))
    assert 1 <= shift <= 6
    for own, other in zip(noisy[:, 0], truth[:, 0], strict=True):
        assert torch.corrcoef(torch.stack((own.flatten(), other.flatten())))[0, 1] > 0.2
    alone = (noisy[:, 1:] == 0).all(dim=(1, 2, 3))
    assert 0 < alone.sum() < len(alone)


def _words(path: Path) -> Iterator[str]:
    return (part for name in modules_of(path) for part in name.split("."))
