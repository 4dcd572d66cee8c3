"""The command line: the same engine over files, folders and globs."""

from . import denoise, learn, look
from ._common import app

__all__ = ["app", "denoise", "learn", "look", "main"]


def main() -> None:
    """Run the command line."""
    app()
