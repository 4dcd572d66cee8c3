"""Short functions in threads of their own, such as the writing of a small file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, Signal


class Errand(QObject):
    """A short function in a thread of its own.

    It does not wait until a thread of the pool is free, which a training may take for hours, and
    Python does not end before it has.

    Parameters
    ----------
    function : callable
        Catches its own errors.
    on_done : callable
        Receives its result, in the thread that made the errand.
    """

    _done = Signal(object)

    def __init__(self, function: Callable[[], Any], on_done: Callable[[Any], None]) -> None:
        super().__init__()
        self._function = function
        self._done.connect(on_done)
        self._thread = threading.Thread(target=self._work, name="napari-aprrd errand")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until the function has ended; `on_done` may be called a moment later."""
        self._thread.join()

    def _work(self) -> None:
        result = self._function()
        with suppress(RuntimeError):  # the application has ended, and there is nobody to tell
            self._done.emit(result)
