"""A viewer that is closed while it trains; needs a display."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_aprrd._napari.models.session import session
from napari_aprrd.core.training.checkpoint import peek

from .conftest import Note

Close = Callable[[int], None]


@pytest.fixture
def close_again_and_again(
    make_napari_viewer: Any, qtbot: Any, interrupted: Path, until_threads_end: Callable[[], None]
) -> Close:
    return partial(_close, make_napari_viewer, qtbot, interrupted, until_threads_end)


def _close(
    make_viewer: Any, qtbot: Any, folder: Path, until_threads_end: Callable[[], None], times: int
) -> None:
    """The first time in the middle of the training, then at random moments."""
    rng = np.random.default_rng()
    image = np.random.default_rng(0).random((64, 64))
    threads = None
    for time in range(times):
        viewer = make_viewer(show=True)
        viewer.add_image(image, name="cells")
        _, widget = viewer.window.add_plugin_dock_widget("napari-aprrd", "Train APR")
        for field, value in {"steps": 100_000, "width": 4, "depth": 2, "batch": 1}.items():
            widget.form.set(field, value)
        widget.start.click()
        if time == 0:
            qtbot.waitUntil(lambda w=widget: len(w.panel.plot.steps) > 1, timeout=20_000)
        else:
            qtbot.wait(int(rng.uniform(0, 1500)))
        viewer.close()
        until_threads_end()
        assert list(session) == []  # no half-trained model
        threads = threads or threading.active_count()
        assert threading.active_count() <= threads
        for path in folder.glob("[!.]*.checkpoint"):
            peek(path)  # whole
        assert not list(folder.glob(".writing-*"))


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_closed_in_the_middle_and_at_random_moments(
    close_again_and_again: Close, survived: Note, times: int
) -> None:
    close_again_and_again(times)
    what = "no window stuck, no thread left, checkpoints whole"
    survived("viewer closed while training", times, what)
