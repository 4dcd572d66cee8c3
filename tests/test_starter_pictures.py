"""The starting weights must not have learnt from what a figure shows or a benchmark scores."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
def scenes(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(ROOT / "starter"), *sys.path])
    import scenes

    return scenes


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


def _words(path: Path) -> Iterator[str]:
    return (part for name in modules_of(path) for part in name.split("."))
