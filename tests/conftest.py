"""Shared fixtures."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from core.makers import DEVICE, ON_CPU, TINY

from napari_aprrd._napari import sample_data
from napari_aprrd.core import config, jobs
from napari_aprrd.core.data import synthetic
from napari_aprrd.core.jobs import Progress
from napari_aprrd.core.model import device_pipeline, hardware, trials

HAS_DISPLAY = sys.platform != "linux" or bool(
    os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
)
if not HAS_DISPLAY:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["NAPARI_CONFIG"] = ""  # napari reads and writes no settings of the user's


# Where NAPARI_APRRD_TEST_DEVICE names no other device, the tests run on the CPU: what "auto" picks
# would depend on the machine, and so would rounding. Processes that tests start inherit it.
if ON_CPU:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.backends.mps.is_available = lambda: False
else:
    hardware.pick_device(str(DEVICE))  # or a sentence that there is none
    assert hardware.pick_device("auto").type == DEVICE.type, "auto picks another device here"
    # Convolutions round to ten bits by default and add up in any order; tests compare closely.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    # Half precision is far below the noise, but not below what tests tolerate.
    device_pipeline.is_worth_a_trial = functools.wraps(device_pipeline.is_worth_a_trial)(
        lambda *_: False
    )

# Tiny networks gain nothing from more threads, and lose much where cores are shared.
torch.set_num_threads(1)

# "auto" precision is decided by a timed trial, so it differs from processor to processor. With
# NAPARI_APRRD_TEST_PRECISION=float32 (or bfloat16) the trial always ends in favour of that one:
# the suite must pass with either on the CPU. On a GPU it is float32, which devices agree in.
if FORCED := os.environ.get("NAPARI_APRRD_TEST_PRECISION", "" if ON_CPU else "float32"):
    # The trial has no public switch; a public one would be for the tests alone.
    trials._seconds = functools.wraps(trials._seconds)(
        lambda device, ways, trial: {way: 0.0 if way == FORCED else 1.0 for way in ways}
    )
    trials._is_worth_a_trial = functools.wraps(trials._is_worth_a_trial)(lambda device: True)


def _shared(name: str) -> Path:
    """A folder of data that belong to others and are not copied here."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("NAPARI_APRRD_SHARED", beside)) / name
    if not folder.is_dir():
        pytest.skip(f"no ../shared/{name} beside the project, and NAPARI_APRRD_SHARED names none")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the suite's own: what was tried in a test is no news to the user's programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_APRRD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def parity() -> Path:
    """Reference inputs and outputs of the published code, and its checkpoints."""
    return _shared("parity")


@pytest.fixture(scope="session")
def fluorescence() -> Path:
    """Noisy images of a microscope and their references."""
    return _shared("data/fmd")


@pytest.fixture
def report_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "YIELD_EVERY", 0.0)


@pytest.fixture(autouse=True)
def interrupted(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> Path:
    """A folder of the test's own for all that the widgets write; the runs that can be resumed."""
    data = tmp_path_factory.mktemp("kept")
    monkeypatch.setattr("napari_aprrd._napari.preferences.DATA", data)
    return data / "interrupted"


@pytest.fixture
def no_notifications_left() -> Iterator[None]:
    """What one test's widgets said is not there for the next."""
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    yield
    notification_manager.records.clear()


@pytest.fixture
def until_threads_end(qtbot: Any) -> Callable[[], None]:
    """Wait until no job of the widgets works any more."""
    from qtpy.QtCore import QThreadPool

    pool = QThreadPool.globalInstance()
    return lambda: qtbot.waitUntil(lambda: pool.activeThreadCount() == 0, timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with a true viewer need a display; CI has one and skips none."""
    if HAS_DISPLAY:
        return
    assert "NAPARI_APRRD_NEEDS_VIEWER" not in os.environ, "there is no display"
    for item in items:
        if "make_napari_viewer" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason="a true viewer needs a display (Xvfb)"))


@pytest.fixture(autouse=True)
def _napari_renders_at_once() -> Iterator[None]:
    """What one test has switched on, or was asked, does not reach the next."""
    yield
    if settings := sys.modules.get("napari.settings"):
        settings.get_settings().experimental.async_ = False
    if lazy := sys.modules.get("napari_aprrd._napari.work.lazy"):
        lazy.LazyLayer.switched_on = lazy.LazyLayer.refused = False
        lazy.LazyLayer.alive.clear()


@pytest.fixture
def nothing_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked whether napari may compute lazy layers in the background."""
    monkeypatch.setattr("napari_aprrd._napari.work.lazy.LazyLayer.refused", True)


@pytest.fixture(autouse=True)
def _questions_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that a test does not expect fails it, instead of waiting for ever."""
    if widgets := sys.modules.get("qtpy.QtWidgets"):

        def fail(box: Any) -> None:
            pytest.fail(f"Nobody answers: {box.text()}")

        monkeypatch.setattr(widgets.QMessageBox, "exec", fail)


@pytest.fixture(autouse=True)
def _no_models_are_left() -> Iterator[None]:
    """A model of one test is not there for the next."""
    yield
    if models := sys.modules.get("napari_aprrd._napari.models.session"):
        for name in models.session:
            models.session.remove(name)
        models.model_store.Errand.wait_for_all()


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Press Ctrl-C when a stage of the command line's work reports for the first time."""

    def press(stage: str) -> None:
        pressed: list[str] = []

        @contextmanager
        def progress_bar(*_: object) -> Iterator[Callable[[Progress], None]]:
            def listen(progress: Progress) -> None:
                if progress.stage == stage and not pressed:
                    pressed.append(stage)
                    signal.raise_signal(signal.SIGINT)

            yield listen

        monkeypatch.setattr("napari_aprrd.progress_bar.progress_bar", progress_bar)

    return press


@pytest.fixture
def tiny_presets(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Give the quick presets so many steps of tiny networks, for what has no settings."""

    def shrink(steps: int) -> None:
        # `denoise` without a model, the examples and the pages train by presets, which are
        # thousands of steps of networks of the usual size; only their tables make them short.
        for presets in (config._TRAIN_PRESETS, config._DISTILL_PRESETS):
            for name in ("fast", "balanced"):
                monkeypatch.setitem(presets, name, {**TINY, "steps": steps})

    return shrink


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch, tiny_presets: Callable[[int], None]) -> None:
    """Presets of two steps of tiny networks, and small samples."""
    cells = functools.partial(synthetic.noisy_cells, (1, 152, 152))
    for module in (synthetic, sample_data):
        monkeypatch.setattr(module, "noisy_cells", cells)
    tiny_presets(2)
