"""Which training runs: one at a time, since two would take each other's cores."""

from __future__ import annotations

from psygnal import Signal

from .tell import tell


class AtWork:
    """The title of the training that runs in this napari session.

    Attributes
    ----------
    changed : Signal
        Emitted when one starts or ends.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.title = ""

    @property
    def reason(self) -> str:
        """Why nothing else can start; empty while nothing runs."""
        return f"{self.title} is running; wait for it, or cancel it." if self.title else ""

    def begin(self, title: str) -> None:
        """Say that a training runs."""
        self.title = title
        tell(self.changed)

    def end(self, title: str) -> None:
        """Say that this one has ended; nothing happens where another one runs."""
        if title == self.title:
            self.begin("")


at_work = AtWork()
