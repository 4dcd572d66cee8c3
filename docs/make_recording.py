"""Makes docs/images/denoise.gif: twenty seconds of the real viewer, from noisy to compared.

Run from the repository's folder, with a display: python docs/make_recording.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from make_screenshots import IMAGES, SAMPLE, use_folders_of_its_own, wait
from PIL import Image

SIZE = (1280, 720)  # of the window
SHOWN = (800, 450)  # of the picture
FRAME = 0.25  # seconds between pictures
COLOURS = 64
LEARNING = 0.5  # minutes, of which every third picture is shown


class Recorder:
    """Takes pictures of a window."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.frames: list[Image.Image] = []

    def take(self) -> None:
        """Add a picture of the window as it is."""
        self._viewer.status = ""
        pixels = np.asarray(self._viewer.screenshot(canvas_only=False))[..., :3]
        self.frames.append(Image.fromarray(pixels).resize(SHOWN, Image.Resampling.LANCZOS))

    def watch(self, seconds: float) -> None:
        """Take pictures for some seconds."""
        for _ in range(round(seconds / FRAME)):
            wait(lambda: False, FRAME)
            self.take()

    def watch_until(self, condition: Callable[[], bool], every: float) -> None:
        """Take a picture every few seconds until a condition holds."""
        while not condition():
            wait(condition, every)
            self.take()

    def save(self, path: Path) -> None:
        """Write the pictures with one palette."""
        palette = self.frames[len(self.frames) // 2].quantize(COLOURS)
        first, *others = [f.quantize(palette=palette, dither=0) for f in self.frames]
        first.save(
            path, save_all=True, append_images=others, duration=int(1000 * FRAME), loop=0,
            optimize=True,
        )  # fmt: skip


def main() -> None:
    use_folders_of_its_own(Path(tempfile.mkdtemp()))
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(*SIZE)
    viewer.open_sample("napari-aprrd", "correlated_noise")
    viewer.layers.selection = {viewer.layers[SAMPLE]}
    recorder = Recorder(viewer)
    _, dock = viewer.window.add_plugin_dock_widget("napari-aprrd", "Denoise")
    dock.effort.choose_minutes(LEARNING)
    wait(lambda: dock.first_look.text.isVisible(), 30)
    recorder.watch(2.0)
    dock.start.click()
    recorder.watch_until(lambda: dock.panel.run is None, 3 * FRAME)
    recorder.watch(1.0)
    for value in (*range(0, 100, 10), *range(100, -1, -10)):
        dock.result.slider.setValue(value)
        recorder.watch(FRAME)
    recorder.save(IMAGES / "denoise.gif")
    viewer.close()


if __name__ == "__main__":
    main()
