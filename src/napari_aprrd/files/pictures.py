"""PNG and JPEG: single pictures, grey or in colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .file_format import FileFormat, check_series
from .picture import Picture, without_names


class Jpeg(FileFormat):
    """Pictures of 8 bits."""

    suffixes: ClassVar[tuple[str, ...]] = (".jpg", ".jpeg")
    name = "a JPEG"
    first_bytes = (b"\xff\xd8\xff",)

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Read a picture; always into memory, since it is compressed as a whole."""
        import imageio.v3 as iio

        check_series(series, 1)
        with path.open("rb") as file:
            return without_names(iio.imread(file, plugin="pillow"))

    def write(self, path: Path, picture: Picture) -> None:
        """Write a picture."""
        import imageio.v3 as iio

        iio.imwrite(path, np.asarray(picture.data))

    def objection(self, dtype: np.dtype[Any], axes: str) -> str:
        """Refuse stacks, transparency and everything but 8 bits."""
        if dtype == np.uint8 and axes in ("YX", "YXS"):
            return ""
        return "this format holds single 8-bit pictures; use .tif instead."


class Png(Jpeg):
    """Pictures of 8 bits; grey ones of 16 bits as well."""

    suffixes = (".png",)
    name = "a PNG"
    first_bytes = (b"\x89PNG\r\n\x1a\n",)

    def objection(self, dtype: np.dtype[Any], axes: str) -> str:
        """Refuse what JPEG refuses, except for grey pictures of 16 bits."""
        return "" if dtype == np.uint16 and axes == "YX" else super().objection(dtype, axes)
