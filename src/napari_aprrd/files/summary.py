"""The table of what became of many files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from ..core.atomic_files import write_atomically
from .batch import Result

SUMMARY = "summary.csv"


def write_summary(results: Sequence[Result], folder: Path) -> Path:
    """Write a CSV file with a line for each file; it replaces no table but an earlier summary.

    Returns
    -------
    Path
        ``summary.csv`` in the folder; ``summary-2.csv`` and so on beside a table of the user's.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Result)], lineterminator="\n")
    writer.writeheader()
    header = text.getvalue()
    writer.writerows(asdict(result) for result in results)
    path, number = folder / SUMMARY, 1
    while path.exists() and not _begins_with(path, header):
        number += 1
        path = folder / f"summary-{number}.csv"
    # Names may hold characters that the machine's encoding lacks, even bytes of another one.
    content = text.getvalue().encode("utf-8", "surrogateescape")
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return path


def _begins_with(path: Path, header: str) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline() == header
    except OSError:  # also a folder of that name
        return False
