"""The dock "Denoise": one button from the noisy layer to the result. No window is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import dask.array as da
import numpy as np
import pytest
from core.makers import drive, random_denoiser
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from napari_aprrd._napari import dialogs
from napari_aprrd._napari.layers.parts import part_on_screen
from napari_aprrd._napari.layers.preview import LivePreview
from napari_aprrd._napari.layers.taking_away import take_away
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets import DenoiseWidget
from napari_aprrd._napari.widgets.denoise import LEARN
from napari_aprrd._napari.widgets.run import time_picker
from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.synthetic import cells
from napari_aprrd.core.jobs import Progress
from napari_aprrd.core.model import pretrained
from napari_aprrd.core.model.denoise_planes import denoise
from napari_aprrd.core.training import budget, warm_up
from napari_aprrd.core.trust.domain_shift import learnt_from
from napari_aprrd.layers import KEY, map_layer


@pytest.fixture(autouse=True)
def clean(no_notifications_left: None, until_threads_end: Callable[[], None]) -> Iterator[None]:
    yield
    until_threads_end()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of learning; however busy the machine is, there is time for a student, too."""
    monkeypatch.setitem(time_picker.EFFORTS, "Balanced", 0.02)
    monkeypatch.setattr(budget, "LATE_SECONDS", 60.0)


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    rng = np.random.default_rng(0)
    data = rng.integers(0, 999, (3, 64, 80)).astype("u2")
    viewer.add_image(data, name="cells", scale=(1, 2, 2), axis_labels=("t", "y", "x"))
    return viewer


def _dock(qtbot: Any, viewer: ViewerModel) -> DenoiseWidget:
    dock = DenoiseWidget(viewer)
    for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
        event.connect(dock.reset_choices)
    qtbot.addWidget(dock)
    return dock


def _press(qtbot: Any, dock: DenoiseWidget, seconds: float = 60) -> None:
    dock.start.click()
    qtbot.waitUntil(lambda: dock.panel.run is None, timeout=1000 * seconds)


def _films() -> dict[str, Callable[[ViewerModel], Any]]:
    rng = np.random.default_rng(0)
    noise = rng.integers(100, 999, (3, 64, 72)).astype("u2")
    colours = rng.integers(0, 255, (64, 72, 3)).astype("u1")
    return {
        "film": lambda v: v.add_image(noise, name="film", axis_labels=("t", "y", "x")),
        "z-stack": lambda v: v.add_image(noise, name="z", axis_labels=("z", "y", "x")),
        "RGB": lambda v: v.add_image(colours, name="photo", rgb=True),
        "split channels": lambda v: v.add_image(noise, channel_axis=0, name=["a", "b", "c"])[-1],
    }


@pytest.mark.parametrize("kind", _films())
def test_one_button_learns_and_denoises(qtbot: Any, kind: str) -> None:
    viewer = ViewerModel()
    source = _films()[kind](viewer)
    viewer.layers.selection = {source}
    dock = _dock(qtbot, viewer)
    begun = time.perf_counter()
    dock.start.click()
    signs = {"the panel": time.perf_counter() - begun}
    qtbot.waitUntil(lambda: any("preview" in layer.name for layer in viewer.layers), timeout=60_000)
    signs["the first look"] = time.perf_counter() - begun
    qtbot.waitUntil(lambda: dock.panel.run is None, timeout=60_000)
    signs["the result"] = time.perf_counter() - begun
    print(kind, {name: round(s, 2) for name, s in signs.items()})  # noqa: T201  for pytest -s
    result = viewer.layers[f"{source.name} denoised"]
    assert result.data.shape == source.data.shape
    assert result.data.dtype == source.data.dtype
    assert result.data.std() < source.data.std()
    assert not any("preview" in layer.name for layer in viewer.layers)
    assert dock.result.isVisibleTo(dock)
    assert session.chosen == f"{source.name} student"
    if kind == "split channels":
        assert source.blending == "additive"
        assert not source.visible


def test_all_channels_of_an_image_learn_a_model_each(qtbot: Any) -> None:
    viewer = ViewerModel()
    viewer.layers.selection = {_films()["split channels"](viewer)}
    dock = _dock(qtbot, viewer)
    assert dock.together.isVisibleTo(dock)
    dock.together.setChecked(True)
    dock.start.click()
    qtbot.waitUntil(lambda: "c denoised" in viewer.layers, timeout=60_000)
    qtbot.waitUntil(lambda: dock.panel.run is None, timeout=60_000)
    assert {f"{name} denoised" for name in "abc"} <= {layer.name for layer in viewer.layers}
    assert {f"{name} student" for name in "abc"} <= set(session)


def test_selected_layers_are_denoised_one_after_the_other(qtbot: Any, viewer: ViewerModel) -> None:
    other = viewer.add_image(viewer.layers["cells"].data[0], name="photo")
    viewer.layers.selection = {viewer.layers["cells"], other}
    dock = _dock(qtbot, viewer)
    assert dock.together.isVisibleTo(dock)
    dock.together.setChecked(True)
    assert "2 results" in dock.outlook.text()
    assert "model of its own" in dock.outlook.text()
    dock.start.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4 and dock.panel.run is None, timeout=60_000)
    assert {"cells denoised", "photo denoised"} <= {layer.name for layer in viewer.layers}


def test_a_plane_is_tried_first_and_then_applied_to_everything(
    qtbot: Any, viewer: ViewerModel
) -> None:
    dock = _dock(qtbot, viewer)
    viewer.dims.set_current_step(0, 2)
    dock.scope.setCurrentText("Plane on screen")
    _press(qtbot, dock)
    tried = viewer.layers["cells denoised (plane)"]
    assert tried.data.shape == (1, 64, 80)
    np.testing.assert_allclose(tried.data_to_world((0, 0, 0)), (2, 0, 0))
    viewer.dims.set_current_step(0, 0)
    dock.result.buttons["whole"].click()
    assert tried in viewer.layers  # until there is something better
    dock.panel.cancel.click()
    assert dock.result.isVisibleTo(dock)
    dock.result.buttons["whole"].click()
    qtbot.waitUntil(lambda: "cells denoised" in viewer.layers, timeout=60_000)
    qtbot.waitUntil(lambda: dock.panel.run is None, timeout=60_000)
    assert dock.scope.currentText() == "Everything"
    qtbot.waitUntil(lambda: tried not in viewer.layers)
    assert viewer.layers.selection.active.name == "cells denoised"
    whole = viewer.layers["cells denoised"]
    assert whole.data.shape == (3, 64, 80)
    assert sorted(session) == ["cells student", "cells teacher"]  # nothing was learnt again
    dock.result.buttons["undo"].click()
    assert not len(session)


@pytest.mark.parametrize("scope", ["Plane on screen", "Region on screen"])
def test_a_try_on_a_film_uses_the_frames_beside_it_as_the_whole_does(
    qtbot: Any, scope: str
) -> None:
    scene = cells((96, 104), seed=1)
    noise = np.random.default_rng(0).normal(0, 20, (5, *scene.shape))
    viewer = ViewerModel()
    film = viewer.add_image((scene + noise).astype("f4"), name="film", axis_labels=("t", "y", "x"))
    viewer.dims.set_current_step(0, 1)
    dock = _dock(qtbot, viewer)
    dock.scope.setCurrentText(scope)
    _press(qtbot, dock)
    tried = dock.result.outcomes[0].result
    model = session[session.chosen]
    assert model.neighbours > 0
    assert tried.data.shape == (1, 96, 104)
    assert learnt_from(tried.metadata[KEY])
    dock.result.buttons["whole"].click()
    qtbot.waitUntil(lambda: "film denoised" in viewer.layers, timeout=60_000)
    whole = viewer.layers["film denoised"]
    expected = np.empty_like(film.data)

    def write(plane: int, place: tuple[slice, slice], tile: Any) -> None:
        expected[plane, *place] = tile[0]

    planes = MemoryPlanes(list(film.data[:, None]), stack_axes="T")
    drive(denoise(model, planes, write, DenoiseConfig()))
    assert learnt_from(whole.metadata[KEY])  # these few frames are all that was learnt from
    np.testing.assert_array_equal(whole.data, expected)
    np.testing.assert_array_equal(tried.data[0], expected[1])


def test_the_preview_of_a_try_sees_the_frames_beside_it(qtbot: Any, viewer: ViewerModel) -> None:
    viewer.dims.set_current_step(0, 1)
    preview = LivePreview(viewer, *part_on_screen(viewer, viewer.layers["cells"], "plane"))
    view = preview.view()
    assert view is not None
    np.testing.assert_array_equal(view.read()[0], viewer.layers["cells"].data[1])
    model = random_denoiser("student-1.00M", neighbours=1)
    stacked = model.stacked(view.planes).read(view.plane, view.rows, view.columns)
    np.testing.assert_array_equal(stacked, viewer.layers["cells"].data[[1, 0, 2]])
    preview.close()


def test_a_model_of_a_film_is_used_on_a_plane_with_the_frames_beside_it(
    qtbot: Any, viewer: ViewerModel
) -> None:
    session.add("mine", random_denoiser("student-1.00M", neighbours=1))
    dock = _dock(qtbot, viewer)
    dock.model.setCurrentIndex(1)
    dock.scope.setCurrentText("Plane on screen")
    viewer.dims.set_current_step(0, 1)
    _press(qtbot, dock)
    assert "denoised alone" not in dock.result.text.text()
    tried = viewer.layers["cells denoised (plane)"].data[0]
    dock.result.buttons["whole"].click()
    qtbot.waitUntil(lambda: "cells denoised" in viewer.layers, timeout=60_000)
    np.testing.assert_array_equal(viewer.layers["cells denoised"].data[1], tried)


def test_a_model_that_is_there_is_used_as_shown(qtbot: Any, viewer: ViewerModel) -> None:
    session.add("mine", random_denoiser("student-1.00M"))
    session.add("colours", random_denoiser("student-1.00M", channels=3))
    dock = _dock(qtbot, viewer)
    assert dock.model.count() == 1  # the chosen model is for three channels
    assert "3 channels" in dock.model.toolTip()
    session.choose("mine")
    assert [dock.model.itemText(i) for i in range(dock.model.count())] == [LEARN, "mine"]
    assert dock.model.currentText() == LEARN
    dock.models.chooser.itemClicked.emit(dock.models.chooser.item(0))
    assert dock.model.currentText() == "mine"
    assert not dock.effort.isVisibleTo(dock)
    qtbot.waitUntil(lambda: "about 1" in dock.outlook.text().replace("\xa0", " "))  # never "0 s"
    _press(qtbot, dock)
    assert "cells denoised" in viewer.layers
    assert len(session) == 2


def test_cancel_acts_at_once_and_leaves_everything_as_it_was(
    qtbot: Any, viewer: ViewerModel
) -> None:
    dock = _dock(qtbot, viewer)
    before = list(viewer.layers)
    dock.start.click()
    qtbot.waitUntil(lambda: dock.panel.bar.maximum() > 0, timeout=60_000)
    assert "of 1000" not in dock.panel.numbers.text()  # the bar's steps are not the method's
    dock.panel.pause.click()
    dock.panel._on_report(Progress("Train teacher", 1, 1000, 1.0))
    assert dock.panel.text.text() == "Paused."
    begun = time.perf_counter()
    dock.panel.cancel.click()
    assert dock.panel.run is None
    assert time.perf_counter() - begun < 1
    assert list(viewer.layers) == before
    assert not len(session)
    assert dock.start.button.isEnabled()


def test_the_minutes_of_learning_are_kept(
    qtbot: Any, viewer: ViewerModel, tiny_presets: Callable[[int], None]
) -> None:
    tiny_presets(10**6)  # steps so short that only the rest of a run could be late
    dock = _dock(qtbot, viewer)
    qtbot.waitUntil(lambda: not dock.first_look.picture.isHidden(), timeout=60_000)
    dock.effort.choose_minutes(0.1)
    begun = time.perf_counter()
    _press(qtbot, dock)
    took = time.perf_counter() - begun
    assert 0.7 * 6 < took < 2 * 6  # also on a busy machine
    assert dock.result.isVisibleTo(dock)


@pytest.mark.parametrize("stage", ["Learning what is noise", "Training the fast model"])
def test_finish_now_gives_what_is_learnt_within_seconds(
    qtbot: Any, viewer: ViewerModel, tiny_presets: Callable[[int], None], stage: str
) -> None:
    tiny_presets(10**6)
    dock = _dock(qtbot, viewer)
    dock.effort.choose_minutes(100 if stage == "Learning what is noise" else 0.3)
    dock.start.click()
    qtbot.waitUntil(lambda: dock.panel.text.text().startswith(stage), timeout=60_000)
    begun = time.perf_counter()
    dock.panel.stop.click()
    qtbot.waitUntil(lambda: dock.panel.run is None, timeout=60_000)
    assert time.perf_counter() - begun < 5
    assert "cells denoised" in viewer.layers


def test_what_went_wrong_stays_beside_the_button(qtbot: Any) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.full((64, 64), 7.0), contrast_limits=(0, 9))
    dock = _dock(qtbot, viewer)
    _press(qtbot, dock)
    assert "constant" in dock.start.error.text()
    assert dock.start.error.isVisibleTo(dock)
    assert dock.start.button.isEnabled()


def test_what_the_user_must_know_of_a_result_stays_beside_it(
    qtbot: Any, viewer: ViewerModel
) -> None:
    dock = _dock(qtbot, viewer)
    _press(qtbot, dock)
    viewer.add_image(50 * viewer.layers["cells"].data, name="brighter")
    dock.model.setCurrentIndex(1)
    _press(qtbot, dock)
    assert "brighter denoised" in dock.result.text.text()
    assert "times brighter than those this model learnt from" in dock.result.text.text()


def test_a_result_that_would_not_fit_into_memory_is_lazy(
    qtbot: Any, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogs, "ask", lambda parent, title, text, answers, *_: answers[0])
    monkeypatch.setattr("napari_aprrd._napari.work.denoise_turns.is_too_large", lambda data: True)
    viewer.layers["cells"].data = da.from_array(viewer.layers["cells"].data)
    dock = _dock(qtbot, viewer)
    _press(qtbot, dock)
    assert hasattr(viewer.layers["cells denoised"].data, "dask")
    assert session.chosen == "cells student"


def test_undo_forgets_the_result_and_its_models(qtbot: Any, viewer: ViewerModel) -> None:
    viewer.add_image(np.zeros((3, 64, 80)), name="other")
    viewer.layers.selection = {viewer.layers["cells"]}
    dock = _dock(qtbot, viewer)
    _press(qtbot, dock)
    result = viewer.layers["cells denoised"]
    viewer.add_layer(map_layer(result, np.zeros((3, 64, 80)), "cells: residual"))
    viewer.layers.selection = {viewer.layers["other"]}
    dock.result.buttons["undo"].click()
    assert viewer.layers.selection.active.name == "cells"
    viewer.layers.remove("other")
    assert [layer.name for layer in viewer.layers] == ["cells"]
    assert viewer.layers["cells"].visible
    assert not len(session)
    assert not dock.result.isVisibleTo(dock)


def test_a_new_result_is_seen_above_an_earlier_one(qtbot: Any, viewer: ViewerModel) -> None:
    dock = _dock(qtbot, viewer)
    for _ in range(2):
        _press(qtbot, dock)
    assert [la.name for la in viewer.layers] == ["cells", "cells denoised", "cells denoised [2]"]


def test_a_layer_that_is_not_drawn_is_drawn_unseen_before_it_is_removed(
    qtbot: Any, viewer: ViewerModel
) -> None:
    viewer.dims.set_current_step(0, 2)
    part = viewer.add_image(np.zeros((1, 64, 80)), scale=(1, 2, 2), visible=False)
    take_away(viewer, part)
    assert part in viewer.layers
    assert part.visible
    assert part.opacity == 0
    np.testing.assert_allclose(part.data_to_world((0, 0, 0)), (2, 0, 0))
    qtbot.waitUntil(lambda: part not in viewer.layers)
    take_away(viewer, viewer.layers["cells"])
    assert not viewer.layers


def test_before_and_after(qtbot: Any, viewer: ViewerModel) -> None:
    dock = _dock(qtbot, viewer)
    _press(qtbot, dock)
    source, result = viewer.layers["cells"], viewer.layers["cells denoised"]
    dock.result.hold.pressed.emit()
    assert source.visible
    assert not result.visible
    dock.result.hold.released.emit()
    assert result.visible
    dock.result.slider.setValue(50)
    cover = viewer.layers[-1]
    half = round(80 * 50 / dock.result.slider.maximum())
    np.testing.assert_array_equal(cover.data, source.data[viewer.dims.current_step[0], :, :half])
    dock.result.buttons["keep"].click()
    assert cover not in viewer.layers
    assert result in viewer.layers


def test_a_volume_cannot_be_split_and_the_slider_says_so(qtbot: Any, viewer: ViewerModel) -> None:
    dock = _dock(qtbot, viewer)
    _press(qtbot, dock)
    assert dock.result.slider.isEnabled()
    viewer.dims.ndisplay = 3
    assert not dock.result.slider.isEnabled()
    assert "flat view" in dock.result.slider.toolTip()
    viewer.dims.ndisplay = 2
    assert dock.result.slider.isEnabled()


def test_the_methods_text_is_copied(qtbot: Any, viewer: ViewerModel) -> None:
    from qtpy.QtWidgets import QApplication

    dock = _dock(qtbot, viewer)
    _press(qtbot, dock)
    dock.result.buttons["methods"].click()
    assert "APR-RD" in QApplication.clipboard().text()


def test_the_result_is_saved_with_its_sizes(
    qtbot: Any, viewer: ViewerModel, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    from napari_aprrd.io import read_picture

    target = tmp_path / "out.ome.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(target), ""))
    viewer.layers["cells"].units = ("s", "um", "um")
    dock = _dock(qtbot, viewer)
    _press(qtbot, dock)
    dock.result.buttons["save"].click()
    qtbot.waitUntil(target.exists, timeout=20_000)
    qtbot.waitUntil(
        lambda: any("Saved" in str(r.message) for r in notification_manager.records), timeout=9_000
    )
    assert read_picture(target).scale["Y"] == pytest.approx(2)


def test_without_an_image_the_dock_says_what_to_do(qtbot: Any) -> None:
    dock = _dock(qtbot, ViewerModel())
    assert not dock.start.button.isEnabled()
    assert "Open an image" in dock.start.reason.text()


def test_a_first_look_comes_by_itself_and_makes_room_for_a_run(
    qtbot: Any, viewer: ViewerModel
) -> None:
    dock = _dock(qtbot, viewer)
    qtbot.waitUntil(lambda: not dock.first_look.picture.isHidden(), timeout=60_000)
    picture = dock.first_look.picture.pixmap()
    assert (picture.height(), picture.width()) == (64, 2 * 80 + 4)
    _press(qtbot, dock)
    assert dock.first_look.isHidden()
    dock.result.buttons["undo"].click()
    assert not dock.first_look.isHidden()


def test_what_training_waits_for_is_done_while_the_first_look_is_looked_at(
    qtbot: Any, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(warm_up, "warm_up", done.append)
    dock = _dock(qtbot, viewer)
    qtbot.waitUntil(lambda: bool(done), timeout=60_000)
    assert not dock.first_look.picture.isHidden()


def test_a_first_look_is_of_the_chosen_layer_in_its_colours(
    qtbot: Any, viewer: ViewerModel, until_threads_end: Callable[[], None]
) -> None:
    dock = _dock(qtbot, viewer)
    green = viewer.add_image(viewer.layers["cells"].data[0], colormap="green")
    flat = viewer.add_image(np.ones((64, 64), "f4"))
    dock.picker.layers.value = [green]
    qtbot.waitUntil(lambda: not dock.first_look.picture.isHidden(), timeout=60_000)
    colour = dock.first_look.picture.pixmap().toImage().pixelColor(100, 30)
    assert colour.green() > 0 == colour.red() == colour.blue()
    dock.picker.layers.value = [flat]  # nothing to see, and nothing wrong yet
    assert dock.first_look.picture.isHidden()
    until_threads_end()
    qtbot.wait(600)
    assert dock.first_look.picture.isHidden()
    assert not list(notification_manager.records)


def test_a_first_look_follows_the_plane_on_screen_and_nothing_else(
    qtbot: Any, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    monkeypatch.setattr(pretrained, "first_look", lambda noisy: looks.append(1) or noisy)
    dock = _dock(qtbot, viewer)
    qtbot.waitUntil(lambda: bool(looks), timeout=20_000)
    viewer.add_points(name="other")
    dock.scope.setCurrentText("Plane on screen")
    qtbot.wait(600)
    assert len(looks) == 1
    viewer.dims.set_current_step(0, 2 if viewer.dims.current_step[0] != 2 else 0)
    qtbot.waitUntil(lambda: len(looks) == 2, timeout=20_000)


def test_what_denoising_will_not_mend_is_said_before(qtbot: Any) -> None:
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.normal(100, 9, (1, 40, 40)), np.ones((1, 4, 4)))  # enlarged four times
    viewer = ViewerModel()
    viewer.add_image(smooth.astype("f4"))
    dock = _dock(qtbot, viewer)
    qtbot.waitUntil(lambda: not dock.first_look.cautions.isHidden(), timeout=60_000)
    assert "enlarged" in dock.first_look.cautions.text()


def test_it_fits_a_narrow_dock(qtbot: Any, viewer: ViewerModel) -> None:
    dock = _dock(qtbot, viewer)
    assert dock.minimumSizeHint().width() <= 300
    dock.effort.choose_minutes(0.1)
    assert dock.effort.choice.currentText() == "Own time"
    buttons = dock.effort.own.buttonSymbols()
    assert buttons == dock.effort.own.ButtonSymbols.NoButtons  # which cut off the minutes
    assert dock.minimumSizeHint().width() <= 300
    dock.effort.choose("Balanced")
    _press(qtbot, dock)
    assert dock.minimumSizeHint().width() <= 300
    assert dock.minimumSizeHint().height() <= 100


def test_finish_now_loses_nothing_whenever_it_is_pressed(qtbot: Any, viewer: ViewerModel) -> None:
    dock = _dock(qtbot, viewer)
    dock.start.click()
    while dock.panel.run is not None:  # pressed all the time, until everything is denoised
        dock.panel.run.stop()
        qtbot.wait(20)
    assert "cells denoised" in viewer.layers
    assert session.chosen
