"""Which axis of an array is which: named by the user, or guessed from the shape; in words."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import UserError

LETTERS = "ITZCYXS"  # independent images, time, slices, channels, rows, columns, RGB samples
_BY_DIMENSIONS = {2: "YX", 3: "TYX", 4: "TZYX", 5: "TZCYX", 6: "ITZCYX"}
_NUMBERS = "uif"
_SMALLEST_SIDE = 32  # pixels, of planes that are guessed to lie along the last axis
_FEW_PLANES = 64  # more of them could as well be the columns of an image


def check_array(data: Any) -> None:
    """Refuse arrays that are not images.

    Raises
    ------
    UserError
        For masks, complex and object arrays, empty arrays, fewer than two dimensions, and dask
        arrays whose size is not known.
    """
    dtype, shape = getattr(data, "dtype", None), getattr(data, "shape", None)
    if dtype is None or shape is None:
        raise UserError(f"An image must be an array, got {type(data).__name__}.")
    if dtype.kind not in _NUMBERS:
        raise UserError(f"Images of type {dtype} cannot be denoised; convert to real numbers.")
    if len(shape) < 2:
        raise UserError(f"An image has at least two dimensions, got {len(shape)}.")
    if 0 in shape:
        raise UserError(f"The image is empty (shape {tuple(shape)}).")
    if any(length != length for length in shape):  # NaN, as dask has it
        raise UserError(
            f"The dask array has chunks of unknown size (shape {tuple(shape)}); "
            "call its compute_chunk_sizes() first."
        )


def infer_axes(shape: Sequence[int], axes: str | None = None) -> str:
    """Name the axes of an array.

    Parameters
    ----------
    shape : sequence of int
    axes : str, optional
        One letter for each dimension, for example "TZCYX". Capital letters other than those of
        "ITZCYXS" count independent images. Without, the axes are guessed, see `guess_axes`.

    Returns
    -------
    str
        Upper-case letters.

    Raises
    ------
    UserError
        If the letters do not fit the shape.
    """
    return guess_axes(shape).axes if axes is None else _check_axes(axes.upper(), shape)


def _check_axes(axes: str, shape: Sequence[int]) -> str:
    if len(axes) != len(shape):
        raise UserError(
            f"Axes {axes} name {len(axes)} dimensions, the image has {len(shape)}: {tuple(shape)}."
        )
    unknown = set(axes) - set(string.ascii_uppercase)
    if unknown or len(set(axes)) < len(axes):
        raise UserError(
            f"Axes {axes} are not understood; use each of the letters {LETTERS} once, and others "
            "for independent images."
        )
    if not {"Y", "X"} <= set(axes):
        raise UserError(f"Axes {axes} lack Y or X.")
    return axes


@dataclass(frozen=True)
class AxesGuess:
    """Names of axes that were guessed from the shape alone.

    Parameters
    ----------
    axes : str
        One letter for each dimension.
    taken : str
        What was guessed beyond "a stack of planes": "The last axis of 4 is taken for ...".
    otherwise : str
        The axes of another reading; empty where nothing was guessed.
    can_lose : bool
        Whether a part of the image stays noisy, or is mixed up, if the guess is wrong.
    """

    axes: str
    taken: str = ""
    otherwise: str = ""
    can_lose: bool = False

    def note(self, option: str = "--axes {}") -> str:
        """A sentence on the guess and the option that reads it otherwise; empty without one."""
        if not self.taken:
            return ""
        return f"{self.taken}; {option.format(self.otherwise)} reads it otherwise."


def guess_axes(shape: Sequence[int]) -> AxesGuess:
    """Guess the axes of an array that nobody has named.

    A last axis of 3 or 4 after larger ones is colours (and alpha), one of length 1 is a channel.
    Where the first two axes look like the sides of an image and the last does not, planes lie
    along the last axis, as in NIfTI and MATLAB. Else the last two axes are rows and columns.

    Raises
    ------
    UserError
        If there are too few or too many dimensions.
    """
    shape = tuple(shape)
    dimensions = len(shape)
    if dimensions >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) > 4:
        return _colours_last(shape)
    if dimensions >= 3 and shape[-1] == 1:
        return _channel_last(shape)
    if dimensions == 3 and _planes_last(*shape):
        return _taken_for_planes(f"axis of {shape[-1]} is", "YXZ")
    if dimensions == 4 and _planes_last(*shape[1:]):
        return _taken_for_planes(f"axis of {shape[-1]} is", "TYXZ")
    if dimensions == 4 and _slices_and_times_last(*shape):
        return _taken_for_planes(f"two axes of {shape[-2]} x {shape[-1]} are", "YXZT")
    return AxesGuess(stack_axes(shape))


def stack_axes(shape: Sequence[int]) -> str:
    """Name the axes of a stack whose last two axes are rows and columns, whatever their lengths.

    Raises
    ------
    UserError
        If there are too few or too many dimensions.
    """
    if len(shape) not in _BY_DIMENSIONS:
        raise UserError(f"Cannot guess the axes of shape {tuple(shape)}; name them (setting axes).")
    return _BY_DIMENSIONS[len(shape)]


def _colours_last(shape: tuple[int, ...]) -> AxesGuess:
    axes = stack_axes(shape[:-1])
    other = next((letter for letter in "ZCTI" if letter not in axes), "S")
    what = "colours and alpha, which is copied" if shape[-1] == 4 else "colours"
    taken = f"The last axis of {shape[-1]} is taken for {what}"
    return AxesGuess(f"{axes}S", taken, f"{axes}{other}", can_lose=shape[-1] == 4)


def _channel_last(shape: tuple[int, ...]) -> AxesGuess:
    """Of "grey or RGB" code a last axis of length 1 is left; it is neither columns nor a guess."""
    inner = guess_axes(shape[:-1])
    letter = next((letter for letter in "CI" if letter not in inner.axes), "")
    if not letter:
        stack_axes((*shape, 1))  # raises
    otherwise = f"{inner.otherwise}{letter}" if inner.otherwise else ""
    return AxesGuess(f"{inner.axes}{letter}", inner.taken, otherwise, inner.can_lose)


def _taken_for_planes(last: str, axes: str) -> AxesGuess:
    return AxesGuess(
        axes, f"The last {last} taken for planes", _BY_DIMENSIONS[len(axes)], can_lose=True
    )


def _planes_last(height: int, width: int, count: int) -> bool:
    """Whether an array looks like planes along its last axis.

    A film of tall strips, such as 100 x 1756 x 45, has no such square front; nor have films of
    ordinary cameras, whose last two axes are the longer ones.
    """
    short, long = sorted((height, width))
    if short < _SMALLEST_SIDE:
        return False
    if short == long:
        return 2 * count <= short
    return long <= 2 * short and count < _FEW_PLANES and 5 * count <= short


def _slices_and_times_last(height: int, width: int, slices: int, times: int) -> bool:
    """Whether an array looks like the volumes of a time series in a NIfTI: (Y, X, Z, T)."""
    short, long = sorted((height, width))
    if short < _SMALLEST_SIDE or slices >= short:
        return False
    fewer, more = sorted((slices, times))
    return fewer < more if short == long else long <= 2 * short and 2 * fewer < more


_NAMES = {
    "I": ("image", "images"),
    "T": ("time point", "time points"),
    "Z": ("slice", "slices"),
    "C": ("channel", "channels"),
    "S": ("colour", "colours"),
}
_WITH_ALPHA = {2: "grey and alpha", 4: "3 colours and alpha"}


def count_axes(shape: Sequence[int], axes: str, named: bool = True) -> str:
    """What an array counts: "TYX, 5 time points of 128 x 128".

    Parameters
    ----------
    shape : sequence of int
    axes : str
        One letter for each dimension.
    named : bool
        False: the axes were guessed; what is stacked is then called planes, whatever it is.
    """
    lengths = dict(zip(axes, map(int, shape), strict=True))
    size = f"{lengths['Y']} x {lengths['X']}"
    others = {letter: length for letter, length in lengths.items() if letter not in "YX"}
    if not named:
        stacked = [str(length) for letter, length in others.items() if letter not in "CS"]
        planes = [f"{' x '.join(stacked)} planes"] if stacked else []
        others = {letter: length for letter, length in others.items() if letter in "CS"}
        return f"{' x '.join([*planes, *_counted(others)]) or 'one plane'} of {size}"
    return f"{axes}, {' x '.join(_counted(others)) or 'one plane'} of {size}"


def _counted(lengths: dict[str, int]) -> list[str]:
    return [_count(letter, length) for letter, length in lengths.items()]


def _count(letter: str, length: int) -> str:
    if letter == "S" and length in _WITH_ALPHA:
        return _WITH_ALPHA[length]
    name = _NAMES.get(letter, (f"image along {letter}", f"images along {letter}"))
    return f"{length} {name[length != 1]}"
