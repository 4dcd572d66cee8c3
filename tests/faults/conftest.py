"""The table of faults and of what survived them, printed at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Note = Callable[[str, int, str], None]
ROWS = pytest.StashKey[list[tuple[str, int, str]]]()


@pytest.fixture
def survived(request: pytest.FixtureRequest) -> Note:
    """Note a fault, how often it struck, and what survived; call it when all is checked."""
    rows = request.config.stash.setdefault(ROWS, [])
    return lambda fault, times, what: rows.append((fault, times, what))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("faults")
        terminalreporter.line("| fault | times | what survived |\n| --- | --- | --- |")
        for fault, times, what in rows:
            terminalreporter.line(f"| {fault} | {times} | {what} |")
