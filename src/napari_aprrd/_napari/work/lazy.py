"""Lazy layers: only what is on screen is computed, and no longer than it is wanted."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from napari.settings import get_settings
from napari.utils import progress
from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication

from ...core.background import CancelledError
from .. import dialogs

if TYPE_CHECKING:
    from napari.components import ViewerModel

SWITCH_ON, LEAVE_OFF = "Compute in the background", "Leave napari as it is"
_QUESTION = (
    "What is on screen is computed when it is shown. So that napari's window does not stand still "
    "meanwhile, napari can compute all layers in the background (Preferences > Experimental > "
    "Render Images Asynchronously). It is switched off again when the last such layer is removed."
)


def render_in_the_background(viewer: Any = None) -> bool:
    """Ask once whether napari may compute lazy layers in a thread; False for a cancel."""
    experimental = get_settings().experimental
    if experimental.async_ or LazyLayer.refused:
        return True
    answer = dialogs.ask(viewer, "Compute in the background?", _QUESTION, [SWITCH_ON, LEAVE_OFF])
    if answer == SWITCH_ON:
        experimental.async_ = LazyLayer.switched_on = True
    elif answer == LEAVE_OFF:
        LazyLayer.refused = True
        show_warning("napari's window will stand still while a plane is computed.")
    return bool(answer)


class NobodyLooks(CancelledError):  # noqa: N818  nothing went wrong
    """The layer whose pixels are computed is not in a viewer any more.

    It is false, so that napari, which asks "if exception", shows no error; raised in a script it is
    as good as any.
    """

    def __init__(self) -> None:
        super().__init__("This layer was removed; add it to a viewer to compute its pixels.")

    def __bool__(self) -> bool:
        return False


class LazyLayer(QObject):
    """Looks after a layer whose pixels are computed when they are shown.

    A bar in the activity dock shows that it is computed. When the layer is removed, or the viewer
    is closed, what is being computed ends at once.

    Parameters
    ----------
    viewer : ViewerModel

    Attributes
    ----------
    alive : set of LazyLayer
        All whose layers are in a viewer.
    switched_on, refused : bool
        What the user has answered in this session: whether napari computes in the background
        because of us, or must not.
    """

    alive: set[LazyLayer] = set()  # noqa: RUF012  keeps them alive
    switched_on = False
    refused = False

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = getattr(viewer, "__wrapped__", viewer)  # a plugin's proxy
        self._layer: Any = None
        self._removed = False
        self._bar: Any = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._update_bar)

    def begin(self, layer: Any) -> None:
        """Look after this layer, which is in the viewer."""
        self._layer = layer
        self._viewer.layers.events.removed.connect(self._on_change)
        self._viewer.layers.events.inserted.connect(self._on_change)
        QApplication.instance().aboutToQuit.connect(self.end)
        self.alive.add(self)
        self._update_bar()
        self._timer.start(200)  # ms

    def is_cancelled(self) -> bool:
        """End what is computed if nobody will see it; asked by the threads that compute.

        Raises
        ------
        NobodyLooks
            Instead of the answer "yes".
        """
        if self._removed or _is_closing(self._viewer):
            raise NobodyLooks
        return False

    def end(self) -> None:
        """Compute nothing more."""
        self._removed = True
        self._timer.stop()
        self._update_bar()
        self.alive.discard(self)
        if not self.alive and LazyLayer.switched_on:
            get_settings().experimental.async_ = LazyLayer.switched_on = False

    def _on_change(self, event: object = None) -> None:
        there = self._layer in self._viewer.layers
        if self._removed and there:  # it was added again
            self._removed = False
            self.alive.add(self)
            self._timer.start()
        elif not self._removed and not there:
            self.end()

    def _update_bar(self) -> None:
        busy = not self._removed and not self._layer.loaded
        if busy and self._bar is None:
            self._bar = progress(total=0, desc=f"Compute {self._layer.name}")
        elif not busy and self._bar is not None:
            self._bar.close()
            self._bar = None


def _is_closing(viewer: Any) -> bool:
    """Whether the main thread is in `viewer.close()`.

    Before it tells anyone, napari waits there for what is being computed for the canvas.
    """
    from napari import Viewer

    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code is Viewer.close.__code__ and frame.f_locals.get("self") is viewer:
            return True
        frame = frame.f_back
    return False
