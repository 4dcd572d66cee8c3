"""Telling the widgets of a change."""

from __future__ import annotations

from psygnal import EmitLoopError, SignalInstance


def tell(signal: SignalInstance) -> None:
    """Emit a signal that says only that something has changed.

    A widget that Python deletes just then cannot hear it any more: the others hear it again.
    """
    while True:
        try:
            signal.emit()
        except EmitLoopError as error:
            if not isinstance(error.__cause__, ReferenceError):
                raise
        else:
            return
