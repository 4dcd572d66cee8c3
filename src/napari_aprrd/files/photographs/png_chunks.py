"""The parts of a PNG besides its pixels: Pillow does not write those of 16-bit colour pictures.

The format: PNG specification, third edition, https://www.w3.org/TR/png-3/, section 11.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

Chunk = tuple[bytes, bytes]  # kind and content

_BEGINNING = 33  # bytes: signature and header
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
PALETTE = 3  # kind of the colours
COLOUR_SPACE = (b"sRGB", b"gAMA", b"cHRM")


def bits_and_kind(content: bytes) -> tuple[int, int]:
    """Bits of a sample, and the kind of the colours: 0 grey, 2 RGB, 3 palette, 4 and 6 alpha."""
    return content[24], content[25]


def chunks_of(content: bytes, kinds: Sequence[bytes]) -> tuple[Chunk, ...]:
    """Chunks of some kinds, in their order."""
    found, place = [], _BEGINNING
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        if kind in kinds:
            found.append((kind, content[place + 8 : place + 8 + length]))
        place += 12 + length
    return tuple(found)


def with_chunks(content: bytes, chunks: Sequence[Chunk]) -> bytes:
    """Put chunks between the header and the pixels."""
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"".join([content[:_BEGINNING], *parts, content[_BEGINNING:]])


def icc_chunk(profile: bytes) -> Chunk:
    """A colour profile; its name in the file means nothing."""
    return b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)


def exif_chunk(exif: bytes) -> Chunk:
    """EXIF, which has no prefix in PNG."""
    return b"eXIf", exif


def resolution_chunk(per_metre: tuple[int, int]) -> Chunk:
    """Pixels per metre along X and Y."""
    return b"pHYs", struct.pack(">IIB", *per_metre, 1)
