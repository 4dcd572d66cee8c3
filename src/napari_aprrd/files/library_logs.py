"""What libraries log while they read and write, kept from the console."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("tifffile", "xsdata.logger")  # ome-types parses with xsdata


class _Listener(logging.Filter):
    """Keeps what a library logs from the console, as long as somebody listens."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[list[str]] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if not self.heard:
            return True
        if record.levelno >= logging.WARNING:
            self.heard[-1].append(record.getMessage())
        return False


_listener = _Listener()


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect the libraries' warnings instead of showing them."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_listener)  # a second time changes nothing
    heard: list[str] = []
    _listener.heard.append(heard)
    try:
        yield heard
    finally:
        _listener.heard = [other for other in _listener.heard if other is not heard]


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Keep warnings, and the log lines of these loggers, off the console."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
