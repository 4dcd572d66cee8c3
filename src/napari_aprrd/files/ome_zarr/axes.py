"""Names of the axes of a Zarr as letters: "time" is T, "angle" is a letter that is free."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

from ...axes import LETTERS, infer_axes

_KNOWN = {
    **{"t": "T", "time": "T", "z": "Z", "c": "C", "channel": "C", "channels": "C"},
    **{"y": "Y", "x": "X", "s": "S", "i": "I"},
}
_OF_TYPES = {"time": "T", "channel": "C"}
_UNNAMED = re.compile(r"dim_\d+")  # as xarray, and this program, call axes of unknown meaning
_LONG = 10**6  # rows and columns that are not taken for anything else
_MOST_SAMPLES = 4  # red, green, blue and alpha; a longer axis "s" is something else


@dataclass(frozen=True)
class NamedAxes:
    """Axes as letters.

    Parameters
    ----------
    letters : str
        One for each dimension.
    named : bool
        Whether the file says what they are.
    notes : tuple of str
        On what was guessed.
    """

    letters: str
    named: bool = True
    notes: tuple[str, ...] = ()


def letters_of(
    names: Sequence[str | None], shape: Sequence[int], types: Sequence[str] = ()
) -> NamedAxes:
    """Letters of axes that a file names.

    Parameters
    ----------
    names : sequence of str or None
        As many as there are dimensions, else all are guessed.
    shape : sequence of int
    types : sequence of str
        Of OME-Zarr: "time", "channel", "space", or empty.
    """
    unknown = [not says(name) for name in names]
    if len(names) != len(shape) or all(unknown):
        return NamedAxes(infer_axes(shape), named=False)
    words = [(name or "").strip() for name in names]
    letters = _known(words, shape, types or [""] * len(words))
    notes = _find_rows_and_columns(letters, words, unknown)
    _guess_stacks(letters, shape, unknown)
    if not {"Y", "X"} <= set(letters):  # as in a picture of time and depth
        return NamedAxes(infer_axes(shape), named=False)
    for place, word in enumerate(words):
        letters[place] = letters[place] or _free_letter(word, letters)
    return NamedAxes("".join(letters), not any(unknown), notes)


def says(name: str | None) -> bool:
    """Whether a name says what the axis is."""
    return bool(name) and not _UNNAMED.fullmatch(name or "")


def _known(words: list[str], shape: Sequence[int], types: Sequence[str]) -> list[str]:
    """The letters of the names, then the types, that are known; each letter once."""
    letters = [""] * len(words)
    for place, word in enumerate(words):
        letter = _KNOWN.get(word.lower(), "")
        too_many = letter == "S" and shape[place] > _MOST_SAMPLES
        letters[place] = "" if too_many or letter in letters else letter
    for place, kind in enumerate(types):
        letter = _OF_TYPES.get(kind, "")
        if not letters[place] and letter not in letters:
            letters[place] = letter
    spaces = [n for n, kind in enumerate(types) if kind == "space" and not letters[n]]
    missing = [letter for letter in "XYZ" if letter not in letters]
    for place, letter in zip(reversed(spaces), missing, strict=False):  # X is the last of them
        letters[place] = letter
    return letters


def _find_rows_and_columns(
    letters: list[str], words: list[str], unknown: list[bool]
) -> tuple[str, ...]:
    """Take the last axes for Y and X where none is called so, as in "lat" and "lon"."""
    missing = [letter for letter in "YX" if letter not in letters]
    places = [place for place, letter in enumerate(letters) if not letter][-len(missing) or None :]
    if not missing or len(places) < len(missing):
        return ()
    for place, letter in zip(places, missing, strict=True):
        letters[place] = letter
    if any(unknown[place] for place in places):
        return ()
    named = " and ".join(repr(words[place]) for place in places)
    what = f"Axes {named} are" if len(places) > 1 else f"Axis {named} is"
    return (f"{what} taken for {' and '.join(missing)} (--axes).",)


def _guess_stacks(letters: list[str], shape: Sequence[int], unknown: list[bool]) -> None:
    """Give axes without a name the letters that a stack of planes would have."""
    places = [n for n, letter in enumerate(letters) if not letter and unknown[n]]
    guessed = infer_axes([*(shape[place] for place in places), _LONG, _LONG])[:-2] if places else ""
    for place, letter in zip(places, guessed, strict=True):
        letters[place] = letter if letter not in letters else ""


def _free_letter(word: str, letters: list[str]) -> str:
    """The first letter of a name that means nothing else; it counts independent images."""
    taken = {*LETTERS, *letters} if "I" in letters else {*LETTERS, *letters} - {"I"}
    candidates = [letter for letter in word.upper() if letter in string.ascii_uppercase]
    alphabet: list[str] = [*candidates, "I", *string.ascii_uppercase]
    return next(letter for letter in alphabet if letter not in taken)
