"""Readers of denoising benchmarks: SIDD, DND, PolyU, CC, and any folder of pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ..core.errors import UserError
from .dnd import Dnd
from .pairs import Pairs
from .sample import DataSet
from .sidd import Sidd

Name = Literal["sidd", "dnd", "polyu", "cc", "pairs"]
_READERS: dict[Name, Callable[[Path], DataSet]] = {
    "sidd": Sidd.find,
    "dnd": Dnd.find,
    "polyu": Pairs.of_polyu,
    "cc": Pairs.of_cc,
    "pairs": Pairs.find,
}


def open_dataset(name: Name, root: Path) -> DataSet:
    """Find the files of a data set, anywhere below a folder.

    Raises
    ------
    UserError
        If they are missing; the message names the official page.
    """
    if not root.is_dir():
        raise UserError(f"There is no folder {root}.")
    return _READERS[name](root)
