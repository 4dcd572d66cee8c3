"""The models of a session: which one is used, where it is kept, and what the lists say of it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.makers import neighbour_denoiser, random_denoiser, same_weights
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils._proxies import PublicOnlyProxy
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QInputDialog, QMessageBox, QWidget

from napari_aprrd._napari import commands, dialogs, preferences
from napari_aprrd._napari.models import choice as model_choice
from napari_aprrd._napari.models import store as model_store
from napari_aprrd._napari.models import words as model_words
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.widgets import DistillWidget, TrainWidget
from napari_aprrd._napari.widgets.models.model_list import MOST_ROWS, ModelList
from napari_aprrd._napari.widgets.models.two_lines import DETAIL
from napari_aprrd._napari.work.errand import Errand
from napari_aprrd._napari.work.workers import Task
from napari_aprrd.core.model.denoiser import Denoiser, load

STUDENT = "student-1.00M"


@pytest.fixture(autouse=True)
def _no_notifications(no_notifications_left: None) -> None:
    pass


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.random.default_rng(0).random((2, 64, 64)), name="cells")
    return viewer


@pytest.fixture
def models(qtbot: Any) -> ModelList:
    widget = ModelList()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Any], list[str]]:
    """The questions that were asked, and the answers to the next ones; without one, a cancel."""
    questions: list[Any] = []
    answers: list[str] = []

    def ask(parent: Any, title: str, text: str, buttons: list[str], default: int = 0) -> str:
        questions.append((text, buttons))
        return answers.pop(0) if answers else ""

    monkeypatch.setattr(dialogs, "ask", ask)
    return questions, answers


def _messages() -> list[str]:
    return [str(record.message) for record in notification_manager.records]


def _student(*, seed: int = 0, **more: Any) -> Denoiser:
    model = random_denoiser(STUDENT, seed=seed)
    model.record = {
        "train": {"planes": 20, "steps": 100},
        "noise": {"sigma": 12.345},
        "distill": {"planes": 20, "steps": 400, "seconds": 31.0, **more},
    }
    return model


def _rows(models: ModelList) -> list[str]:
    return [models.chooser.item(row).text() for row in range(models.chooser.count())]


def _kept(qtbot: Any, name: str) -> Path:
    """Where the copy of a model lies, once it is written."""
    qtbot.waitUntil(lambda: session.entry(name).is_kept, timeout=10_000)
    path = session.entry(name).kept
    assert path is not None
    return path


# Which model is used ------------------------------------------------------------------------------


def test_the_newest_model_is_chosen_in_every_list(qtbot: Any, viewer: ViewerModel) -> None:
    widgets = [kind(viewer) for kind in (TrainWidget, DistillWidget)]
    lists = [widget.models for widget in widgets]
    for widget in widgets:
        qtbot.addWidget(widget)
    session.add("of the sample", _student())
    session.add("of my cells", random_denoiser())
    for models in lists:
        assert _rows(models) == ["of my cells", "of the sample"]
        assert models.name == models.chooser.currentItem().text() == "of my cells"
    lists[0].chooser.setCurrentRow(1)
    assert {models.chooser.currentRow() for models in lists} == {1}
    assert session.chosen == "of the sample"


def test_the_chosen_model_denoises_also_where_an_older_student_fits(
    viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add("old student", _student())
    session.add("new teacher", teacher := random_denoiser())
    used = []
    monkeypatch.setattr(commands, "Denoising", lambda *what: used.append(what[2]))
    commands.denoise_layer(viewer)
    assert used == [teacher]


def test_another_is_chosen_when_the_chosen_one_goes() -> None:
    for name in ("a", "b", "c"):
        session.add(name, _student())
    session.choose("b")
    assert session.rename("b", "middle") == session.chosen == "middle"
    session.remove("middle")
    assert session.chosen == "c"
    session.remove("a")
    session.remove("c")
    assert session.chosen == ""


def test_a_layer_that_does_not_fit_is_named_with_the_reason_and_what_fits(
    viewer: ViewerModel, asked: Any
) -> None:
    questions, answers = asked
    session.add("colours", random_denoiser(STUDENT, channels=3))
    session.add("grey", grey := _student())
    session.choose("colours")
    answers += ["Use 'grey'"]
    opened: list[str] = []
    train = lambda: opened.append("train")  # noqa: E731
    assert model_choice.model_for(viewer, viewer.layers["cells"], train) is grey
    text, buttons = questions[0]
    assert text == (
        "The chosen model 'colours' was trained on images of 3 channels, and 'cells' is of 1 "
        "channel."
    )
    assert buttons == ["Use 'grey'", "Train one", "Load one…"]
    assert session.chosen == "grey"
    photo = Image(np.zeros((40, 50, 3), np.uint8), name="photo")
    assert "'photo' is in colour (3 channels)" in model_choice.why_unfit(grey, photo)
    session.remove("colours")
    answers += ["Train one"]
    assert model_choice.model_for(viewer, photo, train) is None
    assert opened == ["train"]
    assert session.chosen == "grey"


def test_several_layers_ask_once_for_each_number_of_channels(
    viewer: ViewerModel, asked: Any
) -> None:
    questions, answers = asked
    session.add("colours", colours := random_denoiser(STUDENT, channels=3))
    session.add("grey", grey := _student())
    photos = [viewer.add_image(np.zeros((40, 50, 3), np.uint8)) for _ in range(2)]
    answers += ["Use 'colours'"]
    layers = [photos[0], viewer.layers["cells"], photos[1]]
    assert model_choice.models_for(viewer, layers) == [colours, grey, colours]
    assert len(questions) == 1
    assert session.chosen == "grey"
    assert model_choice.models_for(viewer, layers) is None  # cancelled


def test_a_file_of_the_wrong_kind_is_refused_with_the_reason(
    viewer: ViewerModel, asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, answers = asked
    random_denoiser(channels=3).save(tmp_path / "rgb.aprrd")
    monkeypatch.setattr(dialogs, "open_file", lambda *_: tmp_path / "rgb.aprrd")
    answers += ["Load one…"]
    with pytest.raises(ValueError, match=r"^rgb.aprrd was trained on images of 3 channels, and"):
        model_choice.model_for(viewer, viewer.layers["cells"])


def test_after_distilling_the_student_can_be_saved_and_its_teacher_distilled_again(
    qtbot: Any, viewer: ViewerModel
) -> None:
    widget = DistillWidget(viewer)
    qtbot.addWidget(widget)
    assert widget.teacher_name.text() == "Teacher: none yet"
    teacher, other = random_denoiser(), random_denoiser(seed=1)
    teacher.record["train"] = {"planes": 20, "steps": 100}
    session.add("teacher", teacher)
    session.add("other", other)
    session.add("student", _student())
    assert widget.models.name == "student"
    assert widget.models.buttons["Save…"].isEnabled()
    assert widget.teacher() is teacher
    assert widget.teacher_name.text() == "Teacher: teacher"
    session.choose("other")
    assert widget.teacher() is other


def test_a_widget_that_a_thread_collects_while_models_change_does_no_harm() -> None:
    heard: list[str] = []

    def hear() -> None:
        heard.append(session.chosen)
        if len(heard) == 1:
            raise ReferenceError("weakly-referenced object no longer exists")  # as psygnal does

    session.changed.connect(hear)
    session.add("cells", _student())
    session.changed.disconnect(hear)
    assert heard == ["cells", "cells"]


# What is kept -------------------------------------------------------------------------------------


def test_a_new_model_is_kept_under_its_name_until_it_is_saved(qtbot: Any, tmp_path: Path) -> None:
    name = session.add("cells: 1/2 student", model := _student())
    copy = _kept(qtbot, name)
    assert copy == preferences.model_folder() / "autosaved" / "cells_ 1_2 student.aprrd"
    assert same_weights(load(copy), model)
    session.rename(name, "mine")
    assert not copy.exists()
    copy = _kept(qtbot, "mine")
    assert copy.stem == "mine"
    session.save("mine", tmp_path / "cells.aprrd")
    assert not copy.exists()
    session.remove("mine")
    assert (tmp_path / "cells.aprrd").exists()


def test_a_model_that_is_renamed_or_deleted_while_it_is_written_leaves_no_other_copy(
    qtbot: Any,
) -> None:
    session.rename(session.add("early", _student()), "late")
    session.remove(session.add("gone", _student(seed=1)))
    assert _kept(qtbot, "late").stem == "late"
    qtbot.waitUntil(lambda: [p.stem for p in model_store.copies()] == ["late"], timeout=5_000)


def test_copies_stay_bounded_in_number_and_size(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_store, "MOST", 2)
    for number in range(3):
        copy = _kept(qtbot, session.add(f"model {number}", _student(seed=number)))
        os.utime(copy, (1_000_000_000 + number,) * 2)
    _kept(qtbot, session.add("model 3", _student(seed=3)))
    assert {path.stem for path in model_store.copies()} == {"model 2", "model 3"}
    assert "not saved" in model_words.short(session.entry("model 0"))
    monkeypatch.setattr(model_store, "MOST_BYTES", 1)
    model_store.clean_up(model_store.folder())
    assert [path.stem for path in model_store.copies()] == ["model 3"]  # never the newest


def test_a_folder_that_cannot_be_written_is_told_and_harms_nothing(
    qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(preferences, "DATA", tmp_path / "file")
    preferences.remember("minutes", 3.0)
    assert preferences.remembered("minutes", 1.0) == 1.0
    name = session.add("cells", _student())
    qtbot.waitUntil(lambda: bool(_messages()), timeout=5_000)
    (said,) = _messages()
    assert said.startswith("'cells' cannot be autosaved, use Save…: ")
    assert list(session) == [name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b\\c:d", "a_b_c_d"),
        ("con", "con_"),
        ("LPT1.x", "LPT1.x_"),
        (" . ", "model"),
        ("", "model"),
        ("e\u0301", "\u00e9"),
        ("half \ud800 a character", "half  a character"),
        ("\U0001f52c" * 99, "\U0001f52c" * (model_store.LONGEST // 4)),
    ],
)
def test_names_of_copies_suit_every_system(name: str, expected: str, tmp_path: Path) -> None:
    assert model_store.file_name(name) == expected
    random_denoiser().save(tmp_path / f"{expected} 10{model_store.ENDING}")


def test_napari_may_end_at_once_and_the_model_is_kept(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from core.makers import random_denoiser
from qtpy.QtWidgets import QApplication
from napari_aprrd._napari import preferences
from napari_aprrd._napari.work.errand import Errand
from napari_aprrd._napari.models.session import session
preferences.DATA = Path({str(tmp_path)!r})
app = QApplication([])
session.add("last", random_denoiser())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    load(tmp_path / "models" / "autosaved" / "last.aprrd")


def test_a_file_that_now_holds_another_model_is_not_called_the_old_ones(
    qtbot: Any, tmp_path: Path
) -> None:
    first, second = session.add("first", _student()), session.add("second", _student(seed=1))
    for name in (first, second):
        session.save(name, tmp_path / "cells.aprrd")
    assert session.entry(second).is_saved
    assert not session.entry(first).is_saved
    _kept(qtbot, first)


# The list -----------------------------------------------------------------------------------------


def test_a_row_says_what_there_is_to_know(models: ModelList, qtbot: Any) -> None:
    assert _rows(models) == ["No model yet: train one, or load one."]
    assert not models.buttons["Save…"].isEnabled()
    name = session.add("mine", _student(), images="cells")
    _kept(qtbot, name)
    item = models.chooser.item(0)
    now = f"{datetime.now():%H:%M}"
    assert item.data(DETAIL) == (
        f"student · autosaved · today {now} · 20 planes of cells · noise 12.3 · 400 steps"
    )
    assert "Student, trained on 20 planes of cells, for 1 channel." in item.toolTip()
    assert "400 steps, 31 s, noise of standard deviation 12.3" in item.toolTip()
    session.save(name, preferences.DATA / "mine.aprrd")
    assert models.chooser.item(0).data(DETAIL).startswith("student · saved · ")
    (preferences.DATA / "mine.aprrd").unlink()
    models.refresh()
    assert "not saved" in models.chooser.item(0).data(DETAIL)


def test_a_row_says_which_neighbours_a_model_sees(models: ModelList, qtbot: Any) -> None:
    _kept(qtbot, session.add("film", neighbour_denoiser(neighbours=2)))
    tip = models.chooser.item(0).toolTip()
    assert "It sees 2 neighbouring planes on either side, along axis T." in tip


def test_the_list_is_small_and_follows_the_keyboard(models: ModelList, qtbot: Any) -> None:
    for number in range(9):
        session.add(
            f"a model with a name that is longer than its list is wide {number}", _student()
        )
    models.show()
    assert models.minimumSizeHint().width() <= 280
    assert models.chooser.height() < (MOST_ROWS + 1) * models.chooser.sizeHintForRow(0)
    qtbot.keyClick(models.chooser, Qt.Key.Key_Down)
    assert session.chosen.endswith("7")
    qtbot.keyClick(models.chooser, Qt.Key.Key_End)
    assert session.chosen.endswith("0")
    assert models.chooser.itemWidget(models.chooser.item(0)) is None
    models.grab()  # every row can be drawn


def test_models_are_saved_renamed_loaded_exported_and_deleted(
    models: ModelList, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Any
) -> None:
    questions, _ = asked
    started: list[str] = []

    def choose(_: Any, title: str, start: str, *__: Any) -> tuple[str, str]:
        started.append(start)
        return str(tmp_path / ("kept.zip" if "bioimage" in title else "kept")), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("mine", True))
    session.add("cells", _student())
    models.buttons["Save…"].click()
    assert (tmp_path / "kept.aprrd").exists()
    models.actions["Rename…"].trigger()
    assert list(session) == ["mine"]
    assert session.entry("mine").is_saved
    models.actions["Export for bioimage.io…"].trigger()
    qtbot.waitUntil(lambda: "Exported kept.zip." in _messages(), timeout=30_000)
    assert (tmp_path / "kept.zip").exists()
    assert [Path(path) for path in started] == [
        Path.home() / "cells.aprrd",
        Path.home() / "mine.zip",
    ]
    models.buttons["Save…"].click()
    assert Path(started[-1]) == tmp_path / "mine.aprrd"  # the last folder
    assert any("choose it to replace it" in message for message in _messages())
    models.actions["Delete…"].trigger()  # its file stays: nothing is asked
    assert (list(session), questions) == ([], [])
    (tmp_path / "kept").write_text("no model")
    models.actions["From a file…"].trigger()
    qtbot.waitUntil(lambda: "not a napari-aprrd model" in _messages()[-1], timeout=10_000)


def test_deleting_a_model_that_is_not_saved_asks(models: ModelList, qtbot: Any, asked: Any) -> None:
    questions, answers = asked
    copy = _kept(qtbot, session.add("cells", _student()))
    models.actions["Delete…"].trigger()
    assert list(session) == ["cells"]
    assert questions[0][0] == (
        "You have not saved 'cells'. Delete it and its autosaved copy for good?"
    )
    answers += ["Delete"]
    models.actions["Delete…"].trigger()
    assert list(session) == []
    assert not copy.exists()


def test_recent_models_are_offered_again(models: ModelList, qtbot: Any, tmp_path: Path) -> None:
    session.save(session.add("saved", _student()), tmp_path / "on disk.aprrd")
    copy = _kept(qtbot, session.add("copied", _student(seed=1)))
    menu = models.buttons["Load…"].menu()
    menu.aboutToShow.emit()
    assert [a.text() for a in menu.actions()] == ["From a file…"]  # both are here already
    Errand.wait_for_all()
    session._entries, session._chosen = {}, ""  # as after a restart of napari
    (tmp_path / "gone.aprrd").touch()
    model_store.note_recent(tmp_path / "gone.aprrd")
    (tmp_path / "gone.aprrd").unlink()
    menu.aboutToShow.emit()
    texts = {a.text().split(",")[0] for a in menu.actions()[3:]}
    assert texts == {"copied (autosaved", f"on disk (in {tmp_path.name}"}
    next(a for a in menu.actions() if a.text().startswith("copied")).trigger()
    qtbot.waitUntil(lambda: session.chosen == "copied", timeout=10_000)
    assert session.entry("copied").kept == copy


def test_all_copies_can_be_forgotten(models: ModelList, qtbot: Any, asked: Any) -> None:
    questions, answers = asked
    _kept(qtbot, session.add("cells", _student()))
    answers += ["Delete"]
    models.actions["Delete autosaved models…"].trigger()
    assert questions[0][0].startswith("Delete 1 autosaved model (0 MB)? Files that you saved stay.")
    assert model_store.copies() == []
    assert "not saved" in models.chooser.item(0).data(DETAIL)


def test_what_background_work_ends_with_is_told_whoever_started_it(qtbot: Any) -> None:
    owner, told = QWidget(), []
    qtbot.addWidget(owner)
    Task(lambda: "done", told.append, owner=owner)
    gc.collect()
    qtbot.waitUntil(lambda: told == ["done"], timeout=5_000)


# Dialogs ------------------------------------------------------------------------------------------


def test_a_question_tells_which_button_was_pressed(
    qtbot: Any, models: ModelList, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents = []

    def press(box: QMessageBox, number: int) -> Any:
        parents.append(box.parent())
        return box.buttons()[number]

    monkeypatch.setattr(QMessageBox, "exec", lambda self: 0)
    for number, expected in ((0, "Yes"), (1, "No"), (2, "")):
        monkeypatch.setattr(QMessageBox, "clickedButton", lambda self, n=number: press(self, n))
        assert dialogs.ask(models, "Title", "Really?", ["Yes", "No"]) == expected
    assert parents == [models.window()] * 3


# Preferences --------------------------------------------------------------------------------------


def test_what_the_widgets_remember_outlives_the_session_and_bad_files() -> None:
    preferences.remember("minutes", 3.5)
    preferences.remember("quality", "fast")
    assert preferences.remembered("minutes", 1.0) == 3.5
    assert preferences.remembered("minutes", "text") == "text"  # of another type
    assert preferences.remembered("unknown", 7) == 7
    (preferences.DATA / "remembered.json").write_text("[1, 2")
    assert preferences.remembered("quality", "balanced") == "balanced"


def test_napari_offers_lists_of_what_can_be_chosen() -> None:
    settings = preferences._settings()
    assert settings is not None
    schema = type(settings).model_json_schema()["properties"]
    assert schema["device"]["enum"] == ["auto", "cpu", "cuda", "mps"]
    assert "balanced" in schema["preset"]["enum"]


def test_the_folder_of_models_is_chosen_with_a_dialog(
    models: ModelList, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    models.actions["Choose folder of models…"].trigger()
    assert preferences.model_folder() == tmp_path
    assert _kept(qtbot, session.add("cells", _student())).parent == tmp_path / "autosaved"
    settings = preferences._settings()
    settings.model_folder = ""
    assert preferences.model_folder() == preferences.DATA / "models"


# In a true viewer ---------------------------------------------------------------------------------


def test_questions_belong_to_naparis_window_and_wear_its_colours(
    make_napari_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_image(np.zeros((32, 32)), name="cells")
    session.add("colours", random_denoiser(STUDENT, channels=3))
    colours = []

    def look(box: QMessageBox) -> int:
        box.show()
        colours.append(box.grab().toImage().pixelColor(2, 2).lightness())
        assert box.parent() is viewer.window._qt_window
        box.hide()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", look)
    for theme in ("dark", "light"):
        viewer.theme = theme
        for asking in (viewer, PublicOnlyProxy(viewer)):  # a command in a menu gets a proxy
            assert model_choice.model_for(asking, layer) is None
    assert max(colours[:2]) < 80
    assert min(colours[2:]) > 180


def test_naparis_preferences_offer_the_devices(make_napari_viewer: Any, qtbot: Any) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    viewer = make_napari_viewer()
    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    qtbot.addWidget(dialog)
    lists = [box for box in dialog.findChildren(QComboBox) if box.findText("mps") >= 0]
    assert [[box.itemText(i) for i in range(box.count())] for box in lists] == [
        ["auto", "cpu", "cuda", "mps"]
    ]
    preferences._settings().device = "cpu"
    assert preferences.default_device() == lists[0].currentText() == "cpu"
    preferences._settings().device = "auto"
