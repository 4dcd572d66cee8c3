"""Formats of microscopes that are read but not written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..core.errors import UserError
from .file_format import FileFormat
from .picture import Picture

_INSTEAD = ".ome.tif"  # keeps axes, channels, pixel sizes and units


class ReadOnlyFormat(FileFormat):
    """A format whose images are written as OME-TIFF."""

    can_write: ClassVar[bool] = False

    def write(self, path: Path, picture: Picture) -> None:
        """Refuse, see `objection`."""
        raise UserError(f"Cannot write {path}: {self.objection(picture.data.dtype, picture.axes)}")

    def objection(self, dtype: np.dtype[Any], axes: str, shape: Sequence[int] = ()) -> str:
        """Refuse every image, and say which formats can hold it."""
        return f"{self.name} file can only be read; use {_INSTEAD} or .zarr instead."

    def output_name(self, path: Path) -> str:
        """NAME.ome.tif for NAME.czi."""
        return f"{path.stem}{_INSTEAD}"
