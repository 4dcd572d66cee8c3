"""What the README and the pages show works: code is run, commands and links are checked."""

from __future__ import annotations

import functools
import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
import typer.main
from core.makers import white_noise
from napari.components import ViewerModel

import napari_aprrd as aprrd
from napari_aprrd.cli import app
from napari_aprrd.core.config import DenoiseConfig, DistillConfig, Preset, TrainConfig

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
SITE = "https://napari-aprrd.github.io/napari-aprrd/"
FILES = re.compile(r"https://(?:raw\.githubusercontent|github)\.com/napari-aprrd/napari-aprrd/"
                   r"(?:(?:blob|raw)/)?main/([\w./-]+)")  # fmt: skip


def _blocks(page: Path, language: str) -> list[str]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [re.sub(f"^{indent}", "", text, flags=re.M) for indent, lang, text in found
            if lang == language]  # fmt: skip


def _named(pages: list[Path]) -> list[Any]:
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages]


def _commands(page: Path) -> list[list[str]]:
    """Commands of a page's shell blocks, without what follows `#`."""
    text = "\n".join(_blocks(page, "bash")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [part for line in lines for part in _split(line)]


def _split(words: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", "|", ";"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


@pytest.mark.parametrize("page", _named([p for p in PAGES if _blocks(p, "python")]))
@pytest.mark.usefixtures("few_steps", "no_cluster")
def test_python_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {**_models(), **_what_readers_have()}
    for block in _blocks(page, "python"):
        # What learns by itself has presets, which are short here, and no number of steps.
        short = re.sub(r"(denoise\([^)]*)minutes=[\d.]+", r'\1preset="fast"', block)
        exec(compile(re.sub(r"minutes=[\d.]+", "steps=2", short), str(page), "exec"), names)


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SLURM cluster that takes orders and does nothing."""
    jobqueue: Any = ModuleType("dask_jobqueue")
    cluster = SimpleNamespace(scale=lambda jobs: None, scheduler_address="tcp://10.0.0.1:8786")
    jobqueue.SLURMCluster = lambda **settings: cluster
    monkeypatch.setitem(sys.modules, "dask_jobqueue", jobqueue)


@functools.cache
def _models() -> dict[str, Any]:
    teacher = aprrd.train_apr(white_noise(64, 72), progress=False)
    student = aprrd.distill_rd(teacher, white_noise(64, 72), progress=False)
    return {"teacher": teacher, "student": student}


def _what_readers_have() -> dict[str, Any]:
    """The names and files that pages take for granted."""
    image = white_noise(64, 72)
    stack = white_noise(2, 2, 40, 48)
    viewer = ViewerModel()
    viewer.add_image(image, name="cells")
    tifffile.imwrite("cells.tif", image)
    with tifffile.TiffWriter("film.ome.tif") as tiff:  # an overview and a film
        tiff.write(np.zeros((36, 36), "u1"))
        tiff.write(np.zeros((5, 64, 64), "u2"), metadata={"axes": "TYX"})
    imageio.imwrite("photo.png", white_noise(64, 72, 3).astype(np.uint8))
    return {"image": image, "images": [image, image], "stack": stack, "viewer": viewer}


@pytest.mark.parametrize("page", _named([p for p in PAGES if _commands(p)]))
def test_commands_of_a_page_are_those_of_the_program(page: Path) -> None:
    group: Any = typer.main.get_command(app)
    for words in _commands(page):
        at = next((i for i, w in enumerate(words) if Path(w).name == "napari-aprrd"), None)
        if at is not None and "pip" not in words:
            name, *arguments = words[at + 1 :]
            assert name in group.commands, words
            group.commands[name].make_context(name, arguments)  # exits where it does not parse
        if Path(words[0]).name == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words


@pytest.mark.parametrize("page", _named(PAGES))
def test_addresses_of_the_project_lead_to_its_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wanted = [ROOT / path for path in FILES.findall(text)]
    for address in re.findall(rf"{SITE}([\w/-]*)", text):
        wanted.append(ROOT / "docs" / f"{address.strip('/') or 'index'}.md")
    if page.parent == ROOT:  # shown elsewhere, too, where relative addresses lead nowhere
        relative = re.findall(r"\]\((?!https?://)([^)#]+)", text)
        assert not relative, relative
    missing = [path for path in wanted if not path.exists()]
    assert not missing


def test_the_settings_page_has_every_setting_and_every_choice() -> None:
    hook = _hook()
    for kind in (TrainConfig, DistillConfig, DenoiseConfig):
        table = hook.on_page_markdown(f"<!-- settings {kind.__name__} -->")
        for name, info in kind.model_fields.items():
            assert f"| `{name}` |" in table
            assert str(info.description) in table
    table = hook.settings(TrainConfig)
    assert f"| `patch` | `{TrainConfig().patch}` | ≥ 32, ≤ 1,024 | pixels |" in table
    presets = get_args(Preset)
    assert ", ".join(f"`{name}`" for name in presets) in table
    widths = [f"`{TrainConfig(preset=name).width}`" for name in presets]
    assert f"| `width` | {' | '.join(widths)} |" in hook.presets(TrainConfig)


def test_the_command_page_has_every_command_and_option() -> None:
    text = _hook().on_page_markdown("<!-- commands -->")
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert f"\n## {name}\n" in f"\n{text}"
        for option in (flag for p in command.params for flag in p.opts if flag.startswith("--")):
            assert option in text


@pytest.mark.usefixtures("few_steps")
def test_the_figures_are_drawn_by_the_code(tmp_path: Path) -> None:
    figures = _module("docs/make_figures.py")
    figures.main(tmp_path)
    explained = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn
    assert all(f"images/{name}" in explained for name in drawn)
    hidden = {s: figures.hidden_from_the_middle(s)[1] for s in (0, 1, 3)}
    middle = hidden[0].shape[0] // 2
    assert not hidden[0].any()
    for shift in (1, 3):
        reach = slice(middle - shift + 1, middle + shift)
        assert hidden[shift][reach, reach].all()
        assert not hidden[shift][middle, middle - shift]


def test_the_charts_show_the_tables_of_the_benchmarks(tmp_path: Path) -> None:
    _module("docs/make_charts.py").main(tmp_path)
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert set(drawn) == set(re.findall(r"images/(benchmark_\w+\.svg)", page))
    for name, svg in drawn.items():
        assert svg == (ROOT / "docs" / "images" / name).read_text(encoding="utf-8"), name


def _hook() -> Any:
    return _module("docs/from_the_code.py")


def _module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
