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

from napari_aprrd._napari import commands, dialogs, preferences

IMAGES = Path(__file__).parent / "images"
SAMPLE = "cells, correlated noise"
SIZE = (1280, 720)  # of the window: a small laptop's screen


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    use_folders_of_its_own(Path(tempfile.mkdtemp()))
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(*SIZE)
    viewer.open_sample("napari-aprrd", "correlated_noise")
    viewer.layers.selection = {viewer.layers[SAMPLE]}
    one_button(viewer)
    step_by_step(viewer)
    checked(viewer)
    viewer.close()
    wait(lambda: False, 2)


def use_folders_of_its_own(folder: Path) -> None:
    """Neither show nor change what the widgets of this computer's user keep."""
    preferences.DATA = folder


def one_button(viewer: Any) -> None:
    """The dock "Denoise" before, during and after its work."""
    dock = commands.open_widget(viewer, "Denoise")
    wait(lambda: dock.first_look.text.isVisible() and "computer" in dock.outlook.text(), 30)
    for theme in ("light", "dark"):
        viewer.theme = theme
        shoot(viewer, f"denoise_ready_{theme}")
    dock.effort.choose("Fast")
    dock.start.click()
    wait(lambda: dock.panel.bar.value() > 0.6 * dock.panel.bar.maximum() > 0, 300)
    shoot(viewer, "denoise_run")
    wait(lambda: dock.panel.run is None, 300)
    dock.result.slider.setValue(dock.result.slider.maximum() // 2)
    shoot(viewer, "denoise_split")
    dock.result.buttons["undo"].click()
    viewer.window.remove_dock_widget(dock)


def step_by_step(viewer: Any) -> None:
    """Train APR, Distill (RD), Denoise layer."""
    train = commands.open_widget(viewer, "Train APR")
    wait(lambda: "About" in train.estimate.text(), 30)
    for theme in ("light", "dark"):
        viewer.theme = theme
        shoot(viewer, f"train_{theme}")
    train.quality.choose("fast")
    train.start.click()
    wait(lambda: train.panel.bar.value() > 0.6 * train.panel.bar.maximum() > 0, 300)
    train.panel.details.unfold()
    shoot(viewer, "train_preview")
    wait(lambda: train.panel.run is None, 600)
    train.next.click()
    distill = commands.open_widget(viewer, "Distill (RD)")
    wait(lambda: "About" in distill.estimate.text(), 30)
    distill.quality.choose("fast")
    distill.start.click()
    wait(lambda: distill.panel.bar.value() > 0.6 * distill.panel.bar.maximum() > 0, 300)
    distill.panel.details.unfold()
    shoot(viewer, "distill")
    wait(lambda: distill.panel.run is None, 600)
    distill.denoise.click()
    wait(lambda: f"{SAMPLE} denoised" in viewer.layers, 60)


def checked(viewer: Any) -> None:
    """The result beside its source, and the trust report with maps."""
    dialogs.ask = lambda parent, title, text, answers, *_: answers[0]  # nobody is here to answer
    viewer.layers.remove(f"{SAMPLE}, truth")
    viewer.grid.enabled = True
    viewer.reset_view()
    wait(lambda: False, 1)
    shoot(viewer, "denoised")
    viewer.grid.enabled = False
    viewer.layers.selection = {viewer.layers[f"{SAMPLE} denoised"]}
    commands.check_result(viewer)
    trust = commands.open_widget(viewer, "Trust report")
    wait(lambda: trust.report is not None, 60)
    trust.maps.buttons["residual"].click()
    viewer.reset_view()
    wait(lambda: False, 5)
    shoot(viewer, "trust")


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
