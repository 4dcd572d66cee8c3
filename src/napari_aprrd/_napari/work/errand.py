"""Short functions in threads of their own, such as the writing of a small file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from qtpy.QtCore import QObject, Signal


class Errand(QObject):
    """A short function in a thread of its own, which starts at once.

    It does not wait until a thread of the pool is free, which a training may take for hours, and
    Python does not end before it has.

    Parameters
    ----------
    function : callable
        Catches its own errors.
    on_done : callable
        Receives its result, in the thread that made the errand.
    """

    running: ClassVar[set[Errand]] = set()  # keeps them alive until they have told their end
    _done = Signal(object)

    def __init__(self, function: Callable[[], Any], on_done: Callable[[Any], None]) -> None:
        super().__init__()
        self._function, self._on_done = function, on_done
        self._done.connect(self._tell)
        self._thread = threading.Thread(target=self._work, name="napari-aprrd errand")
        self.running.add(self)
        self._thread.start()

    @classmethod
    def wait_for_all(cls) -> None:
        """Wait until all functions have ended; each `on_done` may be called a moment later."""
        for errand in list(cls.running):
            errand._thread.join()

    def _tell(self, result: Any) -> None:
        self.running.discard(self)
        self._on_done(result)

    def _work(self) -> None:
        result = self._function()
        with suppress(RuntimeError):  # the application has ended, and there is nobody to tell
            self._done.emit(result)
