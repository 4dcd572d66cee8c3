"""The widget "Denoise files": states and sentences, pausing, stopping and going on, results."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.makers import TINY, noisy_image, random_denoiser
from napari.components import ViewerModel
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_aprrd._napari import preferences
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets import DenoiseFilesWidget
from napari_aprrd._napari.widgets.files.options import LEARN
from napari_aprrd._napari.work import file_order
from napari_aprrd.files import batch
from napari_aprrd.files.formats import read_picture, write_picture
from napari_aprrd.files.picture import Picture

pytestmark = pytest.mark.usefixtures("no_notifications_left", "report_every_step")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two stacks and a file that is none."""
    monkeypatch.setattr(preferences, "DATA", tmp_path / "data")
    folder = tmp_path / "in"
    folder.mkdir()
    for number, name in enumerate(("a.tif", "c.tif")):
        noisy = noisy_image(3, 48, 64, seed=number)
        write_picture(folder / name, Picture(noisy, "TYX", scale={"Y": 0.2, "X": 0.2}))
    (folder / "broken.tif").write_bytes(b"no TIFF at all")
    return folder


@pytest.fixture
def widget(qtbot: Any, folder: Path) -> DenoiseFilesWidget:
    """With a model that was never trained, and the folder chosen."""
    session.add("tiny", random_denoiser("student-1.00M"))
    widget = DenoiseFilesWidget(ViewerModel())
    qtbot.addWidget(widget)
    widget.inputs.choose([str(folder)])
    qtbot.waitUntil(lambda: len(widget.inputs.paths) == 3, timeout=10_000)
    return widget


def _states(widget: DenoiseFilesWidget) -> dict[str, str]:
    table = widget.files.table
    return {table.item(r, 0).text(): table.item(r, 1).text() for r in range(table.rowCount())}


def _run(qtbot: Any, widget: DenoiseFilesWidget) -> None:
    widget.start.click()
    _wait(qtbot, widget)


def _wait(qtbot: Any, widget: DenoiseFilesWidget) -> None:
    qtbot.waitUntil(lambda: widget.run is None, timeout=60_000)


def test_a_folder_with_a_broken_file(qtbot: Any, widget: Any, folder: Path) -> None:
    assert _states(widget) == {"a.tif": "waiting", "broken.tif": "waiting", "c.tif": "waiting"}
    assert widget.inputs.said.text().replace("\u200b", "") == "3 files."
    _run(qtbot, widget)
    assert _states(widget) == {"a.tif": "done", "broken.tif": "failed", "c.tif": "done"}
    assert widget.text.text() == "2 denoised, 1 failed."
    said = widget.files.messages.text().replace("\u200b", "")
    assert said.startswith("broken.tif is not a TIFF image")
    assert "\n" not in said
    out = folder / "denoised"
    assert {path.name for path in out.iterdir()} == {"a.tif", "c.tif", "summary.csv"}
    made, source = (read_picture(where / "a.tif") for where in (out, folder))
    assert (made.axes, made.scale, made.data.dtype) == (source.axes, source.scale, np.float32)
    assert made.record["denoise"]["model"] == session["tiny"].fingerprint()


def test_what_is_there_is_left_or_replaced(qtbot: Any, widget: Any, folder: Path) -> None:
    _run(qtbot, widget)
    before = (folder / "denoised" / "a.tif").stat().st_mtime_ns
    _run(qtbot, widget)
    assert _states(widget)["a.tif"] == "was there"
    assert (folder / "denoised" / "a.tif").stat().st_mtime_ns == before
    widget.options.overwrite.setChecked(True)
    _run(qtbot, widget)
    assert _states(widget)["a.tif"] == "done"
    assert (folder / "denoised" / "a.tif").stat().st_mtime_ns > before


@pytest.mark.parametrize("name", ["OME-TIFF", "OME-Zarr"])
def test_the_format_is_the_chosen_one(qtbot: Any, widget: Any, folder: Path, name: str) -> None:
    widget.options.format.setCurrentText(name)
    _run(qtbot, widget)
    made = folder / "denoised" / f"a{file_order.FORMATS[name]}"
    assert read_picture(made).scale == pytest.approx({"Y": 0.2, "X": 0.2})


def test_paused_it_waits_and_continued_it_ends(qtbot: Any, widget: Any) -> None:
    widget.start.click()
    widget.pause.click()
    assert widget.pause.text() == "Continue"
    assert widget.text.text() == "Paused."
    worker = widget.run._worker
    qtbot.waitUntil(lambda: worker.is_paused, timeout=20_000)
    assert widget.run is not None
    widget.pause.click()
    assert widget.pause.text() == "Pause"
    _wait(qtbot, widget)
    assert _states(widget)["c.tif"] == "done"


def test_stopped_it_goes_on_where_it_was(
    qtbot: Any, widget: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = batch.denoise_file
    planes: list[int] = []
    stopped = threading.Event()

    def watched(*arguments: Any, **rest: Any) -> Any:
        job, answer = whole(*arguments, **rest), None
        while True:
            try:
                report = job.send(answer)
            except StopIteration as end:
                return end.value
            planes.append(report.step)
            if len(planes) == 2:
                stopped.wait(20)
            answer = yield report

    monkeypatch.setattr(batch, "denoise_file", watched)
    show = widget._on_report

    def stop_soon(report: Any) -> None:
        show(report)
        if report.share > 0:
            widget.stop.click()
            stopped.set()

    monkeypatch.setattr(widget, "_on_report", stop_soon)
    widget.start.click()
    _wait(qtbot, widget)
    assert _states(widget)["a.tif"] == "stopped"
    assert "Start goes on" in widget.text.text()
    assert not (folder / "denoised" / "a.tif").exists()
    done = planes[-1]
    assert done < 3
    planes.clear()
    monkeypatch.setattr(widget, "_on_report", show)
    _run(qtbot, widget)
    assert planes[0] == done + 1  # what was done is not done again
    assert _states(widget)["c.tif"] == "done"


def test_a_result_is_opened_in_the_viewer(qtbot: Any, widget: Any) -> None:
    assert not widget.open.isEnabled()
    _run(qtbot, widget)
    widget.files.table.selectRow(1)
    assert not widget.open.isEnabled()  # of the broken file there is none
    widget.files.table.selectRow(0)
    widget.open.click()
    assert [layer.name for layer in widget.viewer.layers] == ["a"]
    assert widget.viewer.layers[0].data.shape == (3, 48, 64)
    assert tuple(widget.viewer.layers[0].scale) == pytest.approx((1, 0.2, 0.2))


@pytest.mark.parametrize("each", [False, True])
def test_a_model_learns_from_the_files_first(
    qtbot: Any, widget: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, each: bool
) -> None:
    order = widget.options.order
    quick = {**TINY, "steps": 2, "start": "scratch"}
    monkeypatch.setattr(
        widget.options,
        "order",
        lambda paths: file_order.replace(order(paths), learning=quick),
    )
    widget.options.model.setCurrentText(LEARN)
    widget.options.each.setChecked(each)
    _run(qtbot, widget)
    assert _states(widget) == {"a.tif": "done", "broken.tif": "failed", "c.tif": "done"}
    records = [read_picture(folder / "denoised" / n).record for n in ("a.tif", "c.tif")]
    models = {record["denoise"]["model"] for record in records}
    assert len(models) == 1 + each
    assert list(session) == (["tiny"] if each else ["tiny", "in"])
    if not each:
        assert records[0]["train"]["planes"] == 6
        assert session.chosen == "in"
    hidden = [p.name for p in (folder / "denoised").iterdir() if p.name.startswith(".")]
    assert hidden == []


@pytest.mark.parametrize(
    ("names", "said"),
    [(["nowhere"], "nowhere"), (["*.nothing"], "There are no images in")],
)
def test_bad_input_gets_one_sentence(
    qtbot: Any, widget: Any, tmp_path: Path, names: list[str], said: str
) -> None:
    widget.inputs.choose([str(tmp_path / "in" / name) for name in names])
    assert widget.inputs.said.text() == "Looking…"
    assert not widget.start.isEnabled()
    qtbot.waitUntil(lambda: widget.inputs.said.text() != "Looking…", timeout=10_000)
    text = (widget.inputs.said.text() + widget.text.text()).replace("\u200b", "")
    if widget.start.isEnabled():  # a file that is not there is told when it is read
        _run(qtbot, widget)
        text = widget.files.messages.text().replace("\u200b", "")
    assert said in text
    assert "\n" not in text


def test_a_folder_that_cannot_be_made_gets_one_sentence(
    qtbot: Any, widget: Any, folder: Path
) -> None:
    widget.options.out.setText(str(folder / "a.tif" / "out"))
    _run(qtbot, widget)
    assert widget.text.text().replace("\u200b", "").startswith("Cannot make the folder")
    widget.options.out.setText("  ")
    widget.start.click()
    assert widget.text.text() == "Name a folder for the denoised files."


def test_files_are_dropped_on_it(qtbot: Any, widget: Any, folder: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder / "c.tif"))])
    widget.inputs.dropEvent(
        QDropEvent(
            QPointF(1, 1),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    qtbot.waitUntil(lambda: len(widget.inputs.paths) == 1, timeout=10_000)
    assert list(_states(widget)) == ["c.tif"]


def test_the_chosen_model_is_that_of_the_session(widget: Any) -> None:
    assert widget.options.model.currentText() == "tiny"
    session.add("second", random_denoiser("student-1.00M"))
    assert widget.options.model.currentText() == "second"
    assert not widget.options.effort.isVisibleTo(widget)
    widget.options.model.setCurrentText(LEARN)
    assert widget.options.effort.isVisibleTo(widget)


def test_it_fits_a_dock_of_300_pixels(qtbot: Any, widget: Any, folder: Path) -> None:
    widget.resize(300, 600)
    widget.show()
    assert widget.minimumSizeHint().width() <= 300
    _run(qtbot, widget)
    assert widget.minimumSizeHint().width() <= 300
    assert widget.minimumSizeHint().height() <= 300
