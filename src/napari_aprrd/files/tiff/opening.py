"""An open TIFF: which images it holds, and which of their planes were recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UserError
from ..library_logs import listening
from .ome_files import OmeFile, own_images

# What tifffile says of planes that are not there; `recorded_part` says it in other words.
_SAID_ELSEWHERE = ("Missing data are zeroed", "failed to read", "index out of range")
_PLANES_OF = {"T": "time points", "Z": "slices", "C": "channels", "": "planes"}


@dataclass
class OpenTiff:
    """A TIFF that is open.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    series : list of tifffile.TiffPageSeries
        Its images, in the file's order.
    ome : OmeFile, optional
        What its OME metadata says, where that describes the images.
    notes : list of str
        Sentences on what was guessed or left out in the file as a whole.
    """

    tiff: Any
    series: list[Any]
    ome: OmeFile | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def largest(self) -> int:
        """Number of the image with the most pixels, from 1; the first of equals."""
        sizes = [int(np.prod(series.shape, dtype=np.int64)) for series in self.series]
        return sizes.index(max(sizes)) + 1


@contextmanager
def open_tiff(path: Path) -> Iterator[OpenTiff]:
    """Open a TIFF and find its images.

    Raises
    ------
    UserError
        If it holds none.
    """
    import tifffile

    with listening() as heard, ExitStack() as stack:
        tiff = stack.enter_context(tifffile.TiffFile(path))
        ome, notes = own_images(tiff.ome_metadata or "", path) if tiff.is_ome else (None, [])
        if tiff.is_ome and (ome is None or ome.text != tiff.ome_metadata):
            how = {"omexml": ome.text} if ome is not None else {"is_ome": False}
            tiff = stack.enter_context(tifffile.TiffFile(path, **how))
        series, broken = _series(tiff)
        if ome is not None and (broken or series[0].kind not in ("ome", "mmstack")):
            ome = None
            notes.append("Its OME metadata does not fit its pages, which are read as they come.")
            tiff = stack.enter_context(tifffile.TiffFile(path, is_ome=False))
            series, broken = _series(tiff)
        if broken is not None:
            raise broken
        merged = _appended(series)
        if merged is not None:
            notes.append(f"{len(series)} pages of one size are read as one stack (--axes).")
            series = [merged]
        yield OpenTiff(tiff, series, ome, [*notes, *_complaints(heard)])


def _series(tiff: Any) -> tuple[list[Any], Exception | None]:
    """The images of a file, or why tifffile cannot tell them."""
    try:
        series = list(tiff.series)
    except Exception as error:  # tifffile raises what it likes on metadata that is wrong
        return [], error
    if not series:
        return [], UserError("it holds no image.")
    return series, None


def _complaints(heard: list[str]) -> list[str]:
    """What tifffile warned of, as one sentence; nothing where another sentence says it."""
    others = [text for text in heard if not any(words in text for words in _SAID_ELSEWHERE)]
    if not others:
        return []
    text = " ".join(others[0].split())
    if text.startswith("<tifffile."):
        text = text.partition("> ")[2]
    return [f"The file is not quite regular ({text[:120].rstrip('. ')})."]


def _appended(series: list[Any]) -> Any:
    """Pages that were appended one by one, as one stack; None where it is something else."""
    import tifffile

    first = series[0]
    alike = (
        each.kind == "shaped"
        and not each.is_pyramidal
        and len(each) == 1
        and (each.shape, each.dtype, each.axes) == (first.shape, first.dtype, first.axes)
        and each.keyframe.hash == first.keyframe.hash
        for each in series
    )
    if len(series) == 1 or not all(alike):
        return None
    pages = [page for each in series for page in each]
    return tifffile.TiffPageSeries(
        pages,
        (len(pages), *first.shape),
        first.dtype,
        f"Q{first.axes}",
        parent=first.parent,
        kind="appended",
        squeeze=False,
    )


@dataclass(frozen=True)
class Recorded:
    """The part of an image that was recorded.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        That part.
    whole : tifffile.TiffPageSeries
        The image as the file describes it.
    kept : dict of str to tuple of int
        Places along the axes that were shortened.
    notes : tuple of str
        What is missing.
    """

    series: Any
    whole: Any
    kept: dict[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def recorded_part(tiff: Any, series: Any) -> Recorded:
    """Leave out planes that an acquisition that was stopped, or a missing file, lacks.

    The largest block of planes is kept that begins at the first and has no gap.

    Raises
    ------
    UserError
        If there is no such block.
    """
    if tiff.is_imagej and series.kind == "generic":
        series, there = _cut_imagej(tiff, series)
    elif len(series) == 1 or series.dataoffset is not None:
        return Recorded(series, series)
    else:
        there = np.array([_is_recorded(page) for page in series])
    if there.all():
        return Recorded(series, series)
    lengths = _plane_lengths(series, len(there))
    there = there.reshape(lengths)
    channel = series.axes[: len(lengths)].find("C")
    places = _largest_block(there, channel if channel >= 0 else None)
    if not all(places):
        raise UserError("none of its planes was recorded.")
    return _cut(series, there, places)


def _is_recorded(page: Any) -> bool:
    """Whether a plane is in the file, with all its bytes."""
    if page is None or not any(page.databytecounts):
        return False
    ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
    size: int = page.parent.filehandle.size
    return max(ends) <= size


def check_complete(series: Any) -> None:
    """Make sure that the file does not end before the pixels do.

    Raises
    ------
    ValueError
    """
    page = series.keyframe
    ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
    end = max(ends, default=0)
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    if end > page.parent.filehandle.size or len(page.dataoffsets) < np.prod(page.chunked):
        raise ValueError("it ends before its pixels do")


def _cut_imagej(tiff: Any, series: Any) -> tuple[Any, NDArray[np.bool_]]:
    """An ImageJ stack as its metadata describes it, and which planes the file has."""
    import tifffile

    about, page = tiff.imagej_metadata or {}, tiff.pages.first
    counts = [max(int(about.get(name, 1)), 1) for name in ("frames", "slices", "channels")]
    if np.prod(counts) == 1:
        counts[1] = max(int(about.get("images", 1)), 1)
    count = int(np.prod(counts))
    room = (tiff.filehandle.size - page.dataoffsets[0]) // max(page.nbytes, 1)
    # Only a stack that lies in the file as one block has planes without pages.
    if len(tiff.pages) > 1 or not page.is_contiguous or not 0 < room < count:
        return series, np.ones(len(series), bool)
    whole = tifffile.TiffPageSeries(
        [page], (*counts, *page.shape), page.dtype, f"TZC{page.axes}",
        parent=tiff, kind="imagej", truncated=True,
    )  # fmt: skip
    return whole, np.arange(count) < room


def _plane_lengths(series: Any, count: int) -> tuple[int, ...]:
    """Lengths of the axes that count the planes of a series."""
    lengths = tuple(map(int, series.shape))
    leading = next(n for n in range(len(lengths)) if np.prod(lengths[:n], dtype=int) == count)
    return lengths[:leading]


def _largest_block(there: NDArray[np.bool_], channel: int | None) -> list[tuple[int, ...]]:
    """Places along each axis: the largest block of planes that begins at the first.

    Only whole channels may be missing between others; and where the first plane is missing, the
    complete places along one axis are taken.
    """
    leading = there
    for axis in range(there.ndim):
        leading = np.logical_and.accumulate(leading, axis)
    volumes = np.where(leading, np.prod(np.indices(there.shape) + 1, axis=0), 0)
    lengths = np.add(np.unravel_index(int(volumes.argmax()), there.shape), 1)
    best, volume = [tuple(range(int(n))) for n in lengths], int(volumes.max())
    for axis in range(there.ndim) if not volume else [channel] if channel is not None else []:
        others = tuple(other for other in range(there.ndim) if other != axis)
        complete = tuple(map(int, np.flatnonzero(there.all(others))))
        if len(complete) * there.size // there.shape[axis] > volume:
            volume = len(complete) * there.size // there.shape[axis]
            best = [tuple(range(length)) for length in there.shape]
            best[axis] = complete
    return best if volume else [()]


def _cut(series: Any, there: NDArray[np.bool_], places: list[tuple[int, ...]]) -> Recorded:
    import tifffile

    axes, shape = series.axes, tuple(map(int, series.shape))
    numbers = np.arange(there.size).reshape(there.shape)[np.ix_(*places)]
    one_block = len(series) == 1
    pages = [series[0]] if one_block else [series[int(n)] for n in numbers.ravel()]
    part = tifffile.TiffPageSeries(
        pages,
        (*numbers.shape, *shape[there.ndim :]),
        series.dtype,
        axes,
        parent=series.parent,
        name=series.name,
        kind=series.kind,
        transform=series.transform,
        truncated=one_block,
        squeeze=series.kind != "shaped",
    )
    short = {
        letter: kept
        for letter, kept, length in zip(axes, places, there.shape, strict=False)
        if len(kept) < length
    }
    return Recorded(part, series, short, (_missing(there, axes, short, numbers.size),))


def _missing(
    there: NDArray[np.bool_], axes: str, short: dict[str, tuple[int, ...]], used: int
) -> str:
    """The sentence on planes that are not there."""
    recorded = int(there.sum())
    if len(short) == 1 and recorded == used:
        ((letter, kept),) = short.items()
        name = _PLANES_OF.get(letter, "planes")
        return f"{len(kept)} of {there.shape[axes.index(letter)]} {name} were recorded."
    sentence = f"{recorded} of {there.size} planes were recorded"
    if used == recorded:
        return f"{sentence}."
    ranges = (
        f"{len(kept)} of {there.shape[axes.index(letter)]} {_PLANES_OF.get(letter, 'planes')}"
        for letter, kept in short.items()
    )
    return f"{sentence}; {' and '.join(ranges)} are complete and read."
