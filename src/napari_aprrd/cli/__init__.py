"""The command line: the engine applied to files, folders and globs."""

import io
import sys

from . import benchmark, denoise, inspect, learn
from .common import app

__all__ = ["app", "benchmark", "denoise", "inspect", "learn", "main"]


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # Names may hold characters that the terminal's encoding lacks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
