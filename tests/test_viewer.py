"""The plugin in a true viewer; needs a display."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from core.makers import THREE_STEPS, random_denoiser
from napari.settings import get_settings

from napari_aprrd._napari import commands
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets import DistillWidget, TrainWidget, TrustWidget
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.layers import denoised_layer

pytestmark = pytest.mark.usefixtures("no_notifications_left")


def _open(viewer: Any, name: str) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-aprrd", name)
    for field, value in THREE_STEPS.items():
        widget.form.set(field, value)
    return widget


def _run(qtbot: Any, widget: Any) -> None:
    widget.start.click()
    qtbot.waitUntil(lambda: widget.panel.run is None, timeout=90_000)


def test_from_the_sample_to_the_denoised_layer(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.open_sample("napari-aprrd", "white_noise")
    source = viewer.layers["cells, white noise"]
    viewer.layers.selection = {source}
    source.colormap, source.gamma, source.blending = "green", 0.7, "additive"
    train = _open(viewer, "Train APR")
    assert isinstance(train, TrainWidget)
    _run(qtbot, train)
    train.next.click()
    distill = next(w for w in viewer.window.dock_widgets.values() if isinstance(w, DistillWidget))
    for field, value in THREE_STEPS.items():
        distill.form.set(field, value)
    _run(qtbot, distill)
    distill.denoise.click()
    qtbot.waitUntil(lambda: "cells, white noise denoised" in viewer.layers, timeout=90_000)
    out = viewer.layers["cells, white noise denoised"]
    assert np.isfinite(out.data).all()
    for name in ("scale", "translate", "units", "axis_labels", "contrast_limits"):
        np.testing.assert_array_equal(getattr(out, name), getattr(source, name))
    for name in ("gamma", "blending", "rgb", "projection_mode"):
        assert getattr(out, name) == getattr(source, name)
    assert out.visible
    assert not source.visible  # else both would be summed
    assert out.colormap.name == "green"
    assert "distill" in out.metadata["napari-aprrd"]


def test_a_renamed_result_is_checked_and_its_maps_lie_on_top(
    make_napari_viewer: Any, qtbot: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    noisy, truth = noisy_cells((2, 128, 128))
    source = viewer.add_image(noisy, name="cells")
    result = viewer.add_layer(denoised_layer(source, truth.astype(np.float32), {}))
    source.name, result.name = "my movie", "clean"
    commands.check_result(viewer)
    commands.check_result(viewer)
    (trust,) = (w for w in viewer.window.dock_widgets.values() if isinstance(w, TrustWidget))
    qtbot.waitUntil(lambda: trust.report is not None, timeout=30_000)
    for kind in ("residual", "left", "residual"):
        trust.maps.buttons[kind].click()
    assert [layer.name for layer in viewer.layers][2:] == [
        "my movie: noise left",
        "my movie: residual",
    ]
    assert [layer.visible for layer in viewer.layers] == [True, True, False, True]
    viewer.theme = "light"
    qtbot.waitUntil(lambda: _is_dark(trust), timeout=5_000)
    viewer.layers.remove(result)
    assert trust.report is None


def _is_dark(trust: TrustWidget) -> bool:
    """Whether the plots' text is, as it must be on a light background."""
    return bool(trust.plots.plots[0].getAxis("left").textPen().color().lightness() < 100)


def test_the_command_is_in_the_menu_and_waits_for_an_image(make_napari_viewer: Any) -> None:
    viewer = make_napari_viewer(show=True)

    def enabled() -> dict[str, bool]:
        menu = viewer.window.layers_menu
        menu.aboutToShow.emit()
        for submenu in menu.findChildren(type(menu)):
            submenu.aboutToShow.emit()
        actions = [a for m in menu.findChildren(type(menu)) for a in m.actions()]
        return {a.text(): a.isEnabled() for a in actions if a.text().startswith("Denoise layer")}

    commands = {"Denoise layer (APR-RD denoising)", "Denoise layer lazily (APR-RD denoising)"}
    assert enabled() == dict.fromkeys(commands, False)
    viewer.add_labels(np.zeros((40, 40), int))
    assert enabled() == dict.fromkeys(commands, False)
    viewer.add_image(np.zeros((40, 40)))
    assert enabled() == dict.fromkeys(commands, True)


def test_the_console_script_works_on_layers(make_napari_viewer: Any, qtbot: Any) -> None:
    import napari_aprrd as aprrd

    viewer = make_napari_viewer(show=True)
    rng = np.random.default_rng(0)
    layer = viewer.add_image(rng.random((2, 64, 64)), name="cells", scale=(1, 3, 3))
    settings = {**THREE_STEPS, "device": "cpu"}
    teacher = aprrd.train_apr(layer, **settings)
    handle = aprrd.distill_rd(teacher, [layer], background=True, **settings)
    student = handle.result(timeout=30)
    assert handle.progress is not None
    clean = aprrd.denoise(layer, student)
    viewer.add_layer(clean)
    assert clean.name == "cells denoised"
    assert tuple(clean.scale) == (1, 3, 3)


def test_without_a_model_training_is_offered(
    make_napari_viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QMessageBox

    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.random.default_rng(0).random((64, 64)))
    monkeypatch.setattr(QMessageBox, "exec", lambda self: 0)
    monkeypatch.setattr(QMessageBox, "clickedButton", lambda self: self.buttons()[0])
    commands.denoise_layer(viewer)
    widgets = viewer.window.dock_widgets.values()
    assert any(isinstance(widget, TrainWidget) for widget in widgets)


def test_starting_napari_imports_neither_torch_nor_the_plugin(make_napari_viewer: Any) -> None:
    code = (
        "import sys, napari; v = napari.Viewer(show=False); v.close();"
        "print([m for m in sys.modules if m == 'torch' or m.startswith('napari_aprrd')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip().endswith("[]")


def test_the_window_answers_while_a_lazy_plane_is_computed(
    make_napari_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(self: Denoiser, read: Any, size: Any, tile: Any, config: Any) -> Any:
        asked.set()
        assert answer.wait(20), "the window stood still"
        return np.full_like(read(tile[0].kept, tile[1].kept), 7.0)

    monkeypatch.setattr(Denoiser, "predict_tile", slow)
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.random.default_rng(0).random((3, 64, 64)), name="a")
    session.add("student", random_denoiser("student-1.00M"))
    viewer.layers.selection = {layer}
    get_settings().experimental.async_ = True  # nothing is asked
    commands.denoise_layer_lazily(viewer)
    qtbot.waitUntil(asked.is_set, timeout=10_000)
    assert "a denoised" in viewer.layers
    answer.set()
    shown = viewer.layers["a denoised"]
    qtbot.waitUntil(lambda: float(np.asarray(shown._data_view).max()) == 7.0, timeout=10_000)
