"""Faults that people met in a true viewer, and that must not come back; needs a display."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from core.makers import random_denoiser
from napari.settings import get_settings
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QLabel
from torch import Tensor, nn

from napari_aprrd._napari import commands, dialogs, docks
from napari_aprrd._napari.layers.choice import source_of
from napari_aprrd._napari.layers.preview import LivePreview
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets.common.folded import Folded
from napari_aprrd._napari.work import lazy
from napari_aprrd._napari.work.denoising import Denoising, shortly
from napari_aprrd._napari.work.previews import Preview
from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.noise.report import NoiseReport

pytestmark = pytest.mark.usefixtures("no_notifications_left", "few_steps")


class Slow(nn.Module):
    """One of the many layers of a network that takes long."""

    def __init__(self, begun: threading.Event) -> None:
        super().__init__()
        self._begun = begun

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[-1] > 200:
            self._begun.set()
            time.sleep(0.05)
        return image


@pytest.fixture
def begun() -> threading.Event:
    """Set once the slow model computes."""
    return threading.Event()


@pytest.fixture
def slow_model(begun: threading.Event) -> Denoiser:
    """A model that needs half a minute for each tile that is not small."""
    model = random_denoiser("student-1.00M")
    weights = list(model.network.parameters())
    model.network = nn.Sequential(*[Slow(begun) for _ in range(600)])
    model.network.weight = weights[0]  # a network without any has no device
    session.add("slow", model)
    return model


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    return make_napari_viewer(show=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """The questions that were asked, and the answers to the next ones; without one, a cancel."""
    questions: list[str] = []
    answers: list[str] = []

    def ask(parent: Any, title: str, text: str, buttons: list[str], default: int = 0) -> str:
        questions.append(text)
        return answers.pop(0) if answers else ""

    monkeypatch.setattr(dialogs, "ask", ask)
    return questions, answers


def noise(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 999, shape).astype("u2")


def within(qtbot: Any, seconds: float, condition: Callable[[], bool]) -> None:
    qtbot.waitUntil(condition, timeout=round(1000 * seconds))


def none_works() -> bool:
    return QThreadPool.globalInstance().activeThreadCount() == 0


def errors() -> list[Any]:
    """What napari has shown as errors."""
    return [r for r in notification_manager.records if r.severity == NotificationSeverity.ERROR]


# The right layer ------------------------------------------------------------------------------


def test_with_the_widget_open_the_sample_is_chosen_not_its_truth(viewer: Any) -> None:
    widget = commands.open_widget(viewer, "Train APR")
    viewer.open_sample("napari-aprrd", "correlated_noise")
    assert [layer.name for layer in widget.picker.chosen()] == ["cells, correlated noise"]


def test_after_a_renaming_a_result_is_checked_with_its_source(qtbot: Any, viewer: Any) -> None:
    viewer.add_image(noise(2, 64, 64), name="cells")
    viewer.add_image(noise(64, 64), name="other")
    session.add("student", random_denoiser("student-1.00M"))
    viewer.layers.selection = {viewer.layers["cells"]}
    commands.denoise_layer(viewer)
    within(qtbot, 30, lambda: not Denoising.running)
    result = viewer.layers["cells denoised"]
    assert viewer.layers.selection == {result}  # and the next step is for it
    viewer.layers["cells"].name = "my movie"
    viewer.layers["other"].name = "cells"
    assert source_of(viewer, result) is viewer.layers["my movie"]
    commands.check_result(viewer)
    widget = commands.open_widget(viewer, "Trust report")
    within(qtbot, 30, lambda: widget.report is not None)


def test_a_note_on_a_result_is_not_cut_by_napari() -> None:
    assert shortly("cells", 12.3) == "Denoised cells in 12 s."
    assert len(shortly("a very long name of an experiment, with position and channel", 600)) <= 60


# What is seen ---------------------------------------------------------------------------------


def test_additive_channels_are_not_summed_with_their_results(qtbot: Any, viewer: Any) -> None:
    channels = viewer.add_image(noise(3, 64, 64), channel_axis=0, name=["a", "b", "c"])
    session.add("student", random_denoiser("student-1.00M"))
    viewer.layers.selection = set(channels)
    commands.denoise_layer(viewer)
    within(qtbot, 30, lambda: not Denoising.running)
    results = [viewer.layers[f"{name} denoised"] for name in "abc"]
    assert all(result.visible for result in results)
    assert [channel.visible for channel in channels if channel.blending == "additive"] == [
        False
    ] * 2
    assert viewer.layers.selection == set(results)
    viewer.layers.remove(results[-1])
    assert channels[-1].visible


def test_a_preview_of_a_hidden_layer_does_not_crash_napari(qtbot: Any, viewer: Any) -> None:
    hidden = viewer.add_image(noise(64, 64), name="hidden")
    viewer.add_image(noise(64, 64), name="above")
    hidden.visible = False
    viewer.screenshot(flash=False)
    preview = LivePreview(viewer, hidden)
    view = preview.view()
    assert view is not None
    preview.show(Preview(view, view.read()))
    viewer.screenshot(flash=False)
    assert viewer.layers[-1].name == "hidden preview"
    preview.close()
    viewer.screenshot(flash=False)
    assert [layer.name for layer in viewer.layers] == ["hidden", "above"]


# Cancel and close -----------------------------------------------------------------------------


def test_a_cancel_acts_in_the_middle_of_a_plane(
    qtbot: Any, viewer: Any, slow_model: Denoiser, begun: threading.Event
) -> None:
    layer = viewer.add_image(noise(512, 512), name="large")
    viewer.layers.selection = {layer}
    commands.denoise_layer(viewer)
    (denoising,) = Denoising.running
    within(qtbot, 20, begun.is_set)
    denoising._run._activity.cancel()  # as the activity dock's button does
    within(qtbot, 1, lambda: not Denoising.running)
    within(qtbot, 1, none_works)
    assert "large denoised" not in viewer.layers


def test_a_plane_reports_each_of_its_tiles(
    qtbot: Any, viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Denoiser, "fitted", lambda self, c: DenoiseConfig.of(c, tile=128))
    layer = viewer.add_image(noise(512, 512), name="large")
    reports: list[Any] = []
    Denoising(viewer, layer, random_denoiser("student-1.00M"), on_report=reports.append)
    within(qtbot, 30, lambda: not Denoising.running)
    assert reports[-1].total > 8


def test_closing_ends_what_is_computed_lazily(
    qtbot: Any, viewer: Any, slow_model: Denoiser, begun: threading.Event, asked: Any
) -> None:
    questions, answers = asked
    answers.append(lazy.SWITCH_ON)
    pyramid = [noise(2048, 2048), noise(512, 512), noise(128, 128)]
    layer = viewer.add_image(pyramid, multiscale=True, name="pyramid", contrast_limits=(0, 999))
    viewer.layers.selection = {layer}
    commands.denoise_layer_lazily(viewer)
    assert "in the background" in questions[0]
    assert get_settings().experimental.async_
    within(qtbot, 10, lambda: "pyramid denoised" in viewer.layers)
    result = viewer.layers["pyramid denoised"]
    assert [level.shape for level in result.data] == [level.shape for level in pyramid]
    within(qtbot, 20, begun.is_set)
    start = time.perf_counter()
    viewer.close()
    assert time.perf_counter() - start < 2
    within(qtbot, 2, none_works)
    assert not errors()
    assert not get_settings().experimental.async_  # as it was before


def test_of_a_lazy_pyramid_only_what_is_on_screen_is_computed(
    qtbot: Any,
    viewer: Any,
    monkeypatch: pytest.MonkeyPatch,
    nothing_in_the_background: None,
) -> None:
    seen: list[Any] = []

    def predict_tile(self: Denoiser, read: Any, size: Any, tile: Any, config: Any) -> Any:
        seen.append((size, tile[0].kept.start, tile[1].kept.start))
        return read(tile[0].kept, tile[1].kept)

    monkeypatch.setattr(Denoiser, "predict_tile", predict_tile)
    monkeypatch.setattr(Denoiser, "fitted", lambda self, c: DenoiseConfig.of(c, tile=256))
    pyramid = [noise(4096 // n, 4096 // n) for n in (1, 2, 4, 8)]
    layer = viewer.add_image(pyramid, multiscale=True, name="pyramid", contrast_limits=(0, 999))
    session.add("student", random_denoiser("student-1.00M"))
    viewer.layers.selection = {layer}
    commands.denoise_layer_lazily(viewer)
    qtbot.waitUntil(lambda: "pyramid denoised" in viewer.layers)
    assert seen
    assert max(size for size, *_ in seen) < (4096, 4096)  # the whole fits on screen
    seen.clear()
    viewer.scene.camera.center, viewer.scene.camera.zoom = (1000, 1000), 2
    viewer.screenshot(flash=False)
    full = {tuple(place) for size, *place in seen if size == (4096, 4096)}
    assert 0 < len(full) < 64  # of 256 tiles


def test_a_lazy_layer_that_is_removed_computes_no_more(
    qtbot: Any, viewer: Any, slow_model: Denoiser, begun: threading.Event, asked: Any
) -> None:
    asked[1].append(lazy.SWITCH_ON)
    layer = viewer.add_image(noise(3, 256, 256), name="stack")
    viewer.layers.selection = {layer}
    commands.denoise_layer_lazily(viewer)
    within(qtbot, 20, begun.is_set)
    (watch,) = lazy.LazyLayer.alive
    assert watch._bar is not None  # the activity dock shows that something happens
    viewer.layers.remove("stack denoised")
    assert not lazy.LazyLayer.alive
    assert watch._bar is None
    start = time.perf_counter()
    viewer._layer_slicer.wait_until_idle(timeout=5)
    assert time.perf_counter() - start < 1
    assert not errors()


def test_without_an_answer_nothing_is_switched_on(viewer: Any, asked: Any) -> None:
    session.add("student", random_denoiser("student-1.00M"))
    viewer.layers.selection = {viewer.add_image(noise(64, 64), name="plane")}
    commands.denoise_layer_lazily(viewer)
    assert len(asked[0]) == 1
    assert "plane denoised" not in viewer.layers
    assert not get_settings().experimental.async_


SCRIPT = """
import sys, threading, time
sys.path[:0] = {path!r}
import napari, numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from torch import nn
from test_viewer_faults import Slow, noise
from core.makers import random_denoiser
from napari_aprrd._napari.work.denoising import Denoising

viewer, begun = napari.Viewer(show=True), threading.Event()
model = random_denoiser("student-1.00M")
weight = next(model.network.parameters())
model.network = nn.Sequential(*[Slow(begun) for _ in range(600)])
model.network.weight = weight
for name in "abc":
    Denoising(viewer, viewer.add_image(noise(256, 256), name=name), model)

def end():
    if not begun.is_set():
        QTimer.singleShot(20, end)
        return
    print(time.time(), flush=True)
    {end}

end_ = QTimer.singleShot(20, end)
{run}
"""


@pytest.mark.parametrize(
    ("end", "run"),
    [
        ("viewer.close()", "napari.run()"),
        ("viewer.window.main_menu.window().close()", "napari.run()"),
        ("QApplication.quit()", "napari.run()"),
        ("viewer.close(); sys.exit()", "napari.run()"),
        ("pass", "[(QApplication.processEvents(), time.sleep(.01)) for _ in range(300)]"),
    ],
    ids=["viewer", "window", "application", "exit", "script"],
)
def test_no_traceback_however_napari_ends(end: str, run: str, make_napari_viewer: Any) -> None:
    code = SCRIPT.format(path=sys.path, end=end, run=run)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    left = time.time() - float(done.stdout.split()[0])
    assert "Traceback" not in done.stderr
    assert "deleted" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert left < (8 if end == "pass" else 5), left


# Questions and docks --------------------------------------------------------------------------


def test_of_a_mixed_selection_nothing_starts_before_all_is_answered(
    qtbot: Any, viewer: Any, asked: Any
) -> None:
    grey = viewer.add_image(noise(64, 64), name="grey")
    photo = viewer.add_image(noise(64, 64, 3).astype("u1"), rgb=True, name="photo")
    session.add("student", random_denoiser("student-1.00M"))
    viewer.layers.selection = {grey, photo}
    commands.denoise_layer(viewer)
    assert len(asked[0]) == 1
    assert "'photo'" in asked[0][0]
    assert not Denoising.running
    assert len(viewer.layers) == 2


def test_denoising_what_is_denoised_asks_first(qtbot: Any, viewer: Any, asked: Any) -> None:
    questions, answers = asked
    session.add("student", random_denoiser("student-1.00M"))
    viewer.layers.selection = {viewer.add_image(noise(64, 64), name="cells")}
    for name in ("cells denoised", ""):
        commands.denoise_layer(viewer)
        within(qtbot, 30, lambda: not Denoising.running)
        assert not name or name in viewer.layers
    assert questions == ["'cells denoised' is denoised already."]
    answers.append(commands.ALL_THE_SAME)
    commands.denoise_layer(viewer)
    within(qtbot, 30, lambda: "cells denoised denoised" in viewer.layers)
    within(qtbot, 30, lambda: not Denoising.running)


def _from_menu(viewer: Any, name: str) -> None:
    menu = viewer.window.plugins_menu
    menu.aboutToShow.emit()
    menus = [menu, *menu.findChildren(type(menu))]
    for submenu in menus:
        submenu.aboutToShow.emit()
    (action,) = {a for m in menus for a in m.actions() if a.text().startswith(name)}
    action.trigger()


def test_a_widget_has_one_dock_whoever_opens_it(qtbot: Any, viewer: Any) -> None:
    _from_menu(viewer, "Distill (RD)")
    first = commands.open_widget(viewer, "Distill (RD)")
    train = commands.open_widget(viewer, "Train APR")
    assert commands.open_widget(viewer, "Train APR") is train
    assert len(viewer.window.dock_widgets) == 2
    window = viewer.window.main_menu.window()
    assert window.tabifiedDockWidgets(train.parent()) == [first.parent()]
    assert train.parent().windowTitle() == "Train APR"
    _, other = viewer.window.add_plugin_dock_widget("napari-aprrd", "Trust report")
    assert docks.find_dock(viewer, "Trust report") is other
    assert commands.open_widget(viewer, "Trust report") is other
    within(qtbot, 5, lambda: other.parent() in window.tabifiedDockWidgets(train.parent()))


def test_the_x_of_a_dock_does_not_end_its_work(qtbot: Any, viewer: Any) -> None:
    viewer.add_image(noise(2, 64, 64), name="cells")
    widget = commands.open_widget(viewer, "Train APR")
    for field, value in {"batch": 1, "patch": 32, "width": 4, "depth": 2, "steps": 10**5}.items():
        widget.form.set(field, value)
    widget.start.click()
    within(qtbot, 30, lambda: len(widget.panel.plot.steps) > 1)
    dock = widget.parent()
    dock.title.close_button.click()
    steps = len(widget.panel.plot.steps)
    assert not dock.isVisible()
    within(qtbot, 10, lambda: len(widget.panel.plot.steps) > steps)
    assert commands.open_widget(viewer, "Train APR") is widget
    assert dock.isVisible()
    widget.panel.cancel.click()
    dock.title.close_button.click()
    assert docks.find_dock(viewer, "Train APR") is None


# On a small screen ----------------------------------------------------------------------------

ADVICE = "A sentence as long as the one of an ordinary report, about the noise of these images."
REPORT = NoiseReport(
    sigma=1, read=1, shot=0.1, correlation={"x": (0.6,), "y": (0.6,)}, reach_x=1, reach_y=1,
    relative=0.1, to_peak=0.1, clipped_low=0, clipped_high=0, stripes="horizontal",
    advice=(ADVICE,) * 5,
)  # fmt: skip


def _fits(viewer: Any, qtbot: Any, what: str) -> None:
    """The window has not grown, and no sentence in a dock is cut."""
    qtbot.wait(150)  # for the layouts, which need several turns of the event loop
    window = viewer.window.main_menu.window()
    assert (window.width(), window.height()) == (1280, 720), what
    for title, widget in viewer.window.dock_widgets.items():
        if not widget.property(docks.OURS) or widget.visibleRegion().isEmpty():
            continue
        inside = widget.area.widget()
        assert inside.width() <= widget.area.viewport().width(), (what, title)
        for label in inside.findChildren(QLabel):
            if label.isVisible() and label.wordWrap():
                assert label.height() >= label.heightForWidth(label.width()), (what, label.text())
            elif label.isVisible() and label.text():
                assert label.width() >= label.sizeHint().width(), (what, label.text())


def test_the_window_fits_a_laptop_and_no_sentence_is_cut(qtbot: Any, viewer: Any) -> None:
    """With all docks, as tabs and on top of each other, before, during and after a run."""
    window = viewer.window.main_menu.window()
    window.resize(1280, 720)
    source = viewer.add_image(noise(2, 64, 64), name="cells")
    names = ("Denoise", "Train APR", "Distill (RD)", "Trust report", "Denoise files")
    widgets = [commands.open_widget(viewer, name) for name in names]
    dock, train, distill, trust, _ = widgets
    for widget, name in zip(widgets, names, strict=True):
        widget.parent().raise_()
        _fits(viewer, qtbot, name)
    train.parent().raise_()
    train.noise.show_report(REPORT)
    _fits(viewer, qtbot, "the noise is inspected")
    for widget in (dock, train, distill):
        for fold in widget.findChildren(Folded):
            fold.unfold()
        widget.parent().raise_()
        _fits(viewer, qtbot, "all is unfolded")
    dock.effort.choose_minutes(100)
    dock.start.click()
    within(qtbot, 30, lambda: len(dock.panel.plot.steps) > 3)
    for widget in (train, distill, dock):
        widget.parent().raise_()
        _fits(viewer, qtbot, "a run")
    dock.panel.stop.click()
    within(qtbot, 30, lambda: dock.panel.run is None)
    _fits(viewer, qtbot, "a result")
    trust.parent().raise_()
    trust.check_layer(viewer.layers[f"{source.name} denoised"])
    within(qtbot, 30, lambda: trust.report is not None)
    _fits(viewer, qtbot, "the trust report")
    for above, below in itertools.pairwise(widgets):  # out of their tabs, one below the other
        window.removeDockWidget(below.parent())
        window.splitDockWidget(above.parent(), below.parent(), Qt.Orientation.Vertical)
        below.parent().show()
    _fits(viewer, qtbot, "one below the other")
