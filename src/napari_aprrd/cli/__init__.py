"""The command line: the engine applied to files, folders and globs."""

from . import benchmark, denoise, inspect, learn
from .common import app

__all__ = ["app", "benchmark", "denoise", "inspect", "learn", "main"]


def main() -> None:
    """Run the command line."""
    app()
