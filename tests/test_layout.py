"""Rooms of the package and which may know which: arrows go one way, and there is no circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src" / "napari_aprrd"
BASE = {"core.config", "core.errors", "core.jobs", "core.background", "core.atomic_files"}
ENGINE = {"core.method", "core.data", "core.noise", "core.model", "core.training", "core.trust"}
SHARED = {
    *("arrays", "axes", "layers", "denoise_arrays", "given", "metrics"),
    *("progress_bar", "signatures"),
}
# A room may import from the rooms beside it here, and from nothing else of the package.
ALLOWED: dict[str, set[str]] = {
    "core.errors": set(),
    "core.config": {"core.errors"},
    "core.ctrl_c": set(),
    "core.jobs": {"core.ctrl_c", "core.errors"},
    "core.background": {"core.jobs"},
    "core.atomic_files": {"core.errors"},
    "core.method": set(),
    "core.data": BASE,
    "core.noise": BASE | {"core.data"},
    "core.model": BASE | {"core.data", "core.method"},
    "core.training": BASE | {"core.method", "core.data", "core.noise", "core.model"},
    "core.trust": BASE | {"core.data", "core.noise", "core.model"},
    "arrays": {"core.errors", "signatures"},
    "axes": BASE | ENGINE | {"arrays"},
    "given": BASE | ENGINE | {"arrays", "axes", "layers"},
    "layers": BASE | ENGINE | {"axes"},
    "denoise_arrays": BASE | ENGINE | {"axes"},
    "metrics": BASE | {"arrays", "axes"},
    "progress_bar": BASE,
    "signatures": BASE | ENGINE | {"progress_bar"},
    "files": BASE | ENGINE | SHARED,
    "io": {"files"},
    "api": BASE | ENGINE | SHARED | {"files"},
    "report": BASE | ENGINE | SHARED | {"files", "api"},
    "datasets": BASE | ENGINE | SHARED | {"files", "api"},
    "cli": BASE | ENGINE | SHARED | {"files", "api", "report", "datasets"},
    "_napari": BASE | ENGINE | SHARED | {"files", "api", "report"},
}
FILES = sorted(path for path in SRC.rglob("*.py") if path.parent != SRC or path.stem != "__init__")


def room_of(module: str) -> str:
    """The room of a module of the package, whose name starts below the package's."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] == "core" else 1])


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, at the top or inside a function."""
    package = list(path.relative_to(SRC).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package[: len(package) - node.level + 1]
            found |= {".".join([*above, *((node.module or a.name).split("."))]) for a in node.names}
            if node.module:
                found |= {".".join([*above, node.module, a.name]) for a in node.names}
    return {name for name in found if (SRC / Path(*name.split("."))).with_suffix(".py").exists()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_go_one_way(path: Path) -> None:
    if path == SRC / "core" / "__init__.py":
        return
    room = room_of(".".join(path.relative_to(SRC).with_suffix("").parts))
    assert {room_of(name) for name in imported(path)} - {room} <= ALLOWED[room]


def test_no_file_is_in_a_circle() -> None:
    arrows = {path: imported(path) for path in FILES}
    names = {".".join(path.relative_to(SRC).with_suffix("").parts): path for path in FILES}
    done: set[Path] = set()

    def follow(path: Path, way: tuple[Path, ...]) -> None:
        assert path not in way, " -> ".join(str(p.relative_to(SRC)) for p in (*way, path))
        if path not in done:
            for name in arrows[path]:
                follow(names[name], (*way, path))
            done.add(path)

    for path in FILES:
        follow(path, ())


def test_the_tree_is_small_at_the_top() -> None:
    def count(folder: Path) -> int:
        return len([p for p in folder.iterdir() if p.is_file() and p.suffix != ".typed"])

    assert count(SRC) <= 10
    assert count(SRC / "core") <= 8
