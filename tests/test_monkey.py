"""A monkey at the docks: random clicks, cancels and closings leave no traceback and no thread.

NAPARI_APRRD_MONKEY=5 does five times as much.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import dask.array as da
import numpy as np
import pytest
from core.makers import random_denoiser
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

from napari_aprrd._napari import commands
from napari_aprrd._napari.layers.views import KEY_PREVIEW
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets.run import time_picker
from napari_aprrd._napari.work.at_work import at_work

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


# --- What a user does to layers and docks in the middle of a run -----------------------------


def _kinds() -> dict[str, Callable[[Any], Any]]:
    """Images of all kinds; each function adds one and returns the layer to work on."""
    rng = np.random.default_rng(0)
    film = rng.integers(0, 999, (3, 64, 80)).astype("u2")
    plane = rng.integers(0, 999, (256, 256)).astype("u2")
    pyramid = [plane, plane[::2, ::2], plane[::4, ::4]]
    colours = rng.integers(0, 255, (64, 64, 3)).astype("u1")

    def lazy(viewer: Any) -> Any:
        layer = viewer.add_image(film, name="film")
        session.add("student", random_denoiser("student-1.00M"))
        viewer.layers.selection = {layer}
        commands.denoise_layer_lazily(viewer)
        _wait(lambda: "film denoised" in viewer.layers, 20)
        return layer

    return {
        "film": lambda v: v.add_image(film, name="film"),
        "pyramid": lambda v: v.add_image(pyramid, multiscale=True, name="pyramid"),
        "RGB": lambda v: v.add_image(colours, rgb=True, name="photo"),
        "channels": lambda v: v.add_image(film, channel_axis=0, name=["a", "b", "c"])[1],
        "4D": lambda v: v.add_image(film.reshape(3, 1, 64, 80).repeat(2, 1), name="stack"),
        "lazy": lazy,
        "dask": lambda v: v.add_image(da.from_array(film, chunks=(1, 64, 80)), name="dask"),
    }


def _meddle(viewer: Any, chance: random.Random) -> str:
    """Do something to the layers, as users do.

    No grid and no 3D: under Xvfb, napari 0.9.2 alone crashes when layers are removed after them.
    """
    layers = list(viewer.layers)
    if not layers:
        viewer.add_image(np.random.default_rng(0).random((64, 64)), name="again")
        return "add"
    layer = chance.choice(layers)
    what = chance.choice(
        ("remove", "rename", "hide", "select", "move", "step", "roll", "data", "add")
    )
    if what == "remove":
        viewer.layers.remove(layer)
    elif what == "rename":
        layer.name = chance.choice(("cells", "new", "film denoised", "film preview"))
    elif what == "hide":
        layer.visible = not layer.visible
    elif what == "select":
        viewer.layers.selection = {layer}
    elif what == "move":
        viewer.layers.move(chance.randrange(len(layers)), chance.randrange(len(layers)))
    elif what == "step" and viewer.dims.ndim > 2:
        viewer.dims.set_current_step(0, chance.randrange(3))
    elif what == "roll":
        viewer.dims.roll()
    elif what == "data" and isinstance(getattr(layer, "data", None), np.ndarray):
        layer.data = layer.data[..., :48, :48] if not layer.rgb else layer.data[:48, :48]
    elif what == "add":
        viewer.add_image(np.random.default_rng(0).random((64, 64)), name="again")
    return f"{what} {layer.name}"


@pytest.mark.skipif(
    "NAPARI_APRRD_MONKEY" not in os.environ,
    reason="napari 0.9 with Mesa may crash where hidden layers are removed: NAPARI_APRRD_MONKEY=1",
)
@pytest.mark.parametrize("kind", _kinds())
@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.usefixtures("nothing_in_the_background")
def test_meddling_with_layers_during_runs(make_napari_viewer: Any, kind: str, seed: int) -> None:
    chance, viewer = random.Random(seed), make_napari_viewer(show=True)
    layer, did = _kinds()[kind](viewer), []
    viewer.layers.selection = {layer}
    for name in DOCKS:
        viewer.window.add_plugin_dock_widget("napari-aprrd", name, tabify=True)
    for _ in range(3):
        dock = _start(viewer, chance)
        for _ in range(5):
            did.append(_meddle(viewer, chance))
            _wait(lambda: False, chance.uniform(0, 0.3))
        if chance.random() < 0.3 and dock.panel.run is not None:
            dock.panel.stop.click()
        _wait(lambda dock=dock: dock.panel.run is None, 30)
        assert dock.panel.run is None, did
        for control in getattr(getattr(dock, "result", None), "buttons", {}).values():
            if chance.random() < 0.3 and control.isVisibleTo(dock):
                did.append(control.text())
                control.click()
                _wait(lambda dock=dock: dock.panel.run is None, 30)
    assert not [layer.name for layer in viewer.layers if KEY_PREVIEW in layer.metadata], did
    assert not at_work.title, did


def test_docks_are_closed_by_their_x_in_the_middle_of_runs(make_viewer: Any) -> None:
    chance, viewer = random.Random(2), make_viewer()
    for _ in range(4 * TIMES):
        dock = _start(viewer, chance)
        for widget in chance.sample(list(_widgets(viewer).values()), 2):
            widget.parent().title.close_button.click()
            _wait(lambda: False, chance.uniform(0, 0.5))
        if dock.panel.run is not None and chance.random() < 0.5:
            dock.panel.cancel.click()
        _wait(lambda dock=dock: dock.panel.run is None, 30)
        for name in DOCKS:
            commands.open_widget(viewer, name)
        assert len(_widgets(viewer)) == len(DOCKS)
        assert not at_work.title


def test_two_viewers_at_once(make_viewer: Any) -> None:
    chance = random.Random(3)
    for _ in range(TIMES):
        first, second = make_viewer(), make_viewer()
        dock = _start(first, chance)
        others = _widgets(second)
        busy = dock.panel.run is not None
        assert others["Train APR"].start.button.isEnabled() is not busy
        if busy:
            assert "running" in others["Denoise"].start.reason.text()
        if dock.panel.run is not None:
            dock.panel.cancel.click()
        assert others["Denoise"].start.button.isEnabled(), others["Denoise"].start.reason.text()
        other = others["Denoise"]
        other.start.click()
        _wait(lambda other=other: other.panel.run is None, 30)
        assert "cells denoised" in second.layers
        first.close()
        second.close()
