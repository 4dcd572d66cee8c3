"""Pages of the documentation, parts of which are written by programs.

A part stands between `<!-- name -->` and `<!-- /name -->`; everything else is written by hand.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from napari_aprrd.core.atomic_files import write_atomically


def fill(page: Path, parts: dict[str, str]) -> None:
    """Replace the parts of a page.

    Raises
    ------
    ValueError
        If the page has no place for one.
    """
    text = page.read_text()
    for name, part in parts.items():
        place = re.compile(rf"(<!-- {name} -->)(\n*).*?(<!-- /{name} -->)", re.DOTALL)
        # Text within a line stays there; a block stands between empty lines.
        text, found = place.subn(
            lambda ends, part=part: _between(ends[1], part, ends[3], block=bool(ends[2])), text
        )
        if found != 1:
            raise ValueError(f"{page} has {found} places for {name!r} instead of one.")
    write_atomically(page, partial(Path.write_text, data=text))


def _between(begin: str, part: str, end: str, *, block: bool) -> str:
    gap = "\n\n" if block else ""
    return f"{begin}{gap}{part}{gap}{end}"
