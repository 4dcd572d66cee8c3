"""The command line, called within the process of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.makers import THREE_STEPS
from typer.testing import CliRunner, Result

from napari_aprrd import cli


def options(settings: dict[str, Any]) -> list[str]:
    """Settings as they are given in a shell."""
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


QUICK = options(THREE_STEPS)


def call(*arguments: object, **env: str) -> Result:
    """How a command ends, with what it says."""
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], env=env or None)


def succeed(*arguments: object) -> str:
    """Standard output of a command that must go well."""
    result = call(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def contents(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder; None for folders."""
    paths = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in paths}
