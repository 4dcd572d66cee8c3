"""The first tutorial, followed in a true viewer: its menus, buttons and words are those there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QScrollArea

from napari_aprrd._napari import dialogs
from napari_aprrd._napari.widgets import DistillWidget, TrainWidget, TrustWidget

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorials" / "correlated-noise.md"
OURS = "APR-RD denoising"


pytestmark = pytest.mark.usefixtures("no_notifications_left")


def steps() -> list[str]:
    """What the tutorial says to do and what it says is seen, in order."""
    text = TUTORIAL.read_text("utf-8").split("## The same in the shell")[0]
    text = re.sub(r"(?<=\S)\n(?=\S)", " ", text)
    found = re.findall(r"(?<!\*)\*(?!\*)([^*]+ > [^*]+)\*|\*\*([^*]+)\*\*|^> (.+)$", text, re.M)
    return [next(filter(None, groups)) for groups in found]


def choose(viewer: Any, path: str) -> None:
    """Choose an entry of the menus."""
    menu = viewer.window._qt_window.menuBar()
    *menus, last = path.split(" > ")
    for title in menus:
        (menu,) = (a.menu() for a in menu.actions() if a.text().replace("&", "") == title)
        menu.aboutToShow.emit()
    entries = {a.text().removesuffix(f" ({OURS})"): a for a in menu.actions()}
    assert entries[last].isEnabled(), path
    entries[last].trigger()


def press(window: Any, text: str) -> None:
    """Press the button that shows this text."""
    (button,) = (b for b in window.findChildren(QPushButton) if b.text() == text and _seen(b))
    assert button.isEnabled(), text
    button.click()


def _seen(widget: Any) -> bool:
    """Whether the user can see it, after scrolling where it lies in a scroll area."""
    parent = widget.parent()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parent()
    return bool(widget.isVisible()) and not widget.visibleRegion().isEmpty()


def test_its_steps_lead_from_the_sample_to_the_checked_result(
    make_napari_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saved = str(tmp_path / "cells.aprrd")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (saved, ""))
    monkeypatch.setattr(dialogs, "ask", lambda parent, title, text, answers, *_: answers[0])
    viewer = make_napari_viewer(show=True)
    window = viewer.window._qt_window
    window.resize(1280, 900)

    def widget(kind: Any) -> Any:
        return next(w for w in viewer.window.dock_widgets.values() if isinstance(w, kind))

    def is_training(kind: Any) -> bool:
        return len(widget(kind).panel.plot.steps) > 1

    def has_finished(kind: Any) -> bool:
        return widget(kind).panel.run is None

    def shows(sentence: str) -> bool:
        return any(sentence in label.text() for label in window.findChildren(QLabel))

    def is_drawn(name: str) -> bool:
        layer = viewer.layers["cells, correlated noise: " + name]
        return bool(layer.loaded) and float(np.asarray(layer._data_view).std()) > 0

    done = []
    for step in steps():
        if " > " in step:
            choose(viewer, step)
            qtbot.wait(50)
        elif step.startswith("Noise "):
            qtbot.waitUntil(lambda sentence=step: shows(sentence), timeout=30_000)
        else:
            qtbot.wait(50)  # a dock that was just opened is being laid out
            press(window, step)
        done.append(step)
        kind = DistillWidget if "Next: Distill (RD)" in done else TrainWidget
        match step:
            case "Train APR" | "Distill (RD)":
                qtbot.waitUntil(lambda kind=kind: is_training(kind), timeout=120_000)
            case "Finish now":
                qtbot.waitUntil(lambda kind=kind: has_finished(kind), timeout=120_000)
            case "Next: Denoise layer":
                name = "cells, correlated noise denoised"
                qtbot.waitUntil(lambda name=name: name in viewer.layers, timeout=120_000)
            case "Layers > Filter > Check result":
                qtbot.waitUntil(lambda: widget(TrustWidget).report is not None, timeout=120_000)
            case "Residual" | "Uncertainty":
                qtbot.waitUntil(lambda name=step: is_drawn(name.lower()), timeout=30_000)
    assert done[0] == f"File > Open Sample > {OURS} > Cells, correlated noise"
    assert {"Train APR", "Distill (RD)", "Next: Denoise layer", "Uncertainty"} <= set(done)
    assert Path(saved).exists()
    assert np.isfinite(np.asarray(viewer.layers["cells, correlated noise denoised"].data)).all()
