"""From file to file, tile by tile: flat memory, nothing half-written, on where it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from command_line import contents
from core.makers import (
    SMALL_TILES,
    drive,
    neighbour_denoiser,
    noisy_stack,
    random_denoiser,
    random_pixels,
)

from napari_aprrd import api
from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.errors import DataWarning, UserError
from napari_aprrd.core.jobs import STOP, run
from napari_aprrd.core.model import denoise_planes, device_pipeline
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.files import denoise_file as stream
from napari_aprrd.files.formats import read_picture
from napari_aprrd.files.picture import Picture


def saved(path: Path, *shape: int) -> Picture:
    np.save(path, random_pixels(*shape))
    return read_picture(path)


@pytest.fixture
def model() -> Denoiser:
    return random_denoiser("student-1.00M")


@pytest.mark.parametrize("name", ["out.npy", "out.tif", "out.zarr"])
@pytest.mark.parametrize(
    ("shape", "axes", "dtype"),
    [
        ((2, 150, 170), "TYX", "u2"),
        ((150, 170), "YX", "f4"),
        ((2, 3, 90, 80), "TCYX", "u1"),
        ((2, 90, 80, 3), "TYXS", "u1"),
    ],
)
def test_files_hold_what_the_array_function_gives(
    tmp_path: Path, name: str, shape: tuple[int, ...], axes: str, dtype: str
) -> None:
    data, target = random_pixels(*shape, dtype=dtype), tmp_path / name
    channels = 3 if set(axes) & set("CS") else 1
    denoiser = random_denoiser("student-1.00M", channels=channels)
    picture = Picture(data, axes, {"Y": 0.5, "X": 0.25, "T": 2.0}, {"X": "µm"}, "ome")
    assert run(stream.denoise_file(picture, target, denoiser, SMALL_TILES))
    expected = api.denoise(data, denoiser, SMALL_TILES, axes=axes, progress=False)
    written = read_picture(target)
    # OME-Zarr has its channels before rows and columns.
    kept = "TSYX" if (name, axes) == ("out.zarr", "TYXS") else axes
    expected = expected.transpose([axes.index(letter) for letter in kept])
    np.testing.assert_array_equal(np.asarray(written.data), expected)
    assert written.data.dtype == data.dtype
    assert [p.name for p in tmp_path.iterdir()] == [name]
    if name != "out.npy":
        assert written.axes == kept
        wanted = {a: step for a, step in picture.scale.items() if a in axes}
        assert {a: written.scale[a] for a in wanted} == pytest.approx(wanted)
        assert written.units["X"] in ("µm", "micrometer")


@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M"])
@pytest.mark.parametrize("name", ["out.npy", "out.tif", "out.zarr"])
def test_files_of_stacks_hold_what_the_array_function_gives(
    tmp_path: Path, name: str, kind: Any
) -> None:
    data, denoiser = noisy_stack(4, 2, 150, 90), neighbour_denoiser(kind, axis="Z", neighbours=1)
    picture, target = Picture(data, "ZTYX"), tmp_path / name
    assert run(stream.denoise_file(picture, target, denoiser, SMALL_TILES))
    expected = api.denoise(data, denoiser, SMALL_TILES, axes="ZTYX", progress=False)
    written = read_picture(target)
    axes = written.axes if name == "out.zarr" else "ZTYX"
    order = ["ZTYX".index(letter) for letter in axes]
    np.testing.assert_array_equal(np.asarray(written.data), expected.transpose(order))
    model = replace(denoiser, record={})  # which sees planes alone
    with pytest.warns(DataWarning, match="denoised alone"):
        alone = api.denoise(data, model, SMALL_TILES, axes="ZTYX", progress=False)
    assert (alone != expected).mean() > 0.5


def test_a_stack_is_gone_on_with_between_any_two_tiles(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", noisy_stack(3, 150, 90))
    picture, model = read_picture(tmp_path / "in.npy"), neighbour_denoiser()
    target, ended = tmp_path / "out.npy", False
    for _ in range(20):
        job = stream.denoise_file(picture, target, model, SMALL_TILES)
        try:
            next(job)
            job.send(STOP)
        except StopIteration as end:
            ended = end.value
            if ended:
                break
    assert ended
    expected = api.denoise(np.asarray(picture.data), model, SMALL_TILES, progress=False)
    np.testing.assert_array_equal(np.load(target), expected)


def test_a_long_stack_is_read_around_the_plane_that_is_written(tmp_path: Path) -> None:
    data, model, read = noisy_stack(30, 40, 48), neighbour_denoiser(), list[int]()

    class Spied:
        shape, dtype, ndim = data.shape, data.dtype, data.ndim

        def __getitem__(self, index: Any) -> Any:
            part = data[index]
            assert part.size <= 40 * 48  # never more than one plane
            if not isinstance(index[0], slice):
                read.append(int(index[0]))
            return part

    job = stream.denoise_file(Picture(Spied(), "TYX"), tmp_path / "out.npy", model, SMALL_TILES)
    for plane, _ in enumerate(job):
        assert set(read) <= {plane - 1, plane, plane + 1}
        read.clear()
    expected = api.denoise(data, model, SMALL_TILES, progress=False)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_stopped_and_started_again_it_goes_on_to_the_same_bytes(
    tmp_path: Path, model: Denoiser
) -> None:
    picture = saved(tmp_path / "in.npy", 2, 200, 190)
    whole, parts = tmp_path / "whole.zarr", tmp_path / "parts.zarr"
    assert run(stream.denoise_file(picture, whole, model, SMALL_TILES))
    job = stream.denoise_file(picture, parts, model, SMALL_TILES)
    for _ in range(5):
        done = next(job).step
    with pytest.raises(StopIteration) as end:
        job.send(STOP)
    assert end.value.value is False
    assert done == 5
    assert not parts.exists()
    finished, reports = drive(stream.denoise_file(picture, parts, model, SMALL_TILES))
    assert finished
    assert reports[0].step == 6
    assert "5 of" in reports[0].note
    assert contents(parts) == contents(whole)
    assert not stream.partial_folder(parts).exists()


@pytest.mark.parametrize("change", ["source", "model", "settings"])
def test_the_work_on_something_else_is_not_gone_on_with(
    tmp_path: Path, model: Denoiser, change: str
) -> None:
    picture, target, config = (
        saved(tmp_path / "in.npy", 2, 150, 150),
        tmp_path / "out.npy",
        SMALL_TILES,
    )
    job = stream.denoise_file(picture, target, model, config)
    next(job)
    job.close()
    if change == "source":
        picture = saved(tmp_path / "in.npy", 2, 151, 150)
    if change == "model":
        model = random_denoiser("student-1.00M", seed=1)
    if change == "settings":
        config = DenoiseConfig.of(config, calibrate=False)
    _, reports = drive(stream.denoise_file(picture, target, model, config))
    assert reports[0].step == 1
    expected = api.denoise(np.asarray(picture.data), model, config, progress=False)
    np.testing.assert_array_equal(np.load(target), expected)


def test_a_tile_that_cannot_be_read_is_named_and_the_rest_is_kept(
    tmp_path: Path, model: Denoiser
) -> None:
    class Torn:
        data, broken = random_pixels(2, 200, 190), True
        shape, dtype, ndim = data.shape, data.dtype, data.ndim

        def __getitem__(self, index: Any) -> Any:
            if self.broken and index[0] in (1, slice(1, 2)) and index[1].start == 0:
                raise OSError("input/output error")
            return self.data[index]

    torn = Torn()
    target = tmp_path / "out.npy"
    with pytest.raises(UserError, match=r"Plane 1, rows 0 to \d+, .*input/output error") as told:
        run(stream.denoise_file(Picture(torn, "TYX"), target, model, SMALL_TILES))
    assert "The others are kept" in str(told.value)
    assert not target.exists()
    torn.broken = False
    _, reports = drive(stream.denoise_file(Picture(torn, "TYX"), target, model, SMALL_TILES))
    assert reports[0].step > 1
    np.testing.assert_array_equal(
        np.load(target), api.denoise(torn.data, model, SMALL_TILES, progress=False)
    )


def test_a_full_disk_is_told_and_what_is_done_is_kept(
    tmp_path: Path, model: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, target = saved(tmp_path / "in.npy", 2, 150, 150), tmp_path / "out.npy"
    write, count = stream.TileWriter.write, iter(range(100))

    def full(self: stream.TileWriter, *args: Any) -> None:
        if next(count) == 2:
            raise OSError(28, "No space left on device")
        write(self, *args)

    monkeypatch.setattr(stream.TileWriter, "write", full)
    with pytest.raises(UserError, match=r"Cannot write .*out\.npy: No space left on device"):
        run(stream.denoise_file(picture, target, model, SMALL_TILES))
    assert not target.exists()
    _, reports = drive(stream.denoise_file(picture, target, model, SMALL_TILES))
    assert reports[0].step == 3


def test_a_large_tiff_is_never_whole_in_memory(tmp_path: Path, model: Denoiser) -> None:
    tifffile.imwrite(
        tmp_path / "in.tif",
        random_pixels(5, 120, 130),
        metadata={"axes": "TYX"},
        compression="zlib",
    )
    picture = read_picture(tmp_path / "in.tif", in_memory=0)
    assert isinstance(picture.data, zarr.Array)
    assert run(stream.denoise_file(picture, tmp_path / "out.tif", model, SMALL_TILES))
    expected = api.denoise(random_pixels(5, 120, 130), model, SMALL_TILES, progress=False)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), expected)


def journal_lines(target: Path) -> int:
    path = stream.partial_folder(target) / "done.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def long_command(tmp_path: Path) -> list[str]:
    """Denoises some hundred tiles."""
    np.save(tmp_path / "in.npy", random_pixels(30, 250, 250))
    random_denoiser("student-1.00M").save(tmp_path / "m.aprrd")
    command = [str(Path(sys.executable).with_name("napari-aprrd")), "denoise"]
    command += [str(tmp_path / "in.npy"), "--model", str(tmp_path / "m.aprrd"), "--tile", "64"]
    return command


def test_killed_in_the_middle_the_command_goes_on_to_the_same_bytes(
    tmp_path: Path, long_command: list[str]
) -> None:
    target, whole = tmp_path / "out.zarr", tmp_path / "whole.zarr"
    for least in (10, 60):
        process = subprocess.Popen([*long_command, "-o", str(target)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while journal_lines(target) < least and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert journal_lines(target) >= least
        assert not target.exists()
    subprocess.run([*long_command, "-o", str(target)], check=True, capture_output=True)
    subprocess.run([*long_command, "-o", str(whole)], check=True, capture_output=True)
    assert contents(target) == contents(whole)
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".partial")]


def test_ome_zarr_has_levels_axes_sizes_and_its_history(tmp_path: Path, model: Denoiser) -> None:
    target = tmp_path / "out.zarr"
    picture = Picture(
        random_pixels(2, 1100, 600),
        "TYX",
        {"T": 3.0, "Y": 0.5, "X": 0.25},
        dict.fromkeys("YX", "µm"),
    )
    assert run(stream.denoise_file(picture, target, model, DenoiseConfig(device="cpu")))
    group = zarr.open_group(target, mode="r")
    about = json.loads(json.dumps(dict(group.attrs)))
    (scales,) = about["ome"]["multiscales"]
    assert about["ome"]["version"] == "0.5"
    assert scales["axes"] == [
        {"name": "t", "type": "time"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    levels = [group[d["path"]] for d in scales["datasets"]]
    assert [level.shape for level in levels] == [(2, 1100, 600), (2, 550, 300), (2, 275, 150)]
    steps = [d["coordinateTransformations"][0]["scale"] for d in scales["datasets"]]
    assert steps == [[3.0, 0.5, 0.25], [3.0, 1.0, 0.5], [3.0, 2.0, 1.0]]
    moves = [d["coordinateTransformations"][1:] for d in scales["datasets"]]
    assert moves[0] == []
    assert moves[1] == [{"type": "translation", "translation": [0.0, 0.25, 0.125]}]
    full, half = (np.asarray(level, np.float64) for level in levels[:2])
    np.testing.assert_allclose(half, full.reshape(2, 550, 2, 300, 2).mean((2, 4)), atol=0.51)
    record = about["napari-aprrd"]
    assert model.record.items() <= record.items()
    assert record["denoise"]["model"] == model.fingerprint()


def test_a_file_goes_on_in_the_precision_in_which_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoise_planes, "_is_piped", lambda denoiser: True)
    denoiser = random_denoiser("student-1.00M")
    denoiser.normalisation = Normalisation((100.0,), (60.0,))
    picture = saved(tmp_path / "in.npy", 6, 64, 64)

    def denoised(name: str, stop_at: str | None = None) -> Any:
        job = stream.denoise_file(picture, tmp_path / name, denoiser, SMALL_TILES)
        return drive(job, stop_at=stop_at)

    with monkeypatch.context() as patched:
        patched.setattr(device_pipeline, "is_worth_a_trial", lambda *_: True)
        assert denoised("whole.zarr")[0]
        done, reports = denoised("stopped.zarr", "Denoise")
        assert not done
        assert "float16" in reports[0].note
        assert reports[0].expert
    assert denoised("stopped.zarr")[0]  # with too few tiles left for a trial
    whole, stopped = (read_picture(tmp_path / f"{name}.zarr") for name in ("whole", "stopped"))
    assert stopped.record["denoise"]["precision"] == "float16"
    np.testing.assert_array_equal(np.asarray(stopped.data), np.asarray(whole.data))
