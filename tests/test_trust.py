"""The trust report of arrays, layers and files: API, command line, page, maps, widget."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from command_line import call, succeed
from core.makers import noisy_image, random_denoiser
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtWidgets import QLabel

import napari_aprrd as aprrd
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets import TrustWidget
from napari_aprrd._napari.widgets.plots import map_buttons
from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.model.interrupt import Interrupted
from napari_aprrd.core.trust.report import plane_maps, spread_map
from napari_aprrd.files.formats import write_picture
from napari_aprrd.files.picture import Picture
from napari_aprrd.layers import denoised_layer
from napari_aprrd.report.maps import lazy_map, lazy_spread
from napari_aprrd.report.trust_report import film, trust_report


def pair(shape: tuple[int, ...] = (2, 96, 96)) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """A noisy stack, and what it would be with hardly any noise."""
    both = (noisy_image(int(np.prod(shape[:-2])), *shape[-2:], noise=n) for n in (10, 1))
    noisy, clean = (image.reshape(shape) for image in both)
    return noisy, clean


def test_the_report_of_arrays_lazy_arrays_and_layers_is_the_same() -> None:
    noisy, clean = pair()
    report = aprrd.trust_report(noisy, clean)
    assert report.status == "good"
    assert report.frames is not None
    lazy = [da.from_array(image, chunks=(1, 50, 50)) for image in (noisy, clean)]
    assert trust_report(*lazy) == report
    layers = Image(noisy, name="cells"), Image(clean)
    assert trust_report(*layers) == report
    assert trust_report(layers[0], clean) == report
    assert type(report).model_validate_json(report.model_dump_json()) == report
    with pytest.raises(aprrd.UserError, match="shape of its source"):
        trust_report(noisy, clean[:1], axes="TYX")


def test_only_time_makes_a_film() -> None:
    def planes(shape: tuple[int, ...], axes: str) -> ArrayPlanes:
        return ArrayPlanes(np.zeros(shape), axes)

    assert list(film(planes((3, 4, 5), "TYX"))) == [0, 1, 2]
    assert list(film(planes((3, 2, 4, 5), "TZYX"))) == [1, 3, 5]
    assert list(film(planes((3, 4, 5), "ZYX"))) == []


@pytest.mark.parametrize(("shape", "axes"), [((2, 40, 48), "TYX"), ((40, 2, 48), "YCX")])
def test_maps_are_those_of_each_plane(shape: tuple[int, ...], axes: str) -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(100, 3, shape)
    noisy = clean + rng.normal(0, 10, shape)
    for kind in ("residual", "removed", "left"):
        found = lazy_map(noisy, clean, axes, kind).compute()  # type: ignore[arg-type]
        assert found.shape == shape
        plane = tuple(1 if letter in "TC" else slice(None) for letter in axes)
        wanted = getattr(plane_maps(noisy[plane].astype("f4"), clean[plane].astype("f4")), kind)
        np.testing.assert_allclose(found[plane], wanted, rtol=1e-4, atol=1e-4)


def test_of_colours_a_map_takes_the_mean() -> None:
    noisy = np.random.default_rng(0).integers(0, 255, (2, 30, 36, 4)).astype(np.uint8)
    found = lazy_map(noisy, noisy // 2, "TYXS", "residual")
    assert found.shape == (2, 30, 36)
    both = (image[..., :3].astype("f4").mean(-1) for image in (noisy, noisy // 2))
    np.testing.assert_allclose(found.compute(), np.subtract(*both), atol=1e-3)


def test_uncertainty_is_the_spread_over_the_shifts_of_each_plane() -> None:
    teacher, noisy = random_denoiser(), noisy_image(2, 40, 48)
    spread = lazy_spread(da.from_array(noisy, chunks=(1, 20, 48)), "TYX", teacher)
    assert (spread.shape, spread.dtype) == (noisy.shape, np.float32)
    outputs = [
        teacher.predict(noisy[1][None].astype("f4"), DenoiseConfig(shifts=(s,), calibrate=False))[0]
        for s in teacher.shifts
    ]
    np.testing.assert_allclose(spread[1].compute(), np.std(outputs, 0), rtol=1e-2, atol=1e-3)
    colours = np.random.default_rng(0).integers(0, 255, (32, 36, 4)).astype(np.uint8)
    assert lazy_spread(colours, "YXS", random_denoiser(channels=3)).compute().shape == (32, 36)
    with pytest.raises(aprrd.UserError, match="not a student"):
        lazy_spread(noisy, "TYX", random_denoiser("student-1.00M"))
    with pytest.raises(aprrd.UserError, match="channel"):
        lazy_spread(noisy, "CYX", teacher)


def test_uncertainty_sees_the_neighbours_that_denoising_sees() -> None:
    teacher = random_denoiser(neighbours=2)
    noisy = noisy_image(10, 40, 48).reshape(5, 2, 40, 48)
    spread = lazy_spread(noisy, "TZYX", teacher).compute()
    planes = ArrayPlanes(noisy, "TZYX")
    for plane, found in enumerate(spread.reshape(10, 40, 48)):
        window = teacher.stacked(planes).read(plane, slice(0, 40), slice(0, 48))
        np.testing.assert_allclose(found, spread_map(window, teacher)[0], rtol=1e-3, atol=1e-3)
    alone = lazy_spread(noisy, "IZYX", teacher).compute()
    assert not np.allclose(alone, spread)


def test_uncertainty_takes_what_denoise_takes(tmp_path: Path) -> None:
    teacher, noisy = random_denoiser(), noisy_image(2, 40, 48)
    teacher.save(tmp_path / "teacher.aprrd")
    wanted = lazy_spread(noisy, "TYX", teacher).compute()
    layer = Image(noisy, name="cells", scale=(1, 2, 2))
    for image in (noisy, da.from_array(noisy), layer):
        spread = aprrd.uncertainty(image, tmp_path / "teacher.aprrd")
        array = spread.data if isinstance(spread, Image) else spread
        assert isinstance(array, da.Array)
        np.testing.assert_array_equal(array.compute(), wanted)
    assert isinstance(spread, Image)
    assert (spread.name, tuple(spread.scale)) == ("cells: uncertainty", (1, 2, 2))
    colours = np.random.default_rng(0).integers(0, 255, (32, 3, 36)).astype(np.uint8)
    assert aprrd.uncertainty(colours, random_denoiser(channels=3), axes="YCX").shape == (32, 3, 36)
    with pytest.raises(aprrd.UserError, match="not a student"):
        aprrd.uncertainty(noisy, random_denoiser("student-1.00M"))


def test_an_uncertainty_that_nobody_waits_for_is_not_computed() -> None:
    rng, gone = np.random.default_rng(0), threading.Event()
    teacher = random_denoiser("blind-spot")
    noisy = rng.random((2, 20, 48)).astype(np.float32)
    spread = lazy_spread(noisy, "TYX", teacher, is_cancelled=gone.is_set)
    assert np.isfinite(spread[0].compute()).all()
    gone.set()
    with pytest.raises(Interrupted):
        spread[1].compute()


def test_the_command_line_writes_a_page_that_stands_alone(tmp_path: Path) -> None:
    noisy, _ = pair()
    source, target, model = (tmp_path / n for n in ("a<b.tif", "clean.tif", "model.aprrd"))
    write_picture(source, Picture(noisy, "TYX"))
    random_denoiser().save(model)
    said = succeed("denoise", source, "-o", target, "--model", model, "--report")
    assert "clean.tif.report.html" in said
    found = json.loads((tmp_path / "clean.tif.report.json").read_text())
    page = (tmp_path / "clean.tif.report.html").read_text("utf-8")
    assert found["verdicts"][0]["status"] == "bad"  # the model has learnt nothing
    assert all(verdict["sentence"] in page for verdict in found["verdicts"])
    assert "Do not use this result" in page
    assert "[1] H. Kim" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "a<b" not in page  # escaped


def test_an_image_that_is_too_small_for_a_report_is_written_all_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(12, 12)).astype("f4"))
    random_denoiser().save(tmp_path / "m.aprrd")
    files = (tmp_path / "a.npy", "-o", tmp_path / "b.npy", "--model", tmp_path / "m.aprrd")
    result = call("denoise", *files, "--report")
    assert result.exit_code == 0
    assert "No report on" in result.stderr
    assert (tmp_path / "b.npy").exists()


SAMPLE = "cells denoised"


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    noisy, clean = pair()
    source = viewer.add_image(noisy, name="cells", scale=(1, 2, 2))
    viewer.layers.append(denoised_layer(source, clean, {}))
    return viewer


def _widget(qtbot: Any, viewer: ViewerModel) -> TrustWidget:
    widget = TrustWidget(viewer)
    qtbot.addWidget(widget)
    return widget


def _check(qtbot: Any, viewer: ViewerModel) -> TrustWidget:
    widget = _widget(qtbot, viewer)
    widget.button.click()
    _wait(qtbot, widget)
    return widget


def _wait(qtbot: Any, widget: TrustWidget) -> None:
    qtbot.waitUntil(lambda: widget.task is None, timeout=20_000)


def _headline(widget: TrustWidget) -> str:
    text = re.sub("<.*?>", "", widget.headline.text())
    return text.replace("\u200b", "")


@pytest.mark.parametrize("selected", ["cells", SAMPLE])
def test_the_widget_finds_the_pair_and_says_what_the_report_says(
    qtbot: Any, viewer: ViewerModel, selected: str
) -> None:
    viewer.layers.selection = {viewer.layers[selected]}
    widget = _check(qtbot, viewer)
    assert _headline(widget) == "cells denoised, compared with cells"
    assert widget.report == trust_report(*(viewer.layers[n] for n in ("cells", SAMPLE)))
    assert all(verdict.sentence in widget.text.text() for verdict in widget.report.verdicts)
    assert widget.plots.isVisibleTo(widget)
    explained = " ".join(label.text() for label in widget.plots.findChildren(QLabel))
    assert explained.count("Good: ") == len(widget.plots.plots) == 3


def test_the_report_follows_its_layer_whatever_it_is_called(
    qtbot: Any, viewer: ViewerModel
) -> None:
    viewer.layers["cells"].name = "my movie"
    viewer.layers[SAMPLE].name = "result"
    widget = _check(qtbot, viewer)
    assert widget.report is not None
    assert _headline(widget) == "result, compared with my movie"
    viewer.layers["result"].name = "a & b"
    assert _headline(widget) == "a &amp; b, compared with my movie"


def test_another_result_has_its_own_report(qtbot: Any, viewer: ViewerModel) -> None:
    widget = _check(qtbot, viewer)
    first = widget.report
    source = viewer.layers["cells"]
    other = denoised_layer(source, source.data, {})
    viewer.layers.append(other)
    viewer.layers.selection = {other}
    assert widget.report is None
    assert widget.text.text() == "Not checked yet."
    assert not widget.plots.isVisibleTo(widget)
    widget.check()
    _wait(qtbot, widget)
    assert widget.report is not None
    assert widget.report.status == "bad"  # nothing was removed
    viewer.layers.selection = {viewer.layers[SAMPLE]}
    assert widget.report == first
    viewer.layers.selection = {viewer.add_image(np.zeros((9, 9)), name="unlike")}
    assert _headline(widget) == "cells denoised, compared with cells"  # still what is shown
    viewer.layers[SAMPLE].data = source.data
    assert widget.report is None  # it was on other pixels


def test_a_result_can_be_checked_while_another_is(qtbot: Any, viewer: ViewerModel) -> None:
    source = viewer.layers["cells"]
    other = denoised_layer(source, source.data, {})
    viewer.layers.append(other)
    viewer.layers.selection = {other}
    widget = _widget(qtbot, viewer)
    widget.check_layer(viewer.layers[SAMPLE])
    widget.check_layer(other)
    qtbot.waitUntil(lambda: widget.result is other and widget.report is not None, timeout=20_000)
    viewer.layers.selection = {viewer.layers[SAMPLE]}
    assert widget.report is not None


def test_the_report_goes_with_its_layer(qtbot: Any, viewer: ViewerModel) -> None:
    widget = _check(qtbot, viewer)
    viewer.layers.clear()
    assert widget.report is None
    assert not widget.plots.isVisibleTo(widget)
    viewer.add_image(np.zeros((9, 9)))
    assert _headline(widget).startswith("Select a denoised layer")
    assert widget.text.text() == ""


@pytest.mark.parametrize(
    ("gone", "said"),
    [("cells", "the image that it was made of is not in the layer list"), (SAMPLE, "Select a")],
)
def test_the_widget_says_what_is_missing(
    qtbot: Any, viewer: ViewerModel, gone: str, said: str
) -> None:
    viewer.layers.remove(gone)
    widget = _widget(qtbot, viewer)
    widget.check()
    assert widget.task is None
    assert widget.report is None
    assert said in _headline(widget) + widget.text.text()


def test_a_source_of_another_shape_gets_one_sentence(qtbot: Any, viewer: ViewerModel) -> None:
    viewer.layers["cells"].data = np.zeros((2, 50, 60))
    widget = _check(qtbot, viewer)
    assert widget.text.text() == "The denoised image must have the shape of its source."


def test_a_map_is_on_top_and_the_only_one_that_shows(qtbot: Any, viewer: ViewerModel) -> None:
    widget = _check(qtbot, viewer)
    selected = set(viewer.layers.selection)
    for kind, name in (("residual", "residual"), ("removed", "removed structure"), ("left", "")):
        widget.maps.buttons[kind].click()
        top = viewer.layers[-1]
        assert top.name == f"cells: {name or 'noise left'}"
        maps = [layer for layer in viewer.layers if layer.name.startswith("cells: ")]
        assert [layer for layer in maps if layer.visible] == [top]
        assert set(viewer.layers.selection) == selected
    residual = viewer.layers["cells: residual"]
    np.testing.assert_allclose(
        residual.data[1].compute(), np.subtract(*(i[1] for i in pair())), atol=1e-3
    )
    assert tuple(residual.scale) == (1, 2, 2)


def test_a_map_that_is_there_is_shown_again_not_added(qtbot: Any, viewer: ViewerModel) -> None:
    widget = _check(qtbot, viewer)
    for kind in ("residual", "removed", "residual"):
        widget.maps.buttons[kind].click()
    assert len(viewer.layers) == 4
    assert viewer.layers[-1].name == "cells: residual"
    assert viewer.layers.selection == {viewer.layers[-1]}
    assert widget.report is not None  # a map belongs to its layer
    assert not viewer.layers["cells: removed structure"].visible
    assert "Input minus output" in widget.maps.hint.text()  # what the map shows
    widget.maps.hide_all.click()
    assert not viewer.layers[-1].visible
    assert not widget.maps.hint.isVisibleTo(widget)


def test_the_widget_shows_uncertainty_once_there_is_a_teacher(
    qtbot: Any, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_buttons, "render_in_the_background", lambda _: True)
    widget = _check(qtbot, viewer)
    session.add("student", random_denoiser("student-1.00M"))
    widget.maps.buttons["uncertainty"].click()
    assert "needs the model of Train APR" in widget.maps.hint.text()
    session.add("teacher", random_denoiser())
    widget.maps.buttons["uncertainty"].click()
    assert "needs" not in widget.maps.hint.text()
    layer = viewer.layers["cells: uncertainty"]
    assert layer.data[1].compute().std() > 0
    assert tuple(layer.scale) == (1, 2, 2)


def test_the_report_fits_a_dock_of_300_pixels(qtbot: Any, viewer: ViewerModel) -> None:
    viewer.layers["cells"].name = 8 * "confocal_fish_noisy" + " " + 80 * "x"
    widget = _check(qtbot, viewer)
    widget.resize(300, 900)
    widget.show()
    assert widget.minimumSizeHint().width() <= 300


def test_plots_take_the_colour_of_the_text_around_them(qtbot: Any, viewer: ViewerModel) -> None:
    widget = _check(qtbot, viewer)
    widget.show()
    for colour in ("#1e1e21", "#f0f1f2"):
        widget.setStyleSheet(f"QWidget {{ color: {colour} }}")
        for plot in widget.plots.plots:
            assert plot.getAxis("left").textPen().color().name() == colour
            assert plot.getAxis("bottom").pen().color().name() == colour
