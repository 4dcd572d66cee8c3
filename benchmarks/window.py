"""How live napari's window stays during training with its preview, and how fast it opens.

Run on a machine with a display: python benchmarks/window.py
"""

from __future__ import annotations

import time

import napari
import numpy as np
import torch  # noqa: F401  its import is not part of opening the dock
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

TICK = 0.010  # seconds
SECONDS = 20.0


def main() -> None:
    viewer = napari.Viewer()
    viewer.open_sample("napari-aprrd", "correlated_noise")
    begun = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-aprrd", "Train APR")
    print(f'"Train APR" opened in {time.perf_counter() - begun:.2f} s')
    _wait(2)
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()))
    timer.start(int(TICK * 1000))
    widget.start.click()
    previews = 0
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.001)
        previews = max(previews, sum("preview" in layer.name for layer in viewer.layers))
    widget.panel.cancel.click()
    timer.stop()
    gaps = np.diff(ticks) * 1000
    print(f"{len(gaps)} ticks of {TICK * 1000:.0f} ms, preview shown: {bool(previews)}")
    for share in (50, 90, 99, 99.9, 100):
        print(f"{share:5} % of the gaps are below {np.percentile(gaps, share):6.1f} ms")
    viewer.close()
    _wait(2)


def _wait(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.005)


if __name__ == "__main__":
    main()
