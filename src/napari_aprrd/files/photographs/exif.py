"""Which way up a photograph is, as its EXIF says."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ORIENTATION = 0x0112  # number of the tag
PREFIX = b"Exif\0\0"
_ENTRY = 12  # bytes of a tag in a directory


def orientation(image: Any) -> int:
    """Where the first row and column of an open picture belong: 1 (upright) to 8.

    From 5 on rows and columns are exchanged.
    """
    value = image.getexif().get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def turned_upright(pixels: NDArray[Any], value: int) -> NDArray[Any]:
    """Turn (Y, X) or (Y, X, S) as its orientation asks for."""
    if value > 4:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if value in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if value in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(pixels[rows, columns])


def upright(exif: bytes) -> bytes:
    """The same EXIF block for pixels that are upright.

    Nothing else is changed or moved: notes of camera makers count bytes from its beginning.
    """
    content, start = bytearray(exif), len(PREFIX) * exif.startswith(PREFIX)
    order = ">" if exif[start : start + 2] == b"MM" else "<"
    try:
        first = start + struct.unpack_from(f"{order}I", content, start + 4)[0]
        (count,) = struct.unpack_from(f"{order}H", content, first)
        for entry in range(first + 2, first + 2 + _ENTRY * count, _ENTRY):
            if struct.unpack_from(f"{order}H", content, entry)[0] == _ORIENTATION:
                struct.pack_into(f"{order}H", content, entry + 8, 1)
    except struct.error:  # cut off, or no EXIF at all: it is kept as it is
        return exif
    return bytes(content)
