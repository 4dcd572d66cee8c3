"""A monkey at the docks: random clicks, cancels and closings leave no traceback and no thread.

NAPARI_APRRD_MONKEY=5 does five times as much.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialog,
    QFileDialog,
    QInputDialog,
    QMessageBox,
    QWidget,
)

from napari_aprrd._napari.widgets.run import time_picker

pytestmark = pytest.mark.usefixtures("no_notifications_left", "few_steps")

TIMES = int(os.environ.get("NAPARI_APRRD_MONKEY", "1"))
DOCKS = ("Denoise", "Train APR", "Distill (RD)", "Trust report", "Denoise files")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing takes long, and no dialog waits for an answer."""
    monkeypatch.setattr(time_picker, "EFFORTS", dict.fromkeys(time_picker.EFFORTS, 0.02))
    for kind in (QMessageBox, QDialog):
        monkeypatch.setattr(kind, "exec", lambda self: 0)
    for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *a, **k: ("", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: "")
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("", False))
    monkeypatch.setattr(QInputDialog, "getItem", lambda *a, **k: ("", False))
    monkeypatch.setattr("qtpy.QtGui.QDesktopServices.openUrl", lambda *a: True)


@pytest.fixture
def make_viewer(make_napari_viewer: Any) -> Callable[[], Any]:
    """A window with two images and all docks."""

    def make() -> Any:
        viewer = make_napari_viewer(show=True)
        rng = np.random.default_rng(0)
        viewer.add_image(rng.integers(0, 999, (3, 64, 80)).astype("u2"), name="cells")
        viewer.add_image(rng.integers(0, 255, (64, 64, 3)).astype("u1"), name="photo", rgb=True)
        viewer.layers.selection = {viewer.layers["cells"]}
        for name in DOCKS:
            viewer.window.add_plugin_dock_widget("napari-aprrd", name, tabify=True)
        return viewer

    return make


@pytest.fixture(autouse=True)
def nothing_left(capfd: Any) -> Iterator[None]:
    """No traceback is printed, and no thread works on."""
    yield
    _wait(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, 20)
    assert QThreadPool.globalInstance().activeThreadCount() == 0
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed, printed
    assert "deleted" not in printed, printed


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not condition():
        QApplication.processEvents()
        time.sleep(0.005)


def _widgets(viewer: Any) -> dict[str, QWidget]:
    found = {}
    for title, widget in viewer.window.dock_widgets.items():
        found.update({name: widget for name in DOCKS if str(title).startswith(f"{name} (")})
    return found


def _start(viewer: Any, chance: random.Random) -> QWidget:
    """Start what a random dock does, and let it work for a random while."""
    docks = _widgets(viewer)
    dock = docks[chance.choice(("Denoise", "Train APR"))]
    dock.start.click()
    _wait(lambda: False, chance.uniform(0, 2))
    return dock


def test_random_clicks(make_viewer: Callable[[], Any]) -> None:
    chance, viewer = random.Random(0), make_viewer()
    pressed = []
    while len(pressed) < 40 * TIMES:
        dock = chance.choice(list(_widgets(viewer).values()))
        dock.show()
        controls = [
            widget
            for kind in (QAbstractButton, QComboBox)
            for widget in dock.findChildren(kind)
            if widget.isEnabled() and widget.isVisibleTo(dock)
        ]
        control = chance.choice(controls)
        if isinstance(control, QComboBox):
            control.setCurrentIndex(chance.randrange(max(control.count(), 1)))
            pressed.append(control.currentText())
        else:
            control.click()
            pressed.append(control.text())
        _wait(lambda: False, chance.uniform(0, 0.3))
    for dock in _widgets(viewer).values():
        if (panel := getattr(dock, "panel", None)) is not None and panel.run is not None:
            panel.cancel.click()
    _wait(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, 60)
    for dock in _widgets(viewer).values():
        panel = getattr(dock, "panel", None)
        assert panel is None or panel.run is None, pressed


def test_random_cancels(make_viewer: Callable[[], Any]) -> None:
    chance, viewer = random.Random(1), make_viewer()
    for _ in range(4 * TIMES):
        dock: Any = _start(viewer, chance)
        begun = time.perf_counter()
        if dock.panel.run is not None:
            dock.panel.cancel.click()
        assert dock.panel.run is None
        assert time.perf_counter() - begun < 3  # much less where nothing else runs
        assert not [layer.name for layer in viewer.layers if "preview" in layer.name]
        _wait(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, 20)
        assert dock.start.button.isEnabled(), dock.start.reason.text()


@pytest.mark.parametrize("seed", range(4 * TIMES))
def test_random_closings(make_viewer: Callable[[], Any], seed: int) -> None:
    chance, viewer = random.Random(seed), make_viewer()
    _start(viewer, chance)
    begun = time.perf_counter()
    viewer.close()
    _wait(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, 20)
    took = time.perf_counter() - begun
    assert took < 5, took
