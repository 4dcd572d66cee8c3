"""The command line: the same engine over files, folders and globs."""

from . import benchmark, denoise, learn, look
from ._common import app

__all__ = ["app", "benchmark", "denoise", "learn", "look", "main"]


def main() -> None:
    """Run the command line."""
    app()
