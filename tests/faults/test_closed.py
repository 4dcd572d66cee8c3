"""A viewer that is closed while it trains; needs a display."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_aprrd.core.training.checkpoint import peek

from .conftest import Note


def _workers() -> set[Any]:
    from superqt.utils._qthreading import WorkerBase

    return set(WorkerBase._worker_set)


def _close_again_and_again(make_viewer: Any, qtbot: Any, folder: Path, times: int) -> None:
    rng = np.random.default_rng()
    image = np.random.default_rng(0).random((64, 64))
    threads = None
    for _ in range(times):
        viewer = make_viewer(show=True)
        viewer.add_image(image, name="cells")
        _, widget = viewer.window.add_plugin_dock_widget("napari-aprrd", "Train APR")
        for field, value in {"steps": 100_000, "width": 4, "depth": 2, "batch": 1}.items():
            widget.form.set(field, value)
        widget.start.click()
        qtbot.wait(int(rng.uniform(0, 1500)))
        viewer.close()
        qtbot.waitUntil(lambda: not _workers(), timeout=20_000)
        threads = threads or threading.active_count()
        assert threading.active_count() <= threads
        for path in folder.glob("[!.]*.checkpoint"):
            peek(path)  # whole
        assert not list(folder.glob(".writing-*"))


def test_closed_at_random_moments(
    make_napari_viewer: Any, qtbot: Any, interrupted: Path, survived: Note
) -> None:
    _close_again_and_again(make_napari_viewer, qtbot, interrupted, 3)
    survived(
        "viewer closed while training", 3, "no window stuck, no thread left, checkpoints whole"
    )


@pytest.mark.slow
def test_closed_at_twenty_random_moments(
    make_napari_viewer: Any, qtbot: Any, interrupted: Path, survived: Note
) -> None:
    _close_again_and_again(make_napari_viewer, qtbot, interrupted, 20)
    survived(
        "viewer closed while training", 20, "no window stuck, no thread left, checkpoints whole"
    )
