"""CZI, ND2, LIF, DeltaVision and LSM: what is read of them, and what is written instead.

The plugins of bioio are not needed: a stand-in with the parts that are used does for most tests.
Where they are installed, files that are made here are read by them.
"""

from __future__ import annotations

import struct
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
import xarray as xr
from core.makers import random_denoiser
from ome_types import OME
from ome_types.model import Channel, Image, Pixels
from typer.testing import CliRunner

from napari_aprrd import cli
from napari_aprrd.core.errors import UserError
from napari_aprrd.files.formats import find_files, images_in, read_picture, write_picture
from napari_aprrd.files.microscopes.bioio_formats import BIOIO_FORMATS
from napari_aprrd.files.picture import Picture

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 4000, (2, 1, 3, 40, 36), dtype=np.uint16)  # T C Z Y X
INSTALL = r'pip install "napari-aprrd\[formats\]"'


def run(*words: object) -> Any:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def ome(names: list[str], shape: dict[str, int], colour: str = "#00FF00") -> OME:
    channels = [Channel(id=f"Channel:{n}", name=name, color=colour) for n, name in enumerate(names)]
    lengths = {f"size_{letter.lower()}": shape.get(letter, 1) for letter in "TCZYX"}
    pixels = Pixels(dimension_order="XYZCT", type="uint16", channels=channels, **lengths)
    return OME(images=[Image(pixels=pixels, name="first")])


class Reader:
    """A scene as a plugin of bioio gives it."""

    def __init__(self, data: Any, dims: str, names: list[str] | None = None, **facts: Any) -> None:
        chunks = tuple(n if d in "YXS" else 1 for d, n in zip(dims, data.shape, strict=True))
        lazy = da.from_array(data, chunks=chunks)
        self.shape, self.channel_names = data.shape, names
        self.xarray_dask_data = xr.DataArray(lazy, dims=tuple(dims))
        lengths = dict(zip(dims, data.shape, strict=True))
        self.dims = SimpleNamespace(order=dims, **lengths)
        self.physical_pixel_sizes = SimpleNamespace(Z=0.0, Y=0.065, X=0.065)
        self.time_interval: timedelta | None = timedelta(seconds=2)
        self.ome_metadata = ome(names, lengths) if names else None
        vars(self).update(facts)

    @property
    def mosaic_xarray_dask_data(self) -> Any:
        raise NotImplementedError


class BioImage:
    """Stands in for bioio's: opens what `scenes` of the test holds."""

    content: dict[str, Reader]

    def __init__(self, path: Path, **_: Any) -> None:
        if path.read_bytes() == b"foreign":
            raise ValueError("no such file type")
        warnings.warn("a library speaks", UserWarning, stacklevel=1)
        self.scenes = tuple(self.content)
        self.set_scene(0)

    def set_scene(self, number: int) -> None:
        self.reader = self.content[self.scenes[number]]


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install the stand-in, with these scenes in every file."""

    def install(**scenes: Reader) -> None:
        for name in ("bioio", *(file_format.plugin for file_format in BIOIO_FORMATS)):
            module = ModuleType(name)
            module.__spec__ = ModuleSpec(name, None)
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(sys.modules["bioio"], "BioImage", BioImage, raising=False)
        monkeypatch.setattr(BioImage, "content", scenes, raising=False)

    return install


@pytest.fixture
def no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra were not installed, whether it is or not."""
    monkeypatch.setattr("napari_aprrd.files.microscopes.bioio_formats.find_spec", lambda _: None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "cells.nd2").write_bytes(b"pixels")
    return tmp_path / "cells.nd2"


@pytest.mark.parametrize("in_memory", [2**20, 0])
def test_pixels_axes_steps_and_channels_come_from_the_plugin(
    plugin: Callable[..., None], path: Path, in_memory: int
) -> None:
    plugin(first=Reader(STACK, "TCZYX", ["GFP"]))
    picture = read_picture(path, in_memory=in_memory)
    assert picture.axes == "TZYX"  # there is one channel only
    assert isinstance(picture.data, np.ndarray) == bool(in_memory)
    np.testing.assert_array_equal(np.asarray(picture.data), STACK[:, 0])
    assert picture.scale == {"T": 2.0, "Y": 0.065, "X": 0.065}
    assert picture.units == {"T": "s", "Y": "µm", "X": "µm"}
    assert [(c.name, c.colour) for c in picture.channels] == [("GFP", "00FF00")]
    assert picture.native.images[0].name == "first"
    assert picture.notes == ()


def test_planes_are_read_when_they_are_asked_for(plugin: Callable[..., None], path: Path) -> None:
    plugin(first=Reader(STACK, "TCZYX"))
    picture = read_picture(path, in_memory=0)
    window = picture.as_planes.read(4, slice(3, 9), slice(5, 12))
    np.testing.assert_array_equal(window[0], STACK[1, 0, 1, 3:9, 5:12])


def test_the_largest_scene_is_read_and_the_others_are_named(
    plugin: Callable[..., None], path: Path
) -> None:
    plugin(overview=Reader(STACK[0, 0, 0], "YX"), film=Reader(STACK, "TCZYX"))
    picture = read_picture(path)
    assert (picture.series, picture.series_count, picture.name) == (2, 2, "film")
    assert picture.notes == ("1 other image of the file left out, the largest is read (--series).",)
    assert read_picture(path, series=1).data.shape == (40, 36)
    assert read_picture(path, series=1).notes == ()
    assert [image.name for image in images_in(path)] == ["overview", "film"]
    with pytest.raises(UserError, match="There is no image 3"):
        read_picture(path, series=3)


def test_colours_of_czi_are_in_the_usual_order(plugin: Callable[..., None], tmp_path: Path) -> None:
    blue_first = RNG.integers(0, 255, (1, 40, 36, 3), dtype=np.uint8)
    plugin(first=Reader(blue_first, "TYXS"))
    (tmp_path / "a.czi").write_bytes(b"pixels")
    picture = read_picture(tmp_path / "a.czi")
    assert picture.axes == "YXS"
    np.testing.assert_array_equal(picture.data, blue_first[0, ..., ::-1])


def test_tiles_that_cannot_be_joined_are_images_of_their_own(
    plugin: Callable[..., None], path: Path
) -> None:
    plugin(first=Reader(STACK[:, 0], "MZYX"))
    picture = read_picture(path)
    assert picture.axes == "MZYX"
    assert "tiles of the mosaic are not joined" in picture.notes[0]


def test_a_file_that_its_plugin_opens_but_cannot_read_gets_one_sentence(
    plugin: Callable[..., None], path: Path
) -> None:
    def fail(_: Any) -> Any:
        raise ValueError("axes don't match array")

    reader = Reader(STACK, "TCZYX")
    reader.xarray_dask_data.data = reader.xarray_dask_data.data.map_blocks(fail, dtype="u2")
    plugin(first=reader)
    for in_memory in (2**20, 0):
        with pytest.raises(UserError, match=r"cannot read this file \(axes don't.*OME-TIFF"):
            read_picture(path, in_memory=in_memory)
    path.write_bytes(b"foreign")
    with pytest.raises(UserError, match="is not an ND2 image"):
        read_picture(path)


@pytest.mark.usefixtures("no_plugin")
@pytest.mark.parametrize("suffix", [s for f in BIOIO_FORMATS for s in f.suffixes])
def test_what_is_missing_is_named_with_how_to_install_it(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(b"pixels")
    with pytest.raises(UserError, match=INSTALL):
        read_picture(tmp_path / f"a{suffix}")
    with pytest.raises(UserError, match=f"There are no images in .* is left out.*{INSTALL}"):
        find_files([str(tmp_path)])
    tifffile.imwrite(tmp_path / "b.tif", STACK[0, 0, 0])
    said: list[str] = []
    assert find_files([str(tmp_path)], said.append) == [tmp_path / "b.tif"]
    assert len(said) == 1
    assert f"a{suffix} is left out" in said[0]


@pytest.mark.parametrize("suffix", [".czi", ".nd2", ".lif", ".dv", ".lsm"])
def test_they_are_never_written(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"can only be read; use .ome.tif or .zarr instead"):
        write_picture(tmp_path / f"a{suffix}", Picture(STACK[0, 0, 0], "YX"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_them_is_denoised_into_ome_tiff(
    plugin: Callable[..., None], tmp_path: Path
) -> None:
    plugin(first=Reader(STACK, "TCZYX", ["GFP"]))
    (tmp_path / "in").mkdir()
    for name in ("a.b.czi", "c.LIF"):
        (tmp_path / "in" / name).write_bytes(b"pixels")
    random_denoiser(width=2).save(tmp_path / "m.aprrd")
    words = ("denoise", tmp_path / "in", "--model", tmp_path / "m.aprrd", "-o", tmp_path / "out")
    result = run(*words)
    assert result.exit_code == 0, result.output
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["a.b.ome.tif", "c.ome.tif", "summary.csv"]
    with tifffile.TiffFile(tmp_path / "out" / "c.ome.tif") as tiff:
        assert tiff.is_ome
    picture = read_picture(tmp_path / "out" / "c.ome.tif")
    assert picture.data.shape == (2, 3, 40, 36)
    assert picture.scale["X"] == pytest.approx(0.065)


@pytest.fixture
def lsm(tmp_path: Path) -> Path:
    """An LSM as its microscopes write them: an image, its thumbnail, a table of facts."""
    data = RNG.integers(0, 4000, (3, 40, 36), dtype=np.uint16)
    facts = bytearray(332)  # CZ_LSMINFO
    struct.pack_into("<IiiiiiiiII", facts, 0, 0x00400494C, 332, 36, 40, 1, 3, 1, 2, 4, 4)
    struct.pack_into("<ddd", facts, 40, 2.5e-7, 2.5e-7, 1e-19)
    tag = (34412, 1, len(facts), bytes(facts), True)
    with tifffile.TiffWriter(tmp_path / "a.lsm", byteorder="<") as writer:
        options: dict[str, Any] = {
            "metadata": None,
            "photometric": "minisblack",
            "planarconfig": "separate",
        }
        writer.write(data, extratags=[tag], **options)
        writer.write(data[:, ::4, ::4], subfiletype=1, **options)
    return tmp_path / "a.lsm"


def test_lsm_is_read_without_the_extra(lsm: Path) -> None:
    picture = read_picture(lsm)
    assert (picture.axes, picture.data.shape) == ("CYX", (3, 40, 36))
    assert picture.scale == pytest.approx({"Y": 0.25, "X": 0.25})
    assert picture.units == {"Y": "µm", "X": "µm"}
    assert picture.series_count == 1  # the thumbnail is none
    lazy = read_picture(lsm, in_memory=0)
    np.testing.assert_array_equal(np.asarray(lazy.data[:]), picture.data)


def lif(path: Path, data: Any, name: str = "cells") -> None:
    """Write (Z, Y, X) as Leica's LIF: XML in UTF-16, then the pixels."""
    z, y, x = data.shape
    steps = [(1, x, data.itemsize, 1e-7), (2, y, data.itemsize * x, 1e-7)]
    steps.append((3, z, data.itemsize * x * y, 5e-7))
    dimensions = "".join(
        f'<DimensionDescription DimID="{number}" NumberOfElements="{n}" Origin="0" '
        f'Length="{step * (n - 1)}" Unit="m" BytesInc="{increment}" BitInc="0"/>'
        for number, n, increment, step in steps
    )
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="p" Visibility="1" UniqueID="a"><Data>'
        f'</Data><Children><Element Name="{name}" Visibility="1" UniqueID="b"><Data><Image '
        'TextDescription=""><ImageDescription><Channels><ChannelDescription DataType="0" '
        'ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="65535" Unit="" '
        'LUTName="Green" IsLUTInverted="0" BytesInc="0" BitInc="0"/></Channels><Dimensions>'
        f"{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{data.nbytes}" MemoryBlockID="MemBlock_1"/></Element></Children></Element>'
        "</LMSDataContainerHeader>"
    )
    text, block = xml.encode("utf-16-le"), "MemBlock_1".encode("utf-16-le")
    content = struct.pack("<IIBI", 0x70, len(text) + 5, 0x2A, len(text) // 2) + text
    content += struct.pack("<IIBQBI", 0x70, len(block) + 14, 0x2A, data.nbytes, 0x2A, 10) + block
    path.write_bytes(content + data.tobytes())


def test_a_true_lif_is_read_by_its_plugin(tmp_path: Path) -> None:
    pytest.importorskip("bioio_lif")
    lif(tmp_path / "a.lif", STACK[0, 0])
    for in_memory in (2**20, 0):
        picture = read_picture(tmp_path / "a.lif", in_memory=in_memory)
        assert picture.axes == "ZYX"
        np.testing.assert_array_equal(np.asarray(picture.data), STACK[0, 0])
        assert picture.scale == pytest.approx({"Z": 0.5, "Y": 0.1, "X": 0.1})
        assert [channel.name for channel in picture.channels] == ["Green"]


@pytest.mark.parametrize("colours", [False, True])
def test_a_true_czi_is_read_by_its_plugin(tmp_path: Path, colours: bool) -> None:
    pytest.importorskip("bioio_czi")
    czi = pytest.importorskip("pylibCZIrw.czi")
    planes = STACK[0, 0]
    if colours:
        planes = RNG.integers(0, 255, (3, 40, 36, 3), dtype=np.uint8)
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for z, plane in enumerate(planes):
            blue_first = plane[..., ::-1] if colours else plane[..., None]
            file.write(data=np.ascontiguousarray(blue_first), plane={"C": 0, "T": 0, "Z": z})
        file.write_metadata(scale_x=1e-7, scale_y=1e-7, scale_z=5e-7)
    for in_memory in (2**20, 0):
        picture = read_picture(tmp_path / "a.czi", in_memory=in_memory)
        assert picture.axes == ("ZYXS" if colours else "ZYX")
        np.testing.assert_array_equal(np.asarray(picture.data), planes)
        assert picture.scale == pytest.approx({"Z": 0.5, "Y": 0.1, "X": 0.1})
