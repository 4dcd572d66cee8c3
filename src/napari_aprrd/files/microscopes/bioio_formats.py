"""CZI, ND2, LIF and DeltaVision, read by the plugins of bioio: the extra `formats`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...core.errors import UserError, cause
from ..file_format import check_series
from ..library_logs import quiet
from ..picture import Channel, Picture
from ..read_only import ReadOnlyFormat

EXTRA = 'pip install "napari-aprrd[formats]"'
_MOST_COMPARED = 50  # series; of more, the first is read, since each takes time to open
_TALKERS = (
    "bioio",
    "bioio_base",
    "aicspylibczi",
    "liffile",
    "mrc",
    "nd2",
    "ome_types",
    "xmlschema",
)


class BioioFormat(ReadOnlyFormat):
    """A format that one of bioio's plugins reads, plane by plane.

    A subclass names the plugin.
    """

    plugin: ClassVar[str]
    """Name of the plugin's module."""
    options: ClassVar[dict[str, Any]] = {}
    """Of the plugin's reader."""

    def missing(self) -> str:
        """Name the extra, where bioio or its plugin is not installed."""
        if find_spec("bioio") is not None and find_spec(self.plugin) is not None:
            return ""
        return f"to read {self.name} file, install its reader: {EXTRA}."

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Read a scene: small ones into memory, others plane by plane."""
        with self._opened(path) as image:
            count = len(image.scenes)
            check_series(series, count)
            number = series or _largest(image)
            picture = self._picture(image, number, _left_out(number, series, count))
            try:
                return _checked(picture, in_memory)
            except Exception as error:  # a reader that opens a file need not understand it all
                which = f" image {number} of" if count > 1 else ""
                raise UserError(
                    f"the reader of {self.plugin} cannot read{which} this file ({cause(error)}); "
                    "save it as OME-TIFF with the program of the microscope or with Fiji."
                ) from error

    def images(self, path: Path) -> list[Picture]:
        """All scenes; no pixels are read."""
        with self._opened(path) as image:
            return [self._picture(image, n + 1, ()) for n in range(len(image.scenes))]

    def array(self, reader: Any) -> Any:
        """The scene as an xarray of dask; the tiles of a mosaic are joined, if possible."""
        if "M" not in reader.dims.order or reader.dims.M == 1:
            return reader.xarray_dask_data
        try:
            return reader.mosaic_xarray_dask_data
        except NotImplementedError:
            return reader.xarray_dask_data

    def _picture(self, image: Any, number: int, notes: tuple[str, ...]) -> Picture:
        """One scene, lazily."""
        image.set_scene(number - 1)
        reader, count = image.reader, len(image.scenes)
        array = self.array(reader)
        lengths = dict(zip(map(str, array.dims), array.shape, strict=True))
        # What the file counts but has only one of.
        array = array.isel({d: 0 for d, n in lengths.items() if n == 1 and d not in "YXS"})
        if "M" in array.dims:
            notes = (*notes, "The tiles of the mosaic are not joined: each is an image of its own.")
        axes = _letters(array.dims)
        ome = _ome(reader, number - 1, count)
        channels = _channels(reader, ome, lengths.get("C", 1))
        scale, units = _steps(reader, array, axes)
        return Picture(
            *(array.data, axes, scale, units, "ome"),
            channels=channels,
            native=ome,
            series=number,
            series_count=count,
            name=str(image.scenes[number - 1]),
            notes=notes,
        )

    @contextmanager
    def _opened(self, path: Path) -> Iterator[Any]:
        """Open a file; its readers' warnings and log lines stay off the console.

        Raises
        ------
        UserError
            If bioio or its plugin is missing or does not work.
        """
        if sentence := self.missing():
            raise UserError(sentence)
        with quiet(*_TALKERS, self.plugin):
            try:
                from bioio import BioImage
            except ImportError as error:
                raise UserError(f"bioio cannot be loaded ({cause(error)}).") from error
            yield BioImage(path, **self.options)


class Czi(BioioFormat):
    """Zeiss; the tiles of a mosaic are joined."""

    suffixes: ClassVar[tuple[str, ...]] = (".czi",)
    name = "a CZI"
    first_bytes = (b"ZISRAWFILE",)
    plugin = "bioio_czi"
    # One plane at a time, not whole stacks. "A" are the colours: bioio-czi 3.0 reads the first of
    # them three times unless they are read together.
    options: ClassVar[dict[str, Any]] = {"chunk_dims": ["Y", "X", "S", "A"]}

    def array(self, reader: Any) -> Any:
        """The scene, with its colours in the usual order: the files and their plugin have BGR."""
        array = super().array(reader)
        order = [2, 1, 0, 3][: array.sizes.get("S", 0)]
        return array.isel(S=order) if order else array


class Nd2(BioioFormat):
    """Nikon; those of before 2010 are JPEG 2000 inside."""

    suffixes: ClassVar[tuple[str, ...]] = (".nd2",)
    name = "an ND2"
    first_bytes = (b"\xda\xce\xbe\x0a", b"\x00\x00\x00\x0cjP  ")
    plugin = "bioio_nd2"


class Lif(BioioFormat):
    """Leica."""

    suffixes: ClassVar[tuple[str, ...]] = (".lif",)
    name = "a LIF"
    first_bytes = (b"\x70\x00\x00\x00",)
    plugin = "bioio_lif"
    options: ClassVar[dict[str, Any]] = {"chunk_dims": ["Y", "X"]}


class DeltaVision(BioioFormat):
    """Applied Precision, GE; its files have no first bytes to be recognised by."""

    suffixes: ClassVar[tuple[str, ...]] = (".dv", ".r3d")
    name = "a DeltaVision"
    plugin = "bioio_dv"


BIOIO_FORMATS = (Czi(), Nd2(), Lif(), DeltaVision())


def _largest(image: Any) -> int:
    """Number, from 1, of the scene with the most pixels."""
    if not 1 < len(image.scenes) <= _MOST_COMPARED:
        return 1
    sizes = []
    for index in range(len(image.scenes)):
        image.set_scene(index)
        sizes.append(int(np.prod(image.reader.shape, dtype=np.int64)))
    return 1 + sizes.index(max(sizes))


def _left_out(number: int, chosen: int | None, count: int) -> tuple[str, ...]:
    """Say which images of the file are not read, where nobody has chosen."""
    if chosen is not None or count == 1:
        return ()
    others = "1 other image" if count == 2 else f"{count - 1} other images"
    why = "the first is" if number == 1 and count > _MOST_COMPARED else "the largest is"
    return (f"{others} of the file left out, {why} read (--series).",)


def _checked(picture: Picture, in_memory: int) -> Picture:
    """The picture, in memory if it is small; else one pixel is read to see that it can be."""
    if picture.data.nbytes <= in_memory:
        return replace(picture, data=np.asarray(picture.data))
    np.asarray(picture.data[(slice(1),) * picture.data.ndim])
    return picture


def _letters(dims: tuple[Any, ...]) -> str:
    """One letter for each dimension; those of longer or strange names get a free one."""
    free = iter(letter for letter in "IQPHREABDFG" if letter not in dims)
    plain = [len(d) == 1 and d.isascii() and d.isalpha() for d in map(str, dims)]
    return "".join(str(d).upper() if ok else next(free) for d, ok in zip(dims, plain, strict=True))


def _steps(reader: Any, array: Any, axes: str) -> tuple[dict[str, float], dict[str, str]]:
    """Steps along the axes in micrometres and seconds, which all plugins convert to."""
    sizes = reader.physical_pixel_sizes
    steps = {"Z": sizes.Z, "Y": sizes.Y, "X": sizes.X, "T": _interval(reader, array)}
    scale = {a: float(s) for a, s in steps.items() if a in axes and s and np.isfinite(s) and s > 0}
    return scale, {a: "s" if a == "T" else "µm" for a in scale}


def _interval(reader: Any, array: Any) -> float | None:
    """Seconds between time points; bioio's LIF reader tells when each was taken instead."""
    interval = reader.time_interval
    if interval is not None:
        return float(getattr(interval, "total_seconds", lambda: interval)())
    in_seconds = "T" in array.coords and "lif" in type(reader).__module__
    times = np.asarray(array.coords["T"].values if in_seconds else 0)
    if times.ndim != 1 or len(times) < 2 or times.dtype.kind != "f":
        return None
    return float(times[-1] - times[0]) / (len(times) - 1)


def _ome(reader: Any, index: int, count: int) -> Any:
    """What the plugin tells of the scene as OME metadata, where it does."""
    try:
        ome = reader.ome_metadata
        images = ome.images if len(ome.images) == 1 else [ome.images[index]]
        return ome.model_copy(update={"images": images}) if len(ome.images) in (1, count) else None
    except Exception:  # the translations of the plugins do not understand every file
        return None


def _channels(reader: Any, ome: Any, count: int) -> tuple[Channel, ...]:
    """Names and colours, where there is one for each channel."""
    names = [str(name) for name in reader.channel_names or ()]
    names = ["" if name == str(n) else name for n, name in enumerate(names)]  # only counted
    told = ome.images[0].pixels.channels if ome is not None else []
    colours = [_hexadecimal(channel.color) for channel in told]
    if len(names) != count:
        return ()
    return tuple(
        Channel(name, colours[n] if len(colours) == count else "") for n, name in enumerate(names)
    )


def _hexadecimal(colour: Any) -> str:
    """Six digits; white, which OME-XML has for "not said", is none."""
    try:
        red, green, blue = colour.as_rgb_tuple(alpha=False)
    except (AttributeError, TypeError, ValueError):
        return ""
    digits = f"{red:02X}{green:02X}{blue:02X}"
    return "" if digits == "FFFFFF" else digits
