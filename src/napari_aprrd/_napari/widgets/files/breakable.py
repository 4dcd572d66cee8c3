"""Long names in labels that wrap: Qt breaks lines only between words."""

from __future__ import annotations

import re

_LONG = re.compile(r"\S{20,}")  # a word that may be wider than what is left of a line
_PART = re.compile(r"[\W_]|\w{20}")


def breakable(text: str) -> str:
    """The same text, of which a narrow label may break long names and paths, too."""
    return _LONG.sub(lambda word: _PART.sub(_with_a_break, word[0]), text)


def _with_a_break(part: re.Match[str]) -> str:
    return f"{part[0]}\N{ZERO WIDTH SPACE}"
