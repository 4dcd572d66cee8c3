"""Disks that are full and folders that are closed: told, and nothing that was done is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import call
from core.makers import (
    SMALL_TILES,
    TINY,
    assert_one_sentence,
    drive,
    noisy_planes,
    random_denoiser,
    same_weights,
)

from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.jobs import run
from napari_aprrd.core.training import checkpoint
from napari_aprrd.core.training.checkpoint import Checkpoint
from napari_aprrd.core.training.train import train
from napari_aprrd.files.denoise_file import denoise_file
from napari_aprrd.files.picture import Picture

from .conftest import Note

SHORT = {**TINY, "steps": 8}
ROOM = 300_000  # bytes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses to write checkpoints of any size worth the name; this needs no root.

    It does so during their writing alone: the output of the tests may go to a file as well.
    """
    resource = pytest.importorskip("resource")
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_atomically = checkpoint.write_atomically

    def refused(path: Path, write: Callable[[Path], object]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, most))
        try:
            write_atomically(path, write)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))

    monkeypatch.setattr(checkpoint, "write_atomically", refused)


@pytest.mark.usefixtures("no_room")
def test_training_ends_well_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: Note
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    config = TrainConfig(**SHORT)
    whole, _ = drive(train(noisy_planes(), config))
    kept = Checkpoint(tmp_path / "out.checkpoint")
    trained, reports = drive(train(noisy_planes(), config, checkpoint=kept))
    assert same_weights(trained, whole)
    told = [report.note for report in reports if "Cannot write" in report.note]
    assert len(told) == 1
    assert "File too large" in told[0]
    assert not list(tmp_path.iterdir())
    survived("full disk while training", 1, "training, to its end; told once; no half-written file")


def test_a_checkpoint_outlives_a_disk_that_fills_up(small_disk: Path, survived: Note) -> None:
    config, path = TrainConfig(**SHORT), small_disk / "out.checkpoint"
    whole, _ = drive(train(noisy_planes(), config))
    job = train(noisy_planes(), config, checkpoint=Checkpoint(path))
    while next(job).loss is None:
        pass
    job.close()
    before = path.read_bytes()
    (small_disk / "ballast").write_bytes(b"x" * (ROOM - len(before) - 30_000))
    drive(train(noisy_planes(), config, checkpoint=Checkpoint(path)))
    assert path.read_bytes() == before  # the next one did not fit; this one is whole
    assert same_weights(drive(train(noisy_planes(), config, checkpoint=Checkpoint(path)))[0], whole)
    survived(
        "disk full at the next checkpoint", 1, "the last one, whole; it goes on to the same bits"
    )


def test_denoising_goes_on_when_there_is_room_again(small_disk: Path, survived: Note) -> None:
    rng = np.random.default_rng(0)
    picture = Picture(rng.normal(100, 10, (3, 150, 150)).astype("f4"), "TYX")
    model, config = random_denoiser("student-1.00M"), SMALL_TILES
    ballast, target = small_disk / "ballast", small_disk / "out.npy"
    ballast.write_bytes(b"x" * (ROOM - 100_000))
    with pytest.raises(UserError, match="No space left on device"):
        run(denoise_file(picture, target, model, config))
    assert not target.exists()
    ballast.unlink()
    whole = small_disk.parent / "whole.npy"
    run(denoise_file(picture, whole, model, config))
    subprocess.run(["mount", "-o", f"remount,size={8 * ROOM}", str(small_disk)], check=True)
    _, reports = drive(denoise_file(picture, target, model, config))
    assert reports[0].step > 1
    np.testing.assert_array_equal(np.load(target), np.load(whole))
    survived("full disk while denoising", 1, "the tiles done; it goes on to the same bytes")


@pytest.mark.parametrize("command", ["train", "distill"])
def test_a_folder_that_may_not_be_written_to_is_told_before_the_work(
    tmp_path: Path, command: str, survived: Note
) -> None:
    np.save(tmp_path / "in.npy", np.random.default_rng(0).normal(100, 10, (64, 64)))
    random_denoiser().save(tmp_path / "teacher.aprrd")
    folder = Path("/proc") if os.getuid() == 0 else tmp_path / "closed"  # root may write anywhere
    if os.getuid():
        folder.mkdir(mode=0o500)
    teacher = [tmp_path / "teacher.aprrd"] * (command == "distill")
    result = call(command, *teacher, tmp_path / "in.npy", "-o", folder / "out.aprrd")
    assert result.exit_code == 2
    assert_one_sentence(result.stderr, "Cannot write")
    survived(f"{command} into a closed folder", 1, "one sentence, before the work")
