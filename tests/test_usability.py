"""Every input says what it is for, is reached by the tab key, and fits on a laptop's screen."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from core.makers import random_denoiser
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QWidget,
)

from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets import (
    DenoiseFilesWidget,
    DenoiseWidget,
    DistillWidget,
    TrainWidget,
    TrustWidget,
)
from napari_aprrd.core.noise.report import NoiseReport

INPUTS = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit)
LAPTOP = 720 - 65  # pixels: less the window's menu, the dock's title and the status bar
REPORT = NoiseReport(
    sigma=1, read=1, shot=0.1, correlation={"x": (0.6,), "y": (0.6,)}, reach_x=1, reach_y=1,
    relative=0.1, to_peak=0.1, clipped_low=0, clipped_high=0, stripes="horizontal",
    advice=("A sentence as long as the one of an ordinary report, about the noise.",) * 5,
)  # fmt: skip


@pytest.mark.parametrize("kind", [DenoiseWidget, DenoiseFilesWidget, TrustWidget])
def test_every_input_of_the_other_docks_has_a_tooltip_and_is_narrow(kind: Any, qtbot: Any) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.random.default_rng(0).random((3, 64, 80)), name="cells")
    dock = kind(viewer)
    qtbot.addWidget(dock)
    dock.show()
    assert dock.minimumSizeHint().width() <= 300
    assert dock.minimumSizeHint().height() <= 100
    assert _inputs(dock)
    assert not [child for child in _inputs(dock) if not child.toolTip()]


@pytest.fixture(params=[TrainWidget, DistillWidget])
def widget(request: pytest.FixtureRequest, qtbot: Any) -> Any:
    viewer = ViewerModel()
    viewer.add_image(np.random.default_rng(0).random((3, 64, 80)), name="cells")
    session.add("teacher", random_denoiser("blind-spot"))
    widget = request.param(viewer)
    qtbot.addWidget(widget)
    widget.resize(300, LAPTOP)
    widget.estimate.say("A processor with 8 cores. About 2 minutes.")  # measured elsewhere
    widget.show()
    return widget


def _inputs(widget: QWidget) -> list[QWidget]:
    """What is shown; not the lists that pop up, nor the parts that an input is made of."""
    found = [child for kind in INPUTS for child in widget.findChildren(kind)]
    parts = (QComboBox, QAbstractSpinBox, QAbstractItemView)
    return [c for c in found if c.isVisibleTo(widget) and not isinstance(c.parent(), parts)]


def _tab_stops(widget: QWidget) -> list[QWidget]:
    stops, at = [], widget.nextInFocusChain()
    while at is not widget:
        by_tab = bool(at.focusPolicy() & Qt.FocusPolicy.TabFocus)
        if widget.isAncestorOf(at) and by_tab and at.isVisibleTo(widget) and at.isEnabled():
            stops.append(at)
        at = at.nextInFocusChain()
    return stops


def _unfold(widget: Any) -> Any:
    widget.advanced.unfold()
    return widget.advanced


def test_every_input_has_a_tooltip(widget: Any) -> None:
    _unfold(widget)
    silent = [child for child in _inputs(widget) if not child.toolTip()]
    assert len(_inputs(widget)) > 20
    assert not silent


def test_the_tab_key_reaches_what_is_shown_from_top_to_bottom(widget: Any) -> None:
    form = widget.form.container.native
    assert not [stop for stop in _tab_stops(widget) if form.isAncestorOf(stop)]
    advanced = _unfold(widget)
    stops = _tab_stops(widget)
    assert {w for w in _inputs(widget) if w.isEnabled()} <= set(stops)
    start, fold = stops.index(widget.start.button), stops.index(advanced.line)
    settings = [stops.index(stop) for stop in stops if form.isAncestorOf(stop)]
    assert stops.index(widget.picker.layers) < start < fold < min(settings)
    assert max(settings) < stops.index(widget.models.chooser)


def test_the_start_button_is_on_a_laptops_screen_whatever_is_open(widget: Any, qtbot: Any) -> None:
    if isinstance(widget, TrainWidget):
        widget.noise.show_report(REPORT)
    _unfold(widget)
    qtbot.wait(50)  # for the layout
    bottom = widget.start.mapTo(widget, QPoint(0, widget.start.height())).y()
    assert 0 < bottom <= LAPTOP
    assert widget.height() == LAPTOP  # nothing had to grow
    assert widget.minimumSizeHint().width() <= 300


OPEN_ALL = """
import os, sys, threading
import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

class Watch:
    def find_spec(self, name, *_):
        if name == "torch":
            print(threading.current_thread() is threading.main_thread(), flush=True)
            raise ImportError(name)

sys.meta_path.insert(0, Watch())
from napari_aprrd._napari import widgets

app, viewer = QApplication([]), ViewerModel()
viewer.add_image(np.random.default_rng(0).random((3, 64, 80)), name="cells")
docks = [getattr(widgets, name)(viewer) for name in widgets.__all__]
os._exit(0)
"""


def test_no_dock_makes_the_window_wait_for_torch() -> None:
    """Importing it takes seconds, for which the window would stand still: it is for threads."""
    done = subprocess.run([sys.executable, "-c", OPEN_ALL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "True" not in done.stdout, done.stderr
