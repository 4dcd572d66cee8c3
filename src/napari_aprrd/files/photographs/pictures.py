"""PNG and JPEG: single pictures, grey or in colour, with what photographs say besides."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UserError
from ..file_format import FileFormat, check_series
from ..picture import Picture
from ..units import METRES, symbol
from . import png_chunks
from .exif import PREFIX, orientation, turned_upright, upright

# A stronger compression would add more error than there is noise left. Colours keep their
# resolution as well: 4:4:4.
_JPEG_OPTIONS = {"quality": 95, "subsampling": "4:4:4"}
_LONGEST_MARKER = 65_000  # bytes of EXIF, XMP or a comment that a JPEG can hold
_HIGHEST_DENSITY = {"in": 2**16 - 1, "m": 2**31 - 1}  # pixels per unit: of JPEG, of PNG
_ROUNDING = 0.01  # of a density; a coarser one is left out


@dataclass(frozen=True)
class Extras:
    """What else a picture's file says; written back to the same format.

    Parameters
    ----------
    chunks : tuple of (bytes, bytes)
        Texts and colour space of a PNG: kind and content of each part.
    options : dict
        Comment and XMP of a JPEG, as Pillow takes them.
    """

    chunks: tuple[png_chunks.Chunk, ...] = ()
    options: dict[str, bytes] = field(default_factory=dict)


class _SinglePicture(FileFormat):
    """What PNG and JPEG have in common."""

    dtypes: ClassVar[tuple[str, ...]]
    samples: ClassVar[tuple[int, ...]]  # that a pixel may have
    unit: ClassVar[str]  # of the resolution
    pillow_formats: ClassVar[list[str]]

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Read a picture; always into memory, since it is compressed as a whole."""
        check_series(series, 1)
        content = path.read_bytes()
        for kind in (Png(), Jpeg()):
            if content.startswith(kind.first_bytes) and not isinstance(self, type(kind)):
                picture = kind._opened(content)
                note = f"It is {kind.name}, whatever its name says."
                return replace(picture, notes=(note, *picture.notes))
        return self._opened(content)

    def _opened(self, content: bytes) -> Picture:
        from PIL import Image, UnidentifiedImageError

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tags, which are kept as they are
            try:
                with Image.open(BytesIO(content), formats=self.pillow_formats) as image:
                    return self._picture(image, content)
            except Image.DecompressionBombError as error:
                raise UserError("it has too many pixels for this format; use .tif.") from error
            except UnidentifiedImageError as error:
                raise ValueError("its header cannot be read") from error

    def _picture(self, image: Any, content: bytes) -> Picture:
        count, turn = getattr(image, "n_frames", 1), orientation(image)
        data, note = self._pixels(image, content)
        notes = [
            note,
            f"Only the first of its {count} pictures is read." if count > 1 else "",
            "It is turned upright, as its EXIF says." if turn != 1 else "",
        ]
        stored = "YX" if turn > 4 else "XY"  # along X first, as the pixels are stored
        sizes = zip(stored, image.info.get("dpi", ()), strict=False)
        scale = {axis: _step(float(dpi), self.unit) for axis, dpi in sizes if dpi > 0}
        return Picture(
            data=turned_upright(data, turn),
            axes="YX" if data.ndim == 2 else "YXS",
            scale=scale,
            units=dict.fromkeys(scale, self.unit),
            native=self._extras(image, content, turned=turn != 1),
            icc_profile=image.info.get("icc_profile") or b"",
            exif=upright(image.info.get("exif") or b""),
            notes=tuple(filter(None, notes)),
        )

    @abstractmethod
    def _pixels(self, image: Any, content: bytes) -> tuple[NDArray[Any], str]:
        """The pixels (Y, X) or (Y, X, S) as they are stored, and a note."""

    @abstractmethod
    def _extras(self, image: Any, content: bytes, turned: bool) -> Extras:
        """What else the file says; without texts that may name the turn, if it was turned."""

    def objection(self, dtype: np.dtype[Any], axes: str, shape: Sequence[int] = ()) -> str:
        """Refuse stacks, and types and transparency that the format does not have."""
        lengths = dict(zip(axes, shape or (2,) * len(axes), strict=True))
        samples = lengths.pop("S", 1) if shape else self.samples[0]
        stacked = any(n > 1 for letter, n in lengths.items() if letter not in "YXS")
        if stacked or dtype not in [np.dtype(name) for name in self.dtypes]:
            bits = " or ".join(str(8 * np.dtype(name).itemsize) for name in self.dtypes)
            return f"this format holds single pictures of {bits} bits; use .tif instead."
        if samples in self.samples:
            return ""
        if samples in (2, 4):
            return "this format has no transparency; use .png or .tif instead."
        return f"this format holds no pixels of {samples} samples; use .tif instead."

    def _density(self, picture: Picture) -> tuple[int, int] | None:
        """Pixels per unit along X and Y, where they are known and the format can hold them."""
        density = []
        for axis in "XY":
            metres = METRES.get(symbol(picture.units.get(axis, "")), 0)
            step = picture.scale.get(axis, 0) * metres
            exact = METRES[self.unit] / step if step > 0 else 0
            if not 1 <= exact <= _HIGHEST_DENSITY[self.unit]:
                return None
            if abs(round(exact) - exact) > _ROUNDING * exact:
                return None
            density.append(round(exact))
        return density[0], density[1]


class Jpeg(_SinglePicture):
    """Pictures of 8 bits, grey or in colour."""

    suffixes: ClassVar[tuple[str, ...]] = (".jpg", ".jpeg")
    name = "a JPEG"
    first_bytes = (b"\xff\xd8\xff",)
    dtypes = ("u1",)
    samples = (1, 3)
    unit = "in"
    pillow_formats: ClassVar[list[str]] = ["JPEG"]  # opens those of several pictures as well

    def _pixels(self, image: Any, content: bytes) -> tuple[NDArray[Any], str]:
        if image.mode not in ("L", "RGB"):
            raise UserError(f"its colours are {image.mode}, for printing; convert it to RGB.")
        return np.array(image), ""

    def _extras(self, image: Any, content: bytes, turned: bool) -> Extras:
        names = ("comment",) if turned else ("comment", "xmp")
        return Extras(options={n: image.info[n] for n in names if image.info.get(n)})

    def write(self, path: Path, picture: Picture) -> None:
        """Write a picture with little loss."""
        from PIL import Image

        extras = dict(picture.native.options) if isinstance(picture.native, Extras) else {}
        if picture.exif:
            extras["exif"] = PREFIX + picture.exif.removeprefix(PREFIX)
        options: dict[str, Any] = {k: v for k, v in extras.items() if len(v) <= _LONGEST_MARKER}
        if density := self._density(picture):
            options["dpi"] = density
        if picture.icc_profile:
            options["icc_profile"] = picture.icc_profile
        image = Image.fromarray(_as_stored(picture))
        image.save(path, "JPEG", **_JPEG_OPTIONS, **options)


class Png(_SinglePicture):
    """Pictures of 8 and 16 bits, grey or in colour, with or without alpha."""

    suffixes = (".png",)
    name = "a PNG"
    first_bytes = (b"\x89PNG\r\n\x1a\n",)
    dtypes = ("u1", "u2")
    samples = (1, 2, 3, 4)
    unit = "m"
    pillow_formats: ClassVar[list[str]] = ["PNG"]

    def _pixels(self, image: Any, content: bytes) -> tuple[NDArray[Any], str]:
        bits, kind = png_chunks.bits_and_kind(content)
        if kind == png_chunks.PALETTE:
            return _resolved(image)
        if bits == 1:
            raise UserError("it is black and white, 1 bit a pixel: there is no noise to remove.")
        if bits == 16:  # which Pillow reads as 8, but for grey ones
            import imagecodecs

            return np.asarray(imagecodecs.png_decode(content)), ""
        if "transparency" in image.info:  # a colour that stands for nothing
            image = image.convert(f"{image.mode}A")
        return np.array(image), f"Its {bits} bits are scaled to 8." if bits < 8 else ""

    def _extras(self, image: Any, content: bytes, turned: bool) -> Extras:
        kinds = png_chunks.COLOUR_SPACE if turned else png_chunks.COLOUR_SPACE + png_chunks.TEXTS
        return Extras(chunks=png_chunks.chunks_of(content, kinds))

    def write(self, path: Path, picture: Picture) -> None:
        """Write a picture."""
        import imagecodecs

        chunks = list(picture.native.chunks) if isinstance(picture.native, Extras) else []
        if picture.icc_profile:  # which takes the place of sRGB
            chunks = [chunk for chunk in chunks if chunk[0] != b"sRGB"]
            chunks.append(png_chunks.icc_chunk(picture.icc_profile))
        if density := self._density(picture):
            chunks.append(png_chunks.resolution_chunk(density))
        if picture.exif:
            chunks.append(png_chunks.exif_chunk(picture.exif.removeprefix(PREFIX)))
        content = bytes(imagecodecs.png_encode(_as_stored(picture)))
        path.write_bytes(png_chunks.with_chunks(content, chunks))


def _step(dpi: float, unit: str) -> float:
    """Size of a pixel; a PNG counts whole pixels per metre, which Pillow gives per inch."""
    return 1 / dpi if unit == "in" else 1 / round(dpi / METRES["in"])


def _resolved(image: Any) -> tuple[NDArray[Any], str]:
    """The colours that a palette stands for; grey if all of them are."""
    colours = np.reshape(image.getpalette(), (-1, 3))
    mode = "L" if (np.ptp(colours, axis=1) == 0).all() else "RGB"
    what = "grey values" if mode == "L" else "colours"
    mode += "A" * ("transparency" in image.info)
    return np.array(image.convert(mode)), f"Its palette is replaced by the {what} in it."


def _as_stored(picture: Picture) -> NDArray[Any]:
    """The pixels as (Y, X) or (Y, X, S), without axes of length 1 and in native byte order."""
    data, axes = np.asarray(picture.data), picture.axes
    kept = [letter for letter in axes if letter in "YXS"]
    plane = data[tuple(slice(None) if letter in kept else 0 for letter in axes)]
    order = [letter for letter in "YXS" if letter in kept]
    plane = plane.transpose([kept.index(letter) for letter in order])
    if "S" in order and plane.shape[-1] == 1:
        plane = plane[..., 0]
    return np.ascontiguousarray(plane)
