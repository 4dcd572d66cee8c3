"""Files are complete or not there at all."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from napari_aprrd.core.atomic_files import check_writable, write_atomically
from napari_aprrd.core.errors import UserError

from .makers import random_denoiser


def test_a_written_file_is_the_only_one_left(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("first", "second"):
        write_atomically(path, lambda temporary, text=text: temporary.write_text(text))
        assert path.read_text() == text
    assert os.listdir(tmp_path) == ["a.txt"]  # noqa: PTH208
    if sys.platform != "win32":
        os.umask(mask := os.umask(0))
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_until_the_writing_is_done_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path  # moved into place, not copied
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"Cannot write .*a\.txt: No space left on device\.$"):
        write_atomically(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_other_errors_leave_nothing_behind_either(tmp_path: Path) -> None:
    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", fail)
    assert not list(tmp_path.iterdir())


def test_a_model_saved_into_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Cannot write .*\.$"):
        random_denoiser().save(tmp_path / "missing" / "model.aprrd")
    assert not list(tmp_path.iterdir())


def test_a_model_saved_onto_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.aprrd").mkdir()
    with pytest.raises(UserError, match="Cannot write"):
        random_denoiser().save(tmp_path / "folder.aprrd")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.aprrd"]


def test_a_place_is_checked_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "a.txt")
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="it is a folder"):
        check_writable(tmp_path)
    with pytest.raises(UserError, match="Cannot write"):
        check_writable(tmp_path / "missing" / "a.txt")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        check_writable(tmp_path / "a.txt")
    with pytest.raises(UserError, match="Permission denied"):
        random_denoiser().save(tmp_path / "model.aprrd")
    tmp_path.chmod(0o700)
