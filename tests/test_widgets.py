"""The widgets on a ViewerModel: no window is needed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
from core.makers import THREE_STEPS, neighbour_denoiser, noisy_stack, random_denoiser
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import notification_manager

from napari_aprrd import api
from napari_aprrd._napari import commands, dialogs, preferences
from napari_aprrd._napari.layers.views import image_layers
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets import DistillWidget, TrainWidget
from napari_aprrd._napari.widgets.plots.loss_plot import LossPlot
from napari_aprrd._napari.widgets.run.time_picker import OWN
from napari_aprrd._napari.work import unfinished
from napari_aprrd._napari.work.denoising import Comparison
from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.noise.report import inspect
from napari_aprrd.core.training import train as engine
from napari_aprrd.core.training.auto_settings import settle_training


@pytest.fixture(autouse=True)
def clean(no_notifications_left: None, until_threads_end: Callable[[], None]) -> Iterator[None]:
    yield
    until_threads_end()


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    rng = np.random.default_rng(0)
    viewer.add_image(rng.integers(0, 999, (3, 64, 80)).astype("u2"), name="cells", scale=(1, 2, 2))
    return viewer


def _widget(
    qtbot: Any, kind: Any, viewer: ViewerModel, *, closes: bool = True, **settings: Any
) -> Any:
    widget = kind(viewer)
    viewer.layers.events.inserted.connect(widget.reset_choices)
    viewer.layers.events.removed.connect(widget.reset_choices)
    if closes:
        qtbot.addWidget(widget)
    for name, value in {**THREE_STEPS, **settings}.items():
        widget.form.set(name, value)
    return widget


def _messages() -> list[str]:
    return [str(record.message) for record in notification_manager.records]


def _run(qtbot: Any, widget: Any) -> None:
    widget.start.click()
    qtbot.waitUntil(lambda: widget.panel.run is None, timeout=20_000)


@pytest.fixture
def trained(qtbot: Any, viewer: ViewerModel) -> TrainWidget:
    widget = _widget(qtbot, TrainWidget, viewer)
    _run(qtbot, widget)
    return widget


def test_training_gives_a_model_by_name_and_enables_the_next_step(trained: TrainWidget) -> None:
    assert list(session) == ["cells teacher"]
    assert trained.models.name == "cells teacher"
    assert trained.next.isEnabled()
    assert trained.start.isEnabled()
    assert not trained.panel.isVisible()
    assert session["cells teacher"].record["train"]["config"]["width"] == 4


def test_the_whole_path_keeps_every_attribute(
    qtbot: Any, viewer: ViewerModel, trained: TrainWidget
) -> None:
    widget = _widget(qtbot, DistillWidget, viewer)
    _run(qtbot, widget)
    assert list(session) == ["cells teacher", "cells student"]
    commands.denoise_layer(viewer)  # the student is the one that fits best
    qtbot.waitUntil(lambda: not commands.Denoising.running, timeout=20_000)
    source, out = viewer.layers["cells"], viewer.layers["cells denoised"]
    assert viewer.layers.index(out) == viewer.layers.index(source) + 1
    assert out.data.shape == source.data.shape
    assert out.data.dtype == source.data.dtype
    assert tuple(out.scale) == (1, 2, 2)
    assert out.metadata["napari-aprrd"]["distill"]["steps"] == 3
    assert viewer.layers.selection == {out}
    assert _messages()[-1].startswith("Denoised cells in ")


@pytest.mark.usefixtures("nothing_in_the_background")
def test_denoising_lazily_computes_when_looked_at(
    qtbot: Any, viewer: ViewerModel, trained: TrainWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogs, "ask", lambda parent, title, text, answers, *_: answers[0])
    commands.denoise_layer_lazily(viewer)
    out = viewer.layers["cells denoised"]
    assert hasattr(out.data, "dask")
    eager = np.asarray(out.data[1])
    assert eager.shape == (64, 80)
    assert eager.dtype == np.uint16


@pytest.mark.usefixtures("nothing_in_the_background")
@pytest.mark.parametrize("lazily", [False, True])
def test_a_model_of_stacks_says_that_a_single_image_is_denoised_alone(
    qtbot: Any, lazily: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogs, "ask", lambda parent, title, text, answers, *_: answers[0])
    viewer, model = ViewerModel(), neighbour_denoiser()
    session.add("film student", model)
    viewer.add_image(noisy_stack(64, 80), name="cell")
    (commands.denoise_layer_lazily if lazily else commands.denoise_layer)(viewer)
    qtbot.waitUntil(lambda: any("denoised alone" in m for m in _messages()), timeout=20_000)
    qtbot.waitUntil(lambda: "cell denoised" in viewer.layers, timeout=20_000)
    qtbot.waitUntil(lambda: not (commands.Denoising.running or Comparison.running), timeout=20_000)
    result = np.asarray(viewer.layers["cell denoised"].data)
    expected = model.predict(noisy_stack(1, 64, 80).astype(np.float32))[0]
    np.testing.assert_array_equal(result, np.rint(expected).clip(0))


@pytest.mark.usefixtures("nothing_in_the_background")
def test_each_resolution_of_a_lazy_stack_has_neighbours_of_its_own(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogs, "ask", lambda parent, title, text, answers, *_: answers[0])
    viewer, model, full = ViewerModel(), neighbour_denoiser(), noisy_stack(3, 128, 128)
    session.add("film student", model)
    pyramid = [full, full[:, ::2, ::2]]
    viewer.add_image([da.from_array(level) for level in pyramid], multiscale=True, name="film")
    commands.denoise_layer_lazily(viewer)
    qtbot.waitUntil(lambda: not Comparison.running, timeout=20_000)
    for level, source in zip(viewer.layers["film denoised"].data, pyramid, strict=True):
        expected = api.denoise(source, model, device="cpu", progress=False)
        np.testing.assert_array_equal(np.asarray(level), expected)


def test_several_layers_and_colours_are_denoised_at_once(
    qtbot: Any, viewer: ViewerModel, trained: TrainWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    colours = viewer.add_image(rng.integers(0, 255, (40, 50, 3)).astype("u1"), name="colours")
    session.add("colours student", random_denoiser("student-1.00M", channels=3))
    viewer.layers.selection = {viewer.layers["cells"], colours}
    questions = []
    monkeypatch.setattr(dialogs, "ask", lambda *asked: questions.append(asked[2]) or asked[3][0])
    commands.denoise_layer(viewer)
    (question,) = questions  # the chosen model suits one of the layers
    assert "'cells' is of 1 channel" in question
    qtbot.waitUntil(lambda: not commands.Denoising.running, timeout=30_000)
    names = ["cells", "cells denoised", "colours", "colours denoised"]
    assert [layer.name for layer in viewer.layers] == names
    out = viewer.layers["colours denoised"]
    assert out.rgb
    assert (out.data.shape, out.data.dtype) == (colours.data.shape, np.uint8)


def test_denoising_can_be_cancelled(
    qtbot: Any,
    viewer: ViewerModel,
    trained: TrainWidget,
    until_threads_end: Callable[[], None],
) -> None:
    large = viewer.add_image(np.zeros((400, 256, 256), "u1"), contrast_limits=(0, 1), name="large")
    viewer.layers.selection = {large}
    commands.denoise_layer(viewer)
    (denoising,) = commands.Denoising.running
    denoising._run._activity.cancel()  # as the activity dock's button does
    qtbot.waitUntil(lambda: not commands.Denoising.running, timeout=1_500)
    until_threads_end()
    assert "large denoised" not in viewer.layers


def test_the_plugin_settings_decide_what_the_widgets_start_with(
    qtbot: Any, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    chosen = SimpleNamespace(preset="fast", device="cpu", model_folder=str(tmp_path))
    asked = []

    def get_plugin_settings(name: str) -> Any:
        asked.append(name)
        return SimpleNamespace(defaults=chosen)

    monkeypatch.setattr("napari.settings.get_plugin_settings", get_plugin_settings)
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    assert (widget.config().preset, widget.config().device) == ("fast", "cpu")
    assert preferences.model_folder() == tmp_path
    assert set(asked) == {"napari-aprrd"}


def _started(
    qtbot: Any, viewer: ViewerModel, kind: Any = TrainWidget, *, closes: bool = True
) -> Any:
    if kind is DistillWidget:
        session.add("teacher", random_denoiser())
    widget = _widget(qtbot, kind, viewer, closes=closes, steps=100_000)
    widget.start.click()
    qtbot.waitUntil(lambda: len(widget.panel.plot.steps) > 1, timeout=20_000)
    return widget


def _made(kind: Any) -> str:
    return "cells teacher" if kind is TrainWidget else "cells student"


both = pytest.mark.parametrize("kind", [TrainWidget, DistillWidget])


@both
def test_stop_and_keep_gives_the_model_so_far(qtbot: Any, viewer: ViewerModel, kind: Any) -> None:
    widget = _started(qtbot, viewer, kind)
    widget.panel.stop.click()
    qtbot.waitUntil(lambda: widget.panel.run is None, timeout=10_000)
    stage = "train" if kind is TrainWidget else "distill"
    assert session[_made(kind)].record[stage]["stopped"]


def test_the_reasons_for_the_settings_stay_in_sight(qtbot: Any, viewer: ViewerModel) -> None:
    widget = _started(qtbot, viewer)
    qtbot.waitUntil(lambda: "The noise " in widget.panel.notes.text(), timeout=10_000)
    assert not widget.panel.notes.isHidden()
    widget.panel.stop.click()
    qtbot.waitUntil(lambda: widget.panel.run is None, timeout=10_000)


@pytest.mark.parametrize(
    ("low", "high"), [(0.0123, 0.0128), (0.101, 0.199), (0.21, 0.49), (1e-3, 1)]
)
def test_the_loss_can_be_read_off_on_any_range(qtbot: Any, low: float, high: float) -> None:
    plot = LossPlot()
    qtbot.addWidget(plot)
    axis = plot._plot.getAxis("left")
    [(_, ticks)] = axis.tickValues(math.log10(low), math.log10(high), 100)
    assert 2 <= len(ticks) <= 10
    assert all(0.999 * low <= 10**tick <= 1.001 * high for tick in ticks)
    labels = axis.tickStrings(ticks, 1, 1)
    assert len(set(labels)) == len(labels)


@both
def test_cancel_frees_the_panel_at_once_and_a_second_run_works(
    qtbot: Any, viewer: ViewerModel, kind: Any
) -> None:
    widget = _started(qtbot, viewer, kind)
    widget.panel.cancel.click()
    assert widget.panel.run is None
    assert widget.start.isEnabled()
    assert "cells preview" not in viewer.layers
    widget.form.set("steps", 3)
    _run(qtbot, widget)
    assert list(session)[-1] == _made(kind)
    assert widget.panel.plot.held_out  # each step of so few is looked at


@both
def test_pause_stands_still_and_goes_on(qtbot: Any, viewer: ViewerModel, kind: Any) -> None:
    widget = _started(qtbot, viewer, kind)
    widget.panel.pause.click()
    qtbot.waitUntil(lambda: widget.panel.run._worker.is_paused, timeout=5_000)
    qtbot.wait(50)  # what was on its way arrives
    steps = len(widget.panel.plot.steps)
    qtbot.wait(300)
    assert len(widget.panel.plot.steps) == steps
    widget.panel.pause.click()
    qtbot.waitUntil(lambda: len(widget.panel.plot.steps) > steps, timeout=5_000)
    widget.panel.pause.click()
    widget.panel.stop.click()  # also while it is paused
    qtbot.waitUntil(lambda: widget.panel.run is None, timeout=10_000)
    assert list(session)[-1] == _made(kind)


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), ValueError("odd")])
def test_an_error_of_the_engine_is_shown_and_leaves_the_panel_usable(
    qtbot: Any, viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise error
        yield

    widget = _widget(qtbot, TrainWidget, viewer)
    monkeypatch.setattr(engine, "train", broken)
    _run(qtbot, widget)
    assert widget.start.error.text() == str(error)
    assert widget.start.error.isVisibleTo(widget)
    assert widget.start.button.isEnabled()
    assert list(session) == []


def test_closing_the_widget_in_the_middle_leaves_no_thread(
    qtbot: Any, viewer: ViewerModel, until_threads_end: Callable[[], None]
) -> None:
    widget = _started(qtbot, viewer, closes=False)
    widget.deleteLater()
    until_threads_end()
    assert list(session) == []


@both
def test_a_run_that_is_closed_after_seconds_can_be_resumed(
    qtbot: Any, viewer: ViewerModel, kind: Any, interrupted: Path
) -> None:
    widget = _started(qtbot, viewer, kind, closes=False)
    widget.deleteLater()
    qtbot.waitUntil(lambda: bool(list(interrupted.glob("*.checkpoint"))), timeout=10_000)
    again = _widget(qtbot, kind, viewer)
    assert _offered(qtbot, again).startswith("Interrupted after ")


def _offered(qtbot: Any, widget: Any) -> str:
    """What the widget offers to go on with."""
    qtbot.waitUntil(lambda: not widget.offer.isHidden(), timeout=10_000)
    return str(widget.offer.text.text())


@both
def test_what_was_cancelled_is_offered_and_goes_on_with_its_settings(
    qtbot: Any, viewer: ViewerModel, kind: Any, interrupted: Path
) -> None:
    widget = _started(qtbot, viewer, kind)
    assert widget.offer.isHidden()
    widget.panel.cancel.click()
    steps = int(_offered(qtbot, widget).split()[2])
    assert steps > 0
    assert str(interrupted) in widget.offer.button.toolTip()
    for name in session:  # the teacher is kept too
        session.remove(name)
    widget.form.set("steps", 3)  # of another run
    widget.offer.button.click()
    qtbot.waitUntil(lambda: len(widget.panel.plot.steps) > 1, timeout=20_000)
    assert widget.panel.plot.steps[0] > steps
    assert widget.offer.isHidden()
    widget.panel.stop.click()
    qtbot.waitUntil(lambda: widget.panel.run is None, timeout=10_000)
    stage = widget.job
    assert session[_made(kind)].record[stage]["config"]["steps"] == 100_000


def test_an_offer_is_for_the_images_that_are_chosen(
    qtbot: Any, viewer: ViewerModel, until_threads_end: Callable[[], None]
) -> None:
    widget = _started(qtbot, viewer)
    widget.panel.cancel.click()
    _offered(qtbot, widget)
    other = viewer.add_image(viewer.layers["cells"].data + 1, name="others")
    widget.picker.layers.value = [other]
    until_threads_end()
    assert widget.offer.isHidden()
    widget.picker.layers.value = [viewer.layers["cells"]]
    _offered(qtbot, widget)


def test_after_a_run_with_a_model_nothing_is_left_to_resume(
    qtbot: Any, viewer: ViewerModel, interrupted: Path, until_threads_end: Callable[[], None]
) -> None:
    widget = _started(qtbot, viewer)
    widget.panel.cancel.click()
    _offered(qtbot, widget)
    (cancelled,) = interrupted.glob("*.checkpoint")
    widget.start.click()  # with as many steps
    qtbot.waitUntil(lambda: len(widget.panel.plot.steps) > 1, timeout=20_000)
    widget.panel.stop.click()
    qtbot.waitUntil(lambda: widget.panel.run is None, timeout=20_000)
    qtbot.waitUntil(lambda: session.entry(session.chosen).is_kept, timeout=10_000)
    assert list(interrupted.glob("*.checkpoint")) == [cancelled]
    widget.reset_choices()
    until_threads_end()
    qtbot.wait(100)  # what was found arrives
    assert widget.offer.isHidden()


def test_an_interrupted_run_can_be_discarded(
    qtbot: Any, viewer: ViewerModel, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget = _started(qtbot, viewer)
    widget.panel.cancel.click()
    assert " steps (0 %), " in _offered(qtbot, widget)
    answers = ["", "Discard"]
    monkeypatch.setattr(dialogs, "ask", lambda *_: answers.pop(0))
    widget.offer.discard.click()
    assert not widget.offer.isHidden()  # it was not meant
    widget.offer.discard.click()
    assert widget.offer.isHidden()
    assert not list(interrupted.glob("*.checkpoint"))
    path, about = interrupted / "train-1.checkpoint", SimpleNamespace(percent=15)
    path.touch()
    about.numbers = {"step": 1}
    widget.offer.found = unfinished.Interrupted(path, about)  # type: ignore[arg-type]
    widget.offer._show()
    assert widget.offer.text.text().startswith("Interrupted after 1 step (15 %), ")


def test_a_model_that_cannot_be_kept_can_still_be_resumed(
    qtbot: Any, viewer: ViewerModel, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (interrupted.parent / "models").write_text("in the way")
    widget = _widget(qtbot, TrainWidget, viewer)
    _run(qtbot, widget)
    qtbot.waitUntil(lambda: any("cannot be autosaved" in m for m in _messages()), timeout=10_000)
    assert list(interrupted.glob("*.checkpoint"))


def test_a_run_that_was_removed_a_moment_ago_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "folder", lambda: tmp_path)
    (tmp_path / "train-1.checkpoint").symlink_to(tmp_path / "gone")
    assert unfinished.find("train", MemoryPlanes([np.zeros((1, 8, 8), np.float32)])) is None
    assert unfinished.used_bytes() == 0
    unfinished.clean_up()


def test_what_is_kept_stays_bounded(interrupted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted.mkdir(parents=True)
    for number in range(15):
        path = interrupted / f"train-{number}.checkpoint"
        path.write_bytes(b"x" * 100)
        unfinished.teacher_of(path).write_bytes(b"x" * 100)
        os.utime(path, (time.time() - number * 3600,) * 2)
    unfinished.new_path("train")
    kept = {path.name for path in interrupted.glob("*.checkpoint")}
    assert kept == {f"train-{number}.checkpoint" for number in range(unfinished.MOST)}
    assert unfinished.used_bytes() == 200 * unfinished.MOST
    monkeypatch.setattr(unfinished, "MOST_BYTES", 450)
    unfinished.clean_up()
    assert unfinished.used_bytes() == 400
    monkeypatch.setattr(unfinished, "MOST_DAYS", 0.5 / 24)
    unfinished.clean_up()
    assert [path.name for path in interrupted.glob("*.checkpoint")] == ["train-0.checkpoint"]


def test_the_preview_follows_the_weights_and_a_removed_one_stays_away(
    qtbot: Any, viewer: ViewerModel
) -> None:
    widget = _started(qtbot, viewer)
    qtbot.waitUntil(lambda: "cells preview" in viewer.layers, timeout=20_000)
    preview = viewer.layers["cells preview"]
    assert preview.data.shape == (64, 80)
    assert preview not in image_layers(viewer.layers)
    viewer.layers.remove(preview)
    qtbot.waitUntil(lambda: widget.panel.preview.view() is None, timeout=20_000)
    widget.panel.cancel.click()


def _remove(viewer: ViewerModel) -> None:
    viewer.layers.clear()


def _rename(viewer: ViewerModel) -> None:
    viewer.layers[0].name = "other"


@pytest.mark.parametrize("meddle", [_remove, _rename])
def test_the_layer_may_change_in_the_middle(
    qtbot: Any, viewer: ViewerModel, meddle: Callable[[ViewerModel], None]
) -> None:
    widget = _started(qtbot, viewer)
    meddle(viewer)
    steps = len(widget.panel.plot.steps)
    qtbot.waitUntil(lambda: len(widget.panel.plot.steps) > steps + 2, timeout=10_000)
    widget.panel.stop.click()
    qtbot.waitUntil(lambda: widget.panel.run is None, timeout=10_000)
    assert list(session) == ["cells teacher"]


def test_two_layers_of_different_size_train_together(qtbot: Any, viewer: ViewerModel) -> None:
    other = viewer.add_image(np.random.default_rng(1).random((50, 60)), name="more")
    widget = _widget(qtbot, TrainWidget, viewer)
    widget.picker.layers.value = [viewer.layers["cells"], other]
    _run(qtbot, widget)
    assert session["cells teacher"].record["train"]["planes"] == 4


def test_a_sentence_says_how_the_layer_is_read_and_letters_correct_it(
    qtbot: Any, viewer: ViewerModel
) -> None:
    widget = _widget(qtbot, TrainWidget, viewer)
    picker = widget.picker
    assert picker.reading.text() == "Read as 3 planes of 64 x 80 pixels."
    assert picker.axes.value == ""
    assert picker.planes().channels == 1
    picker.axes.value = "cyx"
    picker.axes.native.editingFinished.emit()
    assert picker.reading.text().startswith("Read as CYX, 3 channels of 64 x 80")
    assert picker.planes().channels == 3
    assert viewer.layers["cells"].axis_labels == ("c", "y", "x")
    picker.axes.value = "XYZ"
    picker.axes.native.editingFinished.emit()
    assert "needs 3 different letters" in picker.wrong.text()
    assert picker.reading.text().startswith("Read as CYX")
    assert viewer.layers["cells"].axis_labels == ("c", "y", "x")
    rng = np.random.default_rng(1)
    colours = viewer.add_image(rng.integers(0, 255, (2, 40, 50, 3)).astype("u1"), name="colours")
    picker.layers.value = [colours]
    assert picker.reading.text() == "Read as 2 planes x 3 colours of 40 x 50 pixels."
    picker.axes.value = "tyx"  # what was guessed can be confirmed
    picker.axes.native.editingFinished.emit()
    assert picker.reading.text().startswith("Read as TYXS, 2 time points x 3 colours")


@pytest.mark.usefixtures("nothing_in_the_background")
def test_what_would_not_fit_into_memory_is_denoised_lazily(
    qtbot: Any, viewer: ViewerModel, trained: TrainWidget, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = viewer.add_image(da.from_array(viewer.layers["cells"].data), name="huge")
    monkeypatch.setattr("napari_aprrd.core.model.hardware.free_bytes", lambda device: 1000)
    monkeypatch.setattr(dialogs, "ask", lambda parent, title, text, answers, *_: answers[0])
    viewer.layers.selection = {huge}
    commands.denoise_layer(viewer)
    assert hasattr(viewer.layers["huge denoised"].data, "dask")


def test_a_part_of_the_layer_can_be_chosen(qtbot: Any, viewer: ViewerModel) -> None:
    widget = _widget(qtbot, TrainWidget, viewer)
    widget.picker.part.value = "Plane on screen and near it"
    assert widget.picker.planes().sizes == [(64, 80)] * 3
    corners = np.array([[0, 0, 0], [0, 0, 100], [0, 80, 100], [0, 80, 0]])  # world: scale 2
    shapes = viewer.add_shapes([corners], shape_type="rectangle")
    widget.picker.part.value = "Rectangle in a Shapes layer"
    widget.picker.shapes.value = shapes
    assert widget.picker.planes().sizes == [(40, 50)] * 3


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (np.zeros((64, 64)), "constant"),
        (np.full((64, 64), np.nan), "finite"),
        (np.random.default_rng(0).random((5, 20)), "at least 8 x 8"),
    ],
    ids=["constant", "nan", "small"],
)
def test_bad_images_get_one_sentence(qtbot: Any, data: Any, sentence: str) -> None:
    viewer = ViewerModel()
    viewer.add_layer(Image(data, name="bad", contrast_limits=(0, 1)))
    widget = _widget(qtbot, TrainWidget, viewer)
    _run(qtbot, widget)
    assert sentence in widget.start.error.text()
    assert widget.start.button.isEnabled()
    assert len(viewer.layers) == 1


def test_without_a_layer_or_a_teacher_a_sentence_says_what_to_do(qtbot: Any) -> None:
    viewer = ViewerModel()
    train, distill = (_widget(qtbot, kind, viewer) for kind in (TrainWidget, DistillWidget))
    for widget in (train, distill):
        assert not widget.start.button.isEnabled()
        assert "Open an image" in widget.start.reason.text()
    viewer.add_image(np.random.default_rng(0).random((64, 64)))
    assert train.start.button.isEnabled()
    assert "Train a teacher first" in distill.start.reason.text()
    viewer.layers.selection = set()
    commands.denoise_layer(viewer)
    assert "Select the image layers" in _messages()[0]


def test_settings_that_do_not_fit_are_refused_before_the_start(
    qtbot: Any, viewer: ViewerModel
) -> None:
    widget = _widget(qtbot, TrainWidget, viewer, window=4)
    widget.start.click()
    assert "odd" in widget.start.error.text()
    assert widget.panel.run is None


def test_the_form_shows_what_a_preset_changes(qtbot: Any, viewer: ViewerModel) -> None:
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    widget.quality.choose("paper")
    config = widget.config()
    assert (config.preset, config.width, config.steps) == ("paper", 48, 400_000)
    widget.quality.choose(OWN)
    minutes = widget.quality.own
    minutes.setValue(3)
    assert widget.config().minutes == 3


def test_a_setting_is_automatic_until_it_is_pinned_also_to_its_usual_value(
    qtbot: Any, viewer: ViewerModel
) -> None:
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    assert (widget.config().shift, widget.config().replace) == (None, None)
    widget.form.set("shift", 5)
    widget.form.set("replace", True)
    widget.form.set("loss", "l1")
    config = widget.config()
    assert (config.shift, config.replace, config.loss) == (5, True, "l1")
    widget.form.set("shift", None)
    assert widget.config().shift is None


def test_neighbours_are_automatic_until_they_are_chosen_none_as_well(
    qtbot: Any, viewer: ViewerModel
) -> None:
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    box = widget.form._widgets["neighbours"]
    assert box.native.text() == "automatic"
    for chosen in (2, 0):
        box.value = chosen
        assert widget.config().neighbours == chosen
        assert box.native.text() == str(chosen)
    widget.form.set("neighbours", None)
    assert widget.config().neighbours is None


def test_the_form_says_which_values_are_automatic_now(qtbot: Any, viewer: ViewerModel) -> None:
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    shift = widget.form._widgets["shift"].native
    assert shift.text() == "automatic"
    widget.noise.show_report(inspect(widget.picker.planes()))
    settled = settle_training(widget.config(), widget.noise.report, pretrained=True).config
    assert shift.text() == f"auto: {settled.shift}"
    assert widget.form._widgets["replace"].native.currentText() == "auto: off"
    widget.form.set("shift", 4)
    assert shift.text() == "4"
    assert widget.config().shift == 4
    widget.picker.part.value = "Plane on screen and near it"  # other data: the report is gone
    widget.form.set("shift", None)
    assert shift.text() == "automatic"


def test_targets_of_a_stack_are_automatic_until_they_are_chosen(qtbot: Any) -> None:
    viewer = ViewerModel()
    viewer.add_image(noisy_stack(3, 64, 80), name="film")
    session.add("film teacher", neighbour_denoiser("blind-spot"))
    widget = DistillWidget(viewer)
    qtbot.addWidget(widget)
    targets = widget.form._widgets["targets"]
    assert targets.native.currentText() == "auto: measured"
    targets.value = "both"
    assert widget.config().targets == "both"


def test_a_time_budget_has_no_number_of_steps(qtbot: Any, viewer: ViewerModel) -> None:
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    steps = widget.form._widgets["steps"]
    assert steps.native.text() == f"auto: {TrainConfig().steps}"
    widget.form.set("steps", 7)
    widget.quality.choose(OWN)
    assert not steps.enabled
    assert widget.config().steps is None
    assert widget.config().minutes > 0


def test_the_noise_report_is_one_click_away(qtbot: Any, viewer: ViewerModel) -> None:
    widget = _widget(qtbot, TrainWidget, viewer)
    widget.noise.button.click()
    qtbot.waitUntil(lambda: widget.noise.report is not None, timeout=10_000)
    assert "white" in widget.noise.text.text()
    assert len(widget.noise.plot.listDataItems()) == 2  # along x and y
    assert widget.noise.button.text() == "Inspect noise"
    widget.picker.layers.value = [viewer.add_image(np.zeros((64, 64)), name="flat")]
    assert widget.noise.report is None  # it was of other layers
    widget.noise.button.click()
    qtbot.waitUntil(lambda: bool(_messages()), timeout=10_000)
    assert "constant" in _messages()[-1]
    assert widget.noise.button.text() == "Inspect noise"
