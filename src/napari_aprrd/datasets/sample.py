"""Interface that every data set has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.atomic_files import write_atomically
from ..core.errors import UserError

Denoise = Callable[[NDArray[Any]], NDArray[np.float32]]  # (Y, X, S) -> the same, same units


@dataclass(frozen=True)
class Sample:
    """A noisy image and, if it is known, the clean one.

    Parameters
    ----------
    name : str
        Name for display.
    axes : str
        One letter for each dimension.
    noisy : ndarray
    reference : ndarray, optional
        Clean image of the same shape.
    """

    name: str
    axes: str
    noisy: NDArray[Any]
    reference: NDArray[Any] | None = None


class DataSet(Protocol):
    """A benchmark: images to train on, and images to be scored on."""

    def training(self) -> Iterable[Sample]:
        """Yield noisy images to train on, read one by one.

        Raises
        ------
        UserError
            If the files are missing.
        """

    def scored(self) -> Iterable[Sample]:
        """Yield images with references; none if the organisers keep these secret."""

    def submit(self, denoise: Denoise, out: Path) -> list[Path]:
        """Denoise the images that the organisers score, and write the files that they ask for.

        Returns
        -------
        list of Path
            The files written; none if there is nothing to submit.
        """


def find_files(root: Path, pattern: str, page: str) -> list[Path]:
    """Find files anywhere below a folder.

    Parameters
    ----------
    root : Path
    pattern : str
        Pattern of their names.
    page : str
        Where to get them.

    Raises
    ------
    UserError
        If there is none.
    """
    found = sorted(root.rglob(pattern))
    if not found:
        raise UserError(f"There is no {pattern} in {root}; get it from {page}.")
    return found


def write_mat(path: Path, content: dict[str, Any]) -> Path:
    """Write a Matlab file (version 5); arrays of objects become cell arrays."""
    from scipy.io import savemat

    write_atomically(path, lambda temporary: savemat(temporary, content, appendmat=False))
    return path
