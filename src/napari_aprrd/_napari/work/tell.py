"""Telling the widgets of a change."""

from __future__ import annotations

from psygnal import EmitLoopError, SignalInstance


def tell(signal: SignalInstance, tries: int = 9) -> None:
    """Emit a signal that says only that something has changed.

    A thread may collect a dead widget just then, and the signal falls over what is left of it;
    the others hear it again.
    """
    try:
        signal.emit()
    except EmitLoopError as error:
        if tries == 0 or not isinstance(error.__cause__, ReferenceError):
            raise
        tell(signal, tries - 1)
