"""What widgets say about jobs, in words for people who want their image clean."""

from __future__ import annotations

import math

from ....core.jobs import BAR, Progress

# The engine's stages in the words of someone who does not know the method.
STAGES = {
    "Inspect noise": "Measuring the noise",
    "Train teacher": "Learning what is noise",
    "Choose targets": "Checking what was learnt",
    "Compute targets": "Preparing the fast model",
    "Distil student": "Training the fast model",
    "Calibrate": "Matching the brightness",
    "Checkpoint": "Going on from where it was",
    "Compare": "Comparing the images",
    "Denoise": "Denoising",
}


def describe(report: Progress) -> str:
    """One line on the progress of a job: what it does, how far it is, how long it will take."""
    share = f"{int(100 * report.fraction)} %"  # as the bar rounds it
    left = report.seconds_left
    ending = f", {duration(left)} left" if math.isfinite(left) else ""
    return f"{STAGES.get(report.stage, report.stage)}: {share}{ending}"


def numbers(report: Progress) -> str:
    """The same in the method's numbers."""
    counts = report.total != BAR  # else these are steps of a bar for several jobs
    parts = [f"{report.stage}: step {report.step} of {report.total}" if counts else report.stage]
    if report.loss is not None:
        parts.append(f"loss {report.loss:.3g}")
    if report.speed > 0 and counts:
        parts.append(f"{report.speed:.1f} steps/s")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Format a time as "45 s", "3 min", "2.5 h" or "12 days"; numbers stay beside their units."""
    if seconds < 90:
        text = f"{seconds:.0f} s"
    elif seconds < 5400:
        text = f"{seconds / 60:.0f} min"
    elif seconds < 172_800:
        text = f"{seconds / 3600:.1f} h"
    else:
        text = f"{seconds / 86_400:.0f} days"
    return text.replace(" ", "\N{NO-BREAK SPACE}")
