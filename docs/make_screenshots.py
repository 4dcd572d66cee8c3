"""Makes the pictures in docs/images from the real viewer.

Run from the repository's folder, with a display: python docs/make_screenshots.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from qtpy.QtWidgets import QApplication

from napari_aprrd._napari import commands, unfinished
from napari_aprrd._napari.widgets import DistillWidget, TrustWidget

IMAGES = Path(__file__).parent / "images"
SAMPLE = "cells, correlated noise"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    unfinished.FOLDER = Path(tempfile.mkdtemp())  # no offer to resume what is there already
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1280, 900)
    viewer.open_sample("napari-aprrd", "correlated_noise")
    source = viewer.layers[SAMPLE]
    viewer.layers.selection = {source}
    _, train = viewer.window.add_plugin_dock_widget("napari-aprrd", "Train APR")
    wait(lambda: "About" in train.estimate.text() and train.first_look.text.isVisible(), 30)
    for theme in ("light", "dark"):
        viewer.theme = theme
        shoot(viewer, f"train_{theme}")
    train.start.click()
    wait(lambda: train.panel.bar.value() > 0.6 * train.form.config().steps, 300)
    shoot(viewer, "train_preview")
    wait(lambda: train.panel.run is None, 600)
    train.next.click()
    distill = next(w for w in viewer.window.dock_widgets.values() if isinstance(w, DistillWidget))
    wait(lambda: "About" in distill.estimate.text(), 30)
    distill.start.click()
    wait(lambda: distill.panel.bar.value() > 0.6 * distill.form.config().steps, 300)
    shoot(viewer, "distill")
    wait(lambda: distill.panel.run is None, 600)
    distill.denoise.click()
    wait(lambda: f"{SAMPLE} denoised" in viewer.layers, 60)
    viewer.layers.remove(f"{SAMPLE}, truth")
    viewer.grid.enabled = True
    viewer.reset_view()
    wait(lambda: False, 1)
    shoot(viewer, "denoised")
    viewer.layers.selection = {viewer.layers[f"{SAMPLE} denoised"]}
    commands.check_result(viewer)
    trust = next(w for w in viewer.window.dock_widgets.values() if isinstance(w, TrustWidget))
    wait(lambda: trust.report is not None, 60)
    trust.maps.buttons["residual"].click()
    trust.maps.buttons["uncertainty"].click()
    viewer.reset_view()
    wait(lambda: False, 5)
    shoot(viewer, "trust")
    viewer.close()
    wait(lambda: False, 2)


def shoot(viewer: Any, name: str) -> None:
    viewer.status = ""
    wait(lambda: False, 0.3)
    viewer.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not condition():
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()
