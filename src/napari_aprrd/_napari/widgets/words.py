"""Numbers in words."""

from __future__ import annotations

from ...core.jobs import Progress


def describe(report: Progress) -> str:
    """One line on the progress of a job."""
    parts = [f"{report.stage}: step {report.step} of {report.total}"]
    if report.loss is not None:
        parts.append(f"loss {report.loss:.3g}")
    if report.speed > 0:
        parts += [f"{report.speed:.1f} steps/s", f"{duration(report.seconds_left)} left"]
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Format a time as "45 s", "3 min" or "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
