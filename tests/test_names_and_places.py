"""Any name and place: what inputs may be called, and when outputs appear under their names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from core.makers import noisy_image, random_denoiser
from typer.testing import CliRunner

from napari_aprrd import cli
from napari_aprrd.core.atomic_files import hidden_beside, write_atomically
from napari_aprrd.core.errors import UserError
from napari_aprrd.files.formats import BY_SUFFIX, find_files, read_picture
from napari_aprrd.files.inputs import Files
from napari_aprrd.files.tiff.tiff import Tiff

IMAGE = noisy_image(2, 40, 36).astype(np.uint16)
STRANGE = [
    *("two words.tif", "größe 細胞 🔬.tif", "-dash.tif", "x[1].tif", "100%.tif", "a;b&c.tif"),
    *("UPPER.TIF", "Mixed.Tiff", "many.dots.in.it.ome.tif", "'quoted'.tif", "~tilde.tif"),
]


def run(*words: object) -> Any:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a model."""
    monkeypatch.chdir(tmp_path)
    random_denoiser(width=2).save(tmp_path / "m.aprrd")
    return tmp_path


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, IMAGE, metadata={"axes": "TYX"})
    return path


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.mark.parametrize("name", STRANGE)
def test_strange_names_are_read_and_written(place: Path, name: str) -> None:
    image(place / name)
    (place / "to").mkdir()
    result = run("denoise", "--model=m.aprrd", "-o", f"to/{name}", "--", name)
    assert result.exit_code == 0, result.output
    assert read_picture(place / "to" / name).data.shape == IMAGE.shape


def test_an_output_may_begin_with_a_dash(place: Path) -> None:
    image(place / "a.tif")
    result = run("denoise", "--model", "m.aprrd", "a.tif", "-o", "-out.tif")
    assert result.exit_code == 0, result.output
    assert (place / "-out.tif").exists()


def test_a_tilde_is_the_home_folder_also_where_the_shell_leaves_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.setenv("USERPROFILE", str(place / "home"))
    image(place / "home" / "a.tif")
    (place / "home" / "m.aprrd").write_bytes((place / "m.aprrd").read_bytes())
    assert find_files(["~/a.tif"]) == find_files(["~/*.tif"]) == [place / "home" / "a.tif"]
    result = run("denoise", "~/a.tif", "--out=~/b.tif", "--model=~/m.aprrd")
    assert result.exit_code == 0, result.output
    assert (place / "home" / "b.tif").exists()
    image(place / "~" / "c.tif")
    assert find_files(["~/c.tif"]) == [Path("~/c.tif")]  # a folder that has this very name


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.tif", ["a.tif"]),
        ("data [[]1]/*.tif", ["data [1]/b.tif"]),
        ("data [1]/*.tif", ["data [1]/b.tif"]),  # the folder is there: its brackets are a name
        ("**/*.tif", ["a.tif", "data [1]/b.tif", "data [1]/deep/c.tif"]),
        ("**", ["a.tif", "data [1]/b.tif", "data [1]/deep/c.tif", "z.zarr"]),
        ("data*", ["data [1]/b.tif"]),  # as if the folder itself were named
        ("*", ["a.tif", "data [1]/b.tif", "z.zarr"]),
    ],
)
def test_globs_are_understood_where_the_shell_leaves_them(
    place: Path, pattern: str, found: list[str]
) -> None:
    for name in ("a.tif", "data [1]/b.tif", "data [1]/deep/c.tif", "z.zarr/0/no image.tif"):
        image(place / name)
    (place / "z.zarr" / "zarr.json").write_text("{}")
    (place / "notes.txt").write_text("")
    assert find_files([pattern]) == [Path(name) for name in found]
    assert find_files([str(place / pattern)]) == [place / name for name in found]


def test_what_programs_hide_in_folders_is_no_image(place: Path, said: list[str]) -> None:
    image(place / "in" / "cells.tif")
    for name in (".DS_Store", "._cells.tif", ".writing-12345678new.tif", "Thumbs.db", "log.txt"):
        (place / "in" / name).write_bytes(b"\0")
    (place / "in" / ".cells.tif.partial").mkdir()
    (place / "in" / "deeper").mkdir()
    assert find_files(["in"], said.append) == [Path("in/cells.tif")]
    assert said == []


def test_images_of_a_folder_that_cannot_be_read_are_named(place: Path, said: list[str]) -> None:
    image(place / "in" / "cells.tif")
    for name in ("a.oib", "b.OIB", "brain.nii.gz"):
        (place / "in" / name).write_bytes(b"\0")
    (place / "in" / "folder.tif").mkdir()
    (place / "in" / "gone.tif").symlink_to("nowhere.tif")
    assert find_files(["in"], said.append) == [Path("in/cells.tif")]
    assert len(said) == 1
    assert "a.oib, b.OIB, brain.nii.gz are left out, no reader for them: save them as" in said[0]
    assert "folder.tif is left out, a folder with the name of a file" in said[0]
    assert "gone.tif is left out, a link to a file that is not there" in said[0]
    result = run("inspect", "in", "--json")
    assert "a.oib" in result.stderr
    assert "a.oib" not in result.stdout


def test_a_file_that_is_named_twice_is_taken_once(place: Path) -> None:
    image(place / "a.tif")
    assert find_files(["a.tif", "./a.tif", str(place / "a.tif"), "*.tif"]) == [Path("a.tif")]


class InParts(Tiff):
    """A format whose images are in several files, as in OME-TIFF."""

    def companions(self, path: Path) -> set[Path]:
        return set(path.parent.glob(f"{path.name[0]}*.tif"))


def test_the_files_of_one_image_are_taken_once(
    place: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BY_SUFFIX, ".tif", InParts())
    for name in ("a0.tif", "a1.tif", "a2.tif", "b0.tif"):
        image(place / "in" / name)
    assert find_files(["in"], said.append) == [Path("in/a0.tif"), Path("in/b0.tif")]
    assert said == ["in/a0.tif: a1.tif, a2.tif are left out, part of the same image."]


def test_links_are_followed(place: Path) -> None:
    image(place / "far" / "a.tif")
    (place / "link.tif").symlink_to("far/a.tif")
    (place / "folder").symlink_to("far")
    (place / "broken.tif").symlink_to("nowhere.tif")
    assert read_picture("link.tif").data.shape == IMAGE.shape
    assert find_files(["folder"]) == [Path("folder/a.tif")]
    with pytest.raises(UserError, match=r"broken.tif is a link to nowhere.tif, which is not there"):
        read_picture("broken.tif")
    result = run("denoise", "link.tif", "--model", "m.aprrd", "-o", "far/a.tif")
    assert result.exit_code == 2
    assert "would overwrite the input" in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_pipes_and_devices_are_refused_at_once(place: Path, said: list[str]) -> None:
    os.mkfifo(place / "pipe.tif")
    image(place / "a.tif")
    with pytest.raises(UserError, match=r"pipe.tif: it is a device or a pipe, not a file"):
        read_picture("pipe.tif")
    assert find_files(["."], said.append) == [Path("a.tif")]
    assert said == [".: pipe.tif is left out, a device or a pipe."]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "An input is an empty name"),
        (" ", "An input is an empty name"),
        ("a\0b.tif", "contains a NUL character"),
        ("~\0.tif", "contains a NUL character"),
        ("~nobody-of-this-name/a.tif", "There is no file"),
        ("x" * 300 + ".tif", "is too long"),
        ("/".join(["x" * 100] * 60) + ".tif", "Cannot read|There is no file"),
        ("x" * 300 + "/a.tif", "Cannot read"),
    ],
    ids=[
        "empty",
        "blank",
        "NUL",
        "NUL at home",
        "no such user",
        "long name",
        "long path",
        "long folder",
    ],
)
def test_names_that_no_file_has_get_one_sentence(place: Path, name: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_picture(find_files([name])[0])


@pytest.mark.parametrize(
    "name", ["a\0b.tif", "x" * 300 + ".tif", "x" * 300 + ".zarr", "x" * 300 + "/a.tif"]
)
def test_outputs_that_no_file_can_be_named_are_refused_early(place: Path, name: str) -> None:
    source = image(place / "a.tif")
    with pytest.raises(UserError, match=r"NUL|too long|Cannot write"):
        Files.to([source], Path(name))


def test_an_empty_output_is_not_the_current_folder(place: Path) -> None:
    image(place / "in" / "a.tif")
    result = run("denoise", "in/a.tif", "--model", "m.aprrd", "-o", "")
    assert result.exit_code == 2
    assert "name of the output is empty" in result.stderr
    assert not (place / "a.tif").exists()


def test_the_longest_name_that_a_file_may_have_is_written(place: Path) -> None:
    longest = "x" * 251 + ".tif"
    image(place / "a.tif")
    result = run("denoise", "a.tif", "--model", "m.aprrd", "-o", longest)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in place.iterdir()) == ["a.tif", "m.aprrd", longest]
    one, other = (hidden_beside(Path(letter * 251 + ".tif"), "", ".partial") for letter in "xy")
    assert one != other


def test_a_folder_named_like_a_file_takes_the_outputs(place: Path) -> None:
    image(place / "in" / "a.tif")
    image(place / "in" / "b.tif")
    (place / "out.tif").mkdir()
    result = run("denoise", "in", "--model", "m.aprrd", "-o", "out.tif")
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in find_files(["out.tif"])) == ["a.tif", "b.tif"]


def test_nothing_is_written_beside_an_input(place: Path) -> None:
    source = image(place / "in" / "a.tif").parent
    before = [(p.name, p.stat().st_mtime_ns) for p in (source, *source.iterdir())]
    (place / "out").mkdir()
    assert run("inspect", "in").exit_code == 0
    result = run("denoise", "in", "--model", "m.aprrd", "-o", "out", "--report")
    assert result.exit_code == 0, result.output
    assert [(p.name, p.stat().st_mtime_ns) for p in (source, *source.iterdir())] == before


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_names_in_another_encoding_are_read_and_written(place: Path) -> None:
    name = os.fsdecode("caf\xe9.tif".encode("latin-1"))
    image(place / "in" / name)
    image(place / "in" / "b.tif")
    words = ["denoise", "in", "--model", "m.aprrd", "-o", "out", "--report"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["napari-aprrd", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    assert stopped.value.code == 0
    assert (place / "out" / name).exists()
    assert os.fsencode(name) in (place / "out" / "summary.csv").read_bytes()


class Watcher:
    """Sees every name that is opened for writing, made or moved in a folder."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.written: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
            made = [path] if writes else []
        else:
            made = [arguments[0]] if event in ("os.mkdir", "os.truncate") else []
        for path in made:
            if isinstance(path, str | bytes | os.PathLike):
                self._note(Path(os.fsdecode(path)).absolute())

    def _note(self, path: Path) -> None:
        assert self.folder is not None
        if self.folder in path.parents:
            name = path.relative_to(self.folder).parts
            self.written += [path.name] if not any(p.startswith(".") for p in name) else []


WATCHER = Watcher()
sys.addaudithook(WATCHER)  # cannot be removed, but sleeps


@pytest.fixture
def watched(place: Path) -> Iterator[Path]:
    """A folder in which nothing may be written under a name that a program would take."""
    folder = place / "out"
    folder.mkdir()
    WATCHER.folder, WATCHER.written = folder, []
    yield folder
    WATCHER.folder = None


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".npy", ".zarr", ".png"])
def test_outputs_appear_only_when_they_are_whole(watched: Path, suffix: str) -> None:
    data = IMAGE[0].astype(np.uint8) if suffix == ".png" else IMAGE
    np.save("a.npy", data)
    target = watched / f"a{suffix}"
    for _ in "again":  # the second time in place of the first
        result = run("denoise", "a.npy", "--model", "m.aprrd", "-o", target, "--report")
        assert result.exit_code == 0, result.output
    names = [target.name, f"{target.name}.report.html", f"{target.name}.report.json"]
    assert sorted(p.name for p in watched.iterdir()) == names
    assert WATCHER.written == []


def test_a_folder_of_outputs_appears_file_by_file(watched: Path, place: Path) -> None:
    image(place / "in" / "a.tif")
    image(place / "in" / "b.tif")
    result = run("denoise", "in", "--model", "m.aprrd", "-o", watched)
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in watched.iterdir()) == ["a.tif", "b.tif", "summary.csv"]
    assert WATCHER.written == []


@pytest.mark.usefixtures("few_steps")
def test_models_appear_only_when_they_are_whole(watched: Path, place: Path) -> None:
    source = image(place / "a.tif")
    teacher, student = watched / "teacher.aprrd", watched / "student.aprrd"
    assert run("train", source, "-o", teacher, "--preset", "fast").exit_code == 0
    assert run("distill", teacher, source, "-o", student, "--preset", "fast").exit_code == 0
    assert run("export", student, "-o", watched / "student.zip").exit_code == 0
    names = ["student.aprrd", "student.zip", "teacher.aprrd"]
    assert sorted(p.name for p in watched.iterdir()) == names
    assert WATCHER.written == []


@pytest.mark.usefixtures("few_steps")
def test_what_is_learnt_on_the_way_stays_hidden(watched: Path, place: Path) -> None:
    source = image(place / "a.tif")
    result = run("denoise", source, "-o", watched / "a.tif", "--preset", "fast")
    assert result.exit_code == 0, result.output
    assert [p.name for p in watched.iterdir()] == ["a.tif"]
    assert WATCHER.written == []


def test_the_watcher_sees_what_is_written_in_place(watched: Path) -> None:
    (watched / "a.txt").write_text("half")
    write_atomically(watched / "b.txt", lambda path: path.write_text("whole"))
    assert WATCHER.written == ["a.txt"]
