"""What the axes of a TIFF's images are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...axes import infer_axes
from .tags import has_alpha, shaped_metadata


@dataclass(frozen=True)
class NamedAxes:
    """A letter for each axis, whether the file says which, and what was guessed otherwise."""

    axes: str
    known: bool = True
    notes: tuple[str, ...] = ()


def name_axes(series: Any) -> NamedAxes:
    """A letter for each axis of an image, and whether the file says which."""
    shape, letters = tuple(map(int, series.shape)), str(series.axes).upper()
    if len(letters) != len(shape) or not {"Y", "X"} <= set(letters):
        return NamedAxes(infer_axes(shape), False)
    letters, notes = _samples(letters, shape, series)
    # tifffile writes Q for an axis of unknown kind, and I for pages that nobody named.
    nameless = "Q" if series.kind == "shaped" else "QI"
    unknown = [letter for letter in letters if letter in nameless]
    if not unknown:
        letters, notes = _unique(letters, notes)
        return NamedAxes(letters, True, notes)
    said = "axes" in shaped_metadata(series.keyframe)
    if series.kind == "shaped" and not said and set(letters) <= set("QYX"):
        return NamedAxes(infer_axes(shape), False, notes)  # any of them may be the rows
    guesses = iter(_guess(len(unknown), letters))
    letters = "".join(next(guesses) if letter in nameless else letter for letter in letters)
    letters, notes = _unique(letters, notes)
    return NamedAxes(letters, False, notes)


def _guess(count: int, taken: str) -> list[str]:
    """Letters for axes without a name, in their order."""
    usual = infer_axes((2,) * count + (9, 9))[:-2] if count <= 4 else "ITZC"
    spare = [letter for letter in "TZCI" if letter not in taken and letter not in usual]
    free = [letter for letter in usual if letter not in taken] + spare
    return free[:count] + ["I"] * (count - len(free))


def _unique(letters: str, notes: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Name axes anew whose letter another one has."""
    unique = ""
    for letter in letters:
        spare = next(other for other in "IRPVUWGKDNBFJMO" if other not in letters + unique)
        if letter in unique:
            notes = (*notes, f"Two axes are called {letter}; one is read as {spare} (--axes).")
            letter = spare
        unique += letter
    return unique, notes


def _samples(letters: str, shape: tuple[int, ...], series: Any) -> tuple[str, tuple[str, ...]]:
    """Call samples of a pixel channels, unless they are colours or grey with alpha."""
    if "S" not in letters or "C" in letters:
        return letters, ()
    count, page = shape[letters.index("S")], series.keyframe
    said = series.kind == "shaped" and "axes" in shaped_metadata(page)
    rgb = int(page.photometric) in (2, 6) and count in (3, 4)
    if rgb or (count == 2 and has_alpha(page)) or (said and count in (2, 3, 4)):
        return letters, ()
    notes = (f"{count} samples of each pixel are read as channels (--axes).",) if count > 1 else ()
    return letters.replace("S", "C"), notes
