"""TIFFs as people have them: what is read of them, what is said, and what comes back."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from napari_aprrd.core.errors import UserError
from napari_aprrd.files.description import describe
from napari_aprrd.files.formats import images_in, read_picture, write_picture
from napari_aprrd.files.picture import Channel, Choice, Picture, chosen
from napari_aprrd.files.tiff.ome_files import files_of_the_same_image

GREY: dict[str, Any] = {"photometric": "minisblack"}
RECORD = {"train": {"start": "published"}}


def pixels(*shape: int, dtype: Any = np.uint16) -> NDArray[Any]:
    return (np.arange(np.prod(shape)).reshape(shape) % 251).astype(dtype)


def write(path: Path, data: NDArray[Any], **options: Any) -> Picture:
    """Write a TIFF with tifffile and read it."""
    tifffile.imwrite(path, data, **options)
    return read_picture(path)


def back(picture: Picture, name: str = "back.tif") -> Picture:
    """Write what was read as another file beside it, and read that."""
    assert picture.path is not None
    path = picture.path.with_name(name)
    write_picture(path, picture)
    return read_picture(path)


def said(picture: Picture) -> str:
    return " ".join(picture.notes)


# Which images a file holds --------------------------------------------------------------------


def several(path: Path, *shapes: tuple[int, ...], **options: Any) -> Path:
    with tifffile.TiffWriter(path, **options) as tiff:
        for number, shape in enumerate(shapes):
            about = {"Name": f"field {number}", "axes": "TYX"[-len(shape) :]}
            tiff.write(pixels(*shape), metadata=about if options else {}, **GREY)
    return path


@pytest.mark.parametrize("options", [{}, {"ome": True}])
def test_the_image_with_the_most_pixels_is_read_and_the_others_are_named(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = several(tmp_path / "a.tif", (20, 30), (4, 32, 40), (16, 16), **options)
    picture = read_picture(path)
    assert (picture.series, picture.series_count, picture.data.shape) == (2, 3, (4, 32, 40))
    assert said(picture) == "Series 1 (20 x 30) and 3 (16 x 16) are left out (--series)."
    third = read_picture(path, series=3)
    assert (third.data.shape, third.notes) == ((16, 16), ())
    assert [image.shape for image in images_in(path)] == [(20, 30), (4, 32, 40), (16, 16)]
    with pytest.raises(UserError, match=r"no image 4; the file has images 1 to 3 \(--series\)"):
        read_picture(path, series=4)


def test_the_name_of_an_image_is_said(tmp_path: Path) -> None:
    path = several(tmp_path / "a.ome.tif", (20, 30), (4, 32, 40), ome=True)
    assert "series 2 of 2 ('field 1'), TYX, 4 time points" in str(describe(read_picture(path)))


def test_many_images_are_counted(tmp_path: Path) -> None:
    path = several(tmp_path / "a.tif", *[(20, 30 + n) for n in range(6)])
    assert said(read_picture(path)) == "5 other images of the file are left out (--series)."


def test_pages_appended_one_by_one_are_one_stack(tmp_path: Path) -> None:
    planes = pixels(5, 20, 30)
    for plane in planes:
        tifffile.imwrite(tmp_path / "a.tif", plane, append=True, **GREY)
    for in_memory in (0, 2**28):
        picture = read_picture(tmp_path / "a.tif", in_memory=in_memory)
        np.testing.assert_array_equal(picture.data[:], planes)
    assert (picture.named, picture.series_count) == (False, 1)
    assert said(picture) == "5 pages of one size are read as one stack (--axes)."


def test_pages_without_names_are_planes_and_stay_so(tmp_path: Path) -> None:
    picture = write(tmp_path / "a.tif", pixels(4, 20, 30), metadata=None, **GREY)
    again = back(picture)
    for each in (picture, again):
        assert (each.axes, each.named) == ("TYX", False)
        assert "4 planes of 20 x 30" in str(describe(each))


@pytest.mark.parametrize(
    ("shape", "axes", "read", "named"),
    [
        ((6, 20, 30), "HYX", "HYX", True),
        ((2, 6, 20, 30), "RAYX", "RAYX", True),
        ((2, 3, 20, 30), None, "TZYX", False),
        ((3, 20, 30), "QYX", "TYX", False),
        ((2, 3, 20, 30), "TQYX", "TZYX", False),
        ((2, 3, 20, 30), "TTYX", "TIYX", True),
    ],
)
def test_axes_of_any_letters_are_read_and_come_back(
    tmp_path: Path, shape: tuple[int, ...], axes: str | None, read: str, named: bool
) -> None:
    picture = write(tmp_path / "a.tif", pixels(*shape), metadata=axes and {"axes": axes}, **GREY)
    if axes is None:
        picture = write(tmp_path / "a.tif", pixels(*shape), **GREY)
    assert (picture.axes, picture.named) == (read, named)
    assert np.prod(picture.as_planes.plane_shape) == np.prod(shape[:-2])
    again = back(picture)
    assert (again.axes, again.named) == (read, named)
    np.testing.assert_array_equal(again.data, picture.data)


@pytest.mark.parametrize("options", [{}, {"ome": True}])
def test_of_a_pyramid_the_largest_level_is_read(tmp_path: Path, options: dict[str, Any]) -> None:
    data = pixels(128, 128)
    tiles: dict[str, Any] = {"tile": (32, 32), **GREY}
    with tifffile.TiffWriter(tmp_path / "a.tif", **options) as tiff:
        tiff.write(data, subifds=1, **tiles)
        tiff.write(data[::2, ::2], subfiletype=1, **tiles)
    for in_memory in (0, 2**28):
        picture = read_picture(tmp_path / "a.tif", in_memory=in_memory)
        np.testing.assert_array_equal(picture.data[:], data)
        assert (picture.series_count, picture.notes) == (1, ())


# Samples of a pixel ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes", "options"),
    [
        ((20, 30, 3), "YXS", {"photometric": "rgb"}),
        ((3, 20, 30), "SYX", {"photometric": "rgb", "planarconfig": "separate"}),
        ((20, 30, 4), "YXS", {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        ((20, 30, 4), "YXS", {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
        ((20, 30, 2), "YXS", {**GREY, "planarconfig": "contig", "extrasamples": ["unassalpha"]}),
        ((20, 30, 2), "YXC", {**GREY, "planarconfig": "contig"}),
        ((20, 30, 6), "YXC", {**GREY, "planarconfig": "contig"}),
        ((6, 20, 30), "CYX", {**GREY, "planarconfig": "separate"}),
        ((20, 30), "YX", {"photometric": "miniswhite"}),
    ],
)
def test_samples_are_read_for_what_they_are_and_come_back(
    tmp_path: Path, shape: tuple[int, ...], axes: str, options: dict[str, Any]
) -> None:
    data = pixels(*shape, dtype=np.uint8)
    picture = write(tmp_path / "a.tif", data, **options)
    assert picture.axes == axes
    again = back(picture)
    assert again.axes == axes
    np.testing.assert_array_equal(again.data, data)
    with tifffile.TiffFile(tmp_path / "back.tif") as tiff:
        page = tiff.pages.first
        assert page.photometric.name.lower() == options["photometric"]
        alpha = [kind.name.lower() for kind in page.extrasamples if kind]
        assert alpha == options.get("extrasamples", [])


def test_samples_that_are_taken_for_channels_are_named(tmp_path: Path) -> None:
    options: dict[str, Any] = {**GREY, "planarconfig": "contig"}
    picture = write(tmp_path / "a.tif", pixels(20, 30, 6), **options)
    assert said(picture) == "6 samples of each pixel are read as channels (--axes)."


def test_a_lookup_table_stays_and_its_values_are_intensities(tmp_path: Path) -> None:
    ramp = np.arange(256) * 257
    table = np.stack([ramp, 0 * ramp, ramp]).astype(np.uint16)
    data = pixels(3, 20, 30, dtype=np.uint8)
    picture = write(tmp_path / "a.tif", data, photometric="palette", colormap=table)
    assert picture.data.dtype == np.uint8
    assert "read as intensities; the palette that colours them is kept" in said(picture)
    np.testing.assert_array_equal(back(picture).data, data)
    with tifffile.TiffFile(tmp_path / "back.tif") as tiff:
        np.testing.assert_array_equal(tiff.pages.first.colormap, table)
    floats = back(replace(picture, data=data.astype(np.float32)))  # no palette can colour these
    assert floats.data.dtype == np.float32


def test_a_palette_of_colours_becomes_colours(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16)
    data = pixels(2, 20, 30, dtype=np.uint8)
    options = {"photometric": "palette", "colormap": table * np.uint16(257)}
    tifffile.imwrite(tmp_path / "a.tif", data, **options)
    for in_memory in (0, 2**28):
        picture = read_picture(tmp_path / "a.tif", in_memory=in_memory)
        assert (picture.axes, picture.data.dtype) == ("TYXS", np.uint8)
        np.testing.assert_array_equal(np.asarray(picture.data), table.T[data])
    assert "replaced by the colours of its palette" in said(picture)


def test_colours_that_are_not_rgb_are_refused(tmp_path: Path) -> None:
    data = pixels(20, 30, 4, dtype=np.uint8)
    with pytest.raises(UserError, match="its colours are CMYK; convert it to RGB"):
        write(tmp_path / "a.tif", data, photometric="separated")
    assert images_in(tmp_path / "a.tif")[0].shape == (20, 30, 4)


# What was recorded ----------------------------------------------------------------------------

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome(sizes: dict[str, int], data: str, order: str = "XYZCT", about: str = "") -> str:
    lengths = {"X": 30, "Y": 20, "Z": 1, "C": 1, "T": 1, **sizes}
    attributes = " ".join(f'Size{axis}="{length}"' for axis, length in lengths.items())
    channels = "".join(f'<Channel ID="Channel:0:{n}"/>' for n in range(lengths["C"]))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}" {about}>'
        f'<Image ID="Image:0" Name="film"><Pixels ID="Pixels:0" DimensionOrder="{order}" '
        f'Type="uint16" {attributes}>{channels}{data}</Pixels></Image></OME>'
    )


def plane(ifd: int, file: str = "", number: int = 0, **first: int) -> str:
    places = " ".join(f'First{axis}="{place}"' for axis, place in first.items())
    uuid = f"urn:uuid:00000000-0000-0000-0000-{number:012}"
    inside = f'<UUID FileName="{file}">{uuid}</UUID>' if file else ""
    return f'<TiffData IFD="{ifd}" PlaneCount="1" {places}>{inside}</TiffData>'


def write_ome(path: Path, data: NDArray[Any], xml: str) -> Path:
    tifffile.imwrite(path, data, description=xml.encode(), metadata=None, ome=False, **GREY)
    return path


@pytest.mark.parametrize("in_memory", [0, 2**28])
def test_of_an_acquisition_that_was_stopped_the_recorded_planes_are_read(
    tmp_path: Path, in_memory: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = pixels(3, 20, 30)
    xml = ome({"T": 10}, "".join(plane(t, T=t) for t in range(10)))
    picture = read_picture(write_ome(tmp_path / "a.ome.tif", data, xml), in_memory=in_memory)
    np.testing.assert_array_equal(picture.data[:], data)
    assert said(picture) == "3 of 10 time points were recorded."
    assert not caplog.records
    written = back(picture, "b.ome.tif")
    assert (written.data.shape, written.notes) == (data.shape, ())


@pytest.mark.parametrize(
    ("there", "shape", "sentence"),
    [
        # Stopped within the third time point: that one is left out.
        (
            [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)],
            (2, 2, 20, 30),
            "5 of 8 planes were recorded; 2 of 4 time points are complete and read.",
        ),
        # A gap: what comes after it is left out.
        (
            [(0, 0), (0, 1), (1, 0), (1, 1), (3, 0), (3, 1)],
            (2, 2, 20, 30),
            "6 of 8 planes were recorded; 2 of 4 time points are complete and read.",
        ),
        # One channel failed.
        ([(t, 1) for t in range(4)], (4, 20, 30), "1 of 2 channels were recorded."),
    ],
)
def test_the_largest_complete_part_is_read(
    tmp_path: Path, there: list[tuple[int, int]], shape: tuple[int, ...], sentence: str
) -> None:
    data = pixels(len(there), 20, 30)
    planes = "".join(plane(n, T=t, C=c) for n, (t, c) in enumerate(there))
    xml = ome({"T": 4, "C": 2}, planes)
    picture = read_picture(write_ome(tmp_path / "a.ome.tif", data, xml))
    assert (picture.axes, picture.data.shape) == ("TCYX" if len(shape) == 4 else "TYX", shape)
    np.testing.assert_array_equal(picture.data.reshape(-1, 20, 30), data[:4])
    assert said(picture) == sentence


def test_an_imagej_stack_that_was_cut_off_keeps_its_whole_planes(tmp_path: Path) -> None:
    data = pixels(10, 20, 30)
    tifffile.imwrite(tmp_path / "whole.tif", data, imagej=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(tmp_path / "whole.tif") as tiff:
        start = tiff.pages.first.dataoffsets[0]
    content = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: start + 4 * 1200 + 100])
    for in_memory in (0, 2**28):
        picture = read_picture(tmp_path / "a.tif", in_memory=in_memory)
        np.testing.assert_array_equal(picture.data[:], data[:4])
    assert "4 of 10 time points were recorded." in said(picture)


@pytest.mark.parametrize("in_memory", [0, 2**28])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_plane_that_was_cut_off_is_refused_also_where_it_is_read_late(
    tmp_path: Path, in_memory: int, compression: str | None
) -> None:
    data = np.random.default_rng(0).integers(0, 999, (90, 80)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression, rowsperstrip=8, **GREY)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[:-3000])
    with pytest.raises(UserError, match=r"is damaged or incomplete \(it ends before its pixels do"):
        read_picture(tmp_path / "a.tif", in_memory=in_memory)


# Datasets of several files --------------------------------------------------------------------


def dataset(folder: Path, missing: tuple[str, ...] = ()) -> NDArray[Any]:
    """Two channels, each in a file of its own, which describe both."""
    names, data = ("c0.ome.tif", "c1.ome.tif"), pixels(2, 3, 20, 30)
    planes = "".join(
        plane(t, names[c], c, T=t, C=c) for c in range(2) for t in range(3)
    )  # fmt: skip
    for c, name in enumerate(names):
        about = f'UUID="urn:uuid:00000000-0000-0000-0000-{c:012}"'
        if name not in missing:
            write_ome(folder / name, data[c], ome({"T": 3, "C": 2}, planes, "XYZTC", about))
    return data


def test_the_files_of_a_dataset_are_one_image(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    write_ome(tmp_path / "other.ome.tif", data[0], ome({"T": 3}, plane(0)))
    for name in ("c0.ome.tif", "c1.ome.tif"):
        picture = read_picture(tmp_path / name)
        np.testing.assert_array_equal(picture.data, data)
        assert files_of_the_same_image(tmp_path / name) == {"c0.ome.tif", "c1.ome.tif"}
    assert files_of_the_same_image(tmp_path / "other.ome.tif") == {"other.ome.tif"}
    (tmp_path / "a.tif").write_bytes(b"no TIFF")
    assert files_of_the_same_image(tmp_path / "a.tif") == {"a.tif"}


@pytest.mark.parametrize(("name", "lost"), [("c0.ome.tif", 1), ("c1.ome.tif", 0)])
def test_without_one_file_of_a_dataset_the_rest_is_read(
    tmp_path: Path, name: str, lost: int
) -> None:
    absent = f"c{lost}.ome.tif"
    data = dataset(tmp_path, (absent,))
    picture = read_picture(tmp_path / name)
    np.testing.assert_array_equal(picture.data, data[1 - lost])
    assert f"{absent}, which holds a part of the image, is missing." in said(picture)
    assert "1 of 2 channels were recorded." in said(picture)


def test_a_file_that_describes_images_of_others_has_only_its_own(tmp_path: Path) -> None:
    """As Bio-Formats and Micro-Manager write one file for each position."""
    names = ["p0.ome.tif", "p1.ome.tif"]
    parts = [
        ome({"T": 2}, "".join(plane(t, name, number, T=t) for t in range(2)))
        for number, name in enumerate(names)
    ]
    second = parts[1].replace(":0", ":1")
    image = second[second.index("<Image") : second.index("</OME>")]
    xml = parts[0].replace("</OME>", f"{image}</OME>")
    for number, name in enumerate(names):
        write_ome(tmp_path / name, pixels(2, 20, 30) + np.uint16(number), xml)
    for number, name in enumerate(names):
        picture = read_picture(tmp_path / name)
        assert (picture.series_count, picture.notes) == (1, ())
        assert picture.data[0, 0, 0] == number
        assert files_of_the_same_image(tmp_path / name) == {name}


def test_a_renamed_file_is_still_read(tmp_path: Path) -> None:
    data = pixels(3, 20, 30)
    xml = ome({"T": 3}, "".join(plane(t, "old.ome.tif", T=t) for t in range(3)))
    picture = read_picture(write_ome(tmp_path / "new.ome.tif", data, xml))
    np.testing.assert_array_equal(picture.data, data)
    assert (picture.flavour, picture.notes) == ("ome", ())


@pytest.mark.parametrize("there", [True, False])
def test_metadata_in_a_companion_file(tmp_path: Path, there: bool) -> None:
    data = pixels(3, 20, 30)
    uuid = 'UUID="urn:uuid:00000000-0000-0000-0000-000000000000"'
    binary = (
        f'<OME xmlns="{OME}" {uuid}><BinaryOnly MetadataFile="a.companion.ome" '
        'UUID="urn:uuid:00000000-0000-0000-0000-000000000009"/></OME>'
    )
    write_ome(tmp_path / "a.ome.tif", data, binary)
    if there:
        planes = "".join(plane(t, "a.ome.tif", T=t) for t in range(3))
        companion = ome(
            {"T": 3}, planes, about='UUID="urn:uuid:00000000-0000-0000-0000-000000000009"'
        )
        (tmp_path / "a.companion.ome").write_text(companion, encoding="utf-8")
    picture = read_picture(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(picture.data, data)
    assert picture.named == there
    assert ("a.companion.ome, the file with its OME metadata, is missing" in said(picture)) != there
    assert "a.companion.ome" in files_of_the_same_image(tmp_path / "a.ome.tif") or not there


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda xml: xml.replace("</Pixels>", ""), "Its OME metadata is damaged"),
        (lambda xml: xml.replace('SizeT="3"', ""), "does not fit its pages"),
        (lambda xml: xml.replace("Channel:0:0", "one", 1).replace('"XYZCT"', '"XYZTC"'), ""),
        (lambda xml: xml.replace('Type="uint16"', 'Type="?"'), "Its OME metadata is not valid"),
    ],
)
def test_bad_ome_metadata_costs_no_pixels(tmp_path: Path, harm: Any, sentence: str) -> None:
    data = pixels(3, 20, 30)
    xml = harm(ome({"T": 3}, '<TiffData IFD="0" PlaneCount="3"/>'))
    picture = read_picture(write_ome(tmp_path / "a.ome.tif", data, xml))
    np.testing.assert_array_equal(picture.data, data)
    assert sentence in said(picture)
    np.testing.assert_array_equal(back(picture).data, data)


def test_sizes_that_cannot_be_are_left_out(tmp_path: Path) -> None:
    xml = ome({"T": 3}, '<TiffData IFD="0" PlaneCount="3"/>').replace(
        'SizeX="30"', 'SizeX="30" PhysicalSizeX="0.1" PhysicalSizeY="0.1" PhysicalSizeZ="0.0"'
    )
    picture = read_picture(write_ome(tmp_path / "a.ome.tif", pixels(3, 20, 30), xml))
    assert (picture.scale, picture.notes) == ({"X": 0.1, "Y": 0.1}, ())


# What comes back ------------------------------------------------------------------------------

RICH = f"""<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="{OME}" Creator="a microscope">
<Experimenter ID="Experimenter:0" LastName="Müller"/>
<Instrument ID="Instrument:0"><Objective ID="Objective:0" NominalMagnification="63"/></Instrument>
<Image ID="Image:0" Name="film"><AcquisitionDate>2024-05-06T07:08:09</AcquisitionDate>
<ExperimenterRef ID="Experimenter:0"/><Description>Zellen, 37 °C</Description>
<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0"/>
<Pixels ID="Pixels:0" DimensionOrder="XYCTZ" Type="uint16" SignificantBits="12"
 SizeX="30" SizeY="20" SizeC="2" SizeT="3" SizeZ="1" PhysicalSizeX="65" PhysicalSizeXUnit="nm"
 PhysicalSizeY="65" PhysicalSizeYUnit="nm" TimeIncrement="50" TimeIncrementUnit="ms">
<Channel ID="Channel:0:0" Name="GFP" Color="16711935" EmissionWavelength="509" Fluor="eGFP"/>
<Channel ID="Channel:0:1" Name="mCherry" Color="-16776961" EmissionWavelength="610"/>
<TiffData IFD="0" PlaneCount="6"/>
{
    "".join(
        f'<Plane TheZ="0" TheT="{t}" TheC="{c}" DeltaT="{t + c / 10}" ExposureTime="{10 + c}"/>'
        for t in range(3)
        for c in range(2)
    )
}
</Pixels><ROIRef ID="ROI:0"/><AnnotationRef ID="Annotation:0"/></Image>
<StructuredAnnotations><MapAnnotation ID="Annotation:0" Namespace="lab"><Value><M K="dish">4</M>
</Value></MapAnnotation></StructuredAnnotations>
<ROI ID="ROI:0"><Union><Rectangle ID="Shape:0" X="1" Y="2" Width="3" Height="4"/></Union></ROI>
</OME>"""


def ome_of(path: Path) -> Any:
    """The metadata of a file that tifffile wrote, checked against the schema."""
    pytest.importorskip("lxml")
    import ome_types

    with tifffile.TiffFile(path) as tiff:
        return ome_types.from_xml(str(tiff.ome_metadata), validate=True)


@pytest.fixture
def rich(tmp_path: Path) -> Picture:
    return read_picture(write_ome(tmp_path / "rich.ome.tif", pixels(3, 2, 20, 30), RICH))


def test_ome_metadata_comes_back_whole(tmp_path: Path, rich: Picture) -> None:
    assert rich.channels == (Channel("GFP", "00FF00"), Channel("mCherry", "FF0000"))
    assert (rich.scale["X"], rich.units["X"], rich.units["T"]) == (65, "nm", "ms")
    again = back(replace(rich, record=RECORD), "b.ome.tif")
    assert (again.record, again.channels, again.scale) == (RECORD, rich.channels, rich.scale)
    assert again.units == rich.units
    source, written = ome_of(tmp_path / "rich.ome.tif"), ome_of(tmp_path / "b.ome.tif")
    before, after = source.images[0], written.images[0]
    for name in ("name", "description", "acquisition_date", "objective_settings", "roi_refs"):
        assert getattr(before, name) == getattr(after, name)
    assert before.pixels.planes == after.pixels.planes
    assert after.pixels.significant_bits == 12
    for a, b in zip(before.pixels.channels, after.pixels.channels, strict=True):
        assert (a.fluor, a.emission_wavelength, a.color) == (
            b.fluor,
            b.emission_wavelength,
            b.color,
        )
    for name in ("creator", "experimenters", "instruments", "rois"):
        assert getattr(source, name) == getattr(written, name)
    assert source.structured_annotations[0] in list(written.structured_annotations)
    assert written.uuid != source.uuid
    third = back(replace(again, record=RECORD), "c.ome.tif")  # the old record is replaced
    assert third.record == RECORD
    assert len(ome_of(tmp_path / "c.ome.tif").structured_annotations) == 2


def test_of_ome_metadata_what_belongs_to_the_chosen_part_comes_back(
    tmp_path: Path, rich: Picture
) -> None:
    part = chosen(rich, Choice(planes="1:3", channels="mCherry"))
    again = back(replace(part, data=part.data.astype(np.float32)), "b.ome.tif")
    assert again.axes == "TYX"
    assert again.channels == (Channel("mCherry", "FF0000"),)
    image = ome_of(tmp_path / "b.ome.tif").images[0]
    assert (image.pixels.type.value, image.pixels.significant_bits) == ("float", None)
    planes = [(p.the_t, p.the_c, p.delta_t, p.exposure_time) for p in image.pixels.planes]
    assert planes == [(0, 0, 1.1, 11), (1, 0, 2.1, 11)]
    assert image.pixels.channels[0].emission_wavelength == 610


def test_axes_that_were_named_otherwise_keep_the_rest_of_the_metadata(
    tmp_path: Path, rich: Picture
) -> None:
    renamed = chosen(rich, Choice(axes="ZCYX"))
    again = back(renamed, "b.ome.tif")
    assert (again.axes, again.channels) == ("ZCYX", rich.channels)
    assert ome_of(tmp_path / "b.ome.tif").images[0].description == "Zellen, 37 °C"


def test_channels_that_were_recorded_keep_their_names(tmp_path: Path) -> None:
    lost = RICH.replace('PlaneCount="6"', 'PlaneCount="3" FirstC="1"')  # the planes of mCherry
    lost = lost.replace("XYCTZ", "XYTCZ")
    path = write_ome(tmp_path / "a.ome.tif", pixels(3, 20, 30), lost)
    again = back(read_picture(path), "b.ome.tif")
    assert (again.axes, again.channels) == ("TYX", (Channel("mCherry", "FF0000"),))
    planes = ome_of(tmp_path / "b.ome.tif").images[0].pixels.planes
    assert [plane.exposure_time for plane in planes] == [11, 11, 11]


def test_one_image_of_several_takes_its_own_metadata(tmp_path: Path) -> None:
    path = several(tmp_path / "a.ome.tif", (20, 30), (4, 32, 40), (16, 16), ome=True)
    back(read_picture(path, series=3), "b.ome.tif")
    images = ome_of(tmp_path / "b.ome.tif").images
    assert [(image.name, image.pixels.size_x) for image in images] == [("field 2", 16)]


@pytest.mark.parametrize("axes", ["THZYX", "AZYX", "HYX"])
def test_further_axes_of_ome_come_back(tmp_path: Path, axes: str) -> None:
    shape = [{"T": 2, "H": 4, "A": 4, "Z": 3, "Y": 20, "X": 30}[letter] for letter in axes]
    about = {"axes": axes}
    picture = write(tmp_path / "a.ome.tif", pixels(*shape), ome=True, metadata=about, **GREY)
    again = back(picture, "b.ome.tif")
    assert picture.axes == again.axes == axes
    np.testing.assert_array_equal(again.data, picture.data)
    ome_of(tmp_path / "b.ome.tif")


@pytest.mark.parametrize(
    ("axes", "shape", "written"),
    [
        ("TZCYX", (2, 3, 2, 20, 30), "TZCYX"),
        ("CTYX", (2, 3, 20, 30), "CTYX"),
        ("XYC", (30, 20, 2), "CYX"),
        ("YXS", (20, 30, 3), "YXS"),
        ("YXS", (20, 30, 2), "YXS"),
        ("YXC", (20, 30, 6), "YXC"),
        ("HYX", (4, 20, 30), "HYX"),
        ("IYX", (4, 20, 30), "TYX"),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_a_name_that_ends_in_ome_tif_gives_ome_tiff(
    tmp_path: Path, axes: str, shape: tuple[int, ...], written: str, lazy: bool
) -> None:
    data = pixels(*shape)
    scale, units = {"X": 0.1, "Y": 0.2, "T": 3.0}, {"X": "µm", "Y": "µm", "T": "min"}
    count = dict(zip(axes, shape, strict=True)).get("C", 0)
    channels = tuple(Channel(f"n{n}", "FF8000") for n in range(count))
    lazily = da.from_array(data) if lazy else data
    picture = Picture(lazily, axes, scale, units, channels=channels, record=RECORD)
    path = tmp_path / "a.ome.tif"
    write_picture(path, picture)
    found = read_picture(path)
    assert (found.axes, found.flavour, found.record) == (written, "ome", RECORD)
    turned = data.transpose(2, 1, 0) if axes == "XYC" else data
    np.testing.assert_array_equal(found.data, turned)
    assert (found.scale, found.units) == (scale, units)
    if written[-1] != "C":  # samples of a pixel are one channel in OME's model
        assert found.channels == channels
    ome_of(path)


def test_a_unit_that_ome_does_not_know_is_never_micrometres(tmp_path: Path) -> None:
    picture = Picture(pixels(20, 30), "YX", {"X": 2.0, "Y": 2.0}, {"X": "", "Y": "furlong"})
    write_picture(tmp_path / "a.ome.tif", picture)
    assert set(read_picture(tmp_path / "a.ome.tif").units.values()) == {"reference frame"}


def overlay(position: int) -> bytes:
    return b"Iout" + bytes(52) + struct.pack(">ii", position, 0)


@pytest.fixture
def composite(tmp_path: Path) -> Picture:
    ramp, zero = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)
    about = {
        "axes": "ZCYX", "mode": "composite", "spacing": 0.3, "unit": "µm".replace("µ", "\\u00B5"),
        "finterval": 2.0, "loop": True, "xorigin": 4.0, "Info": "Ölobjektiv", "ROI": overlay(0),
        "LUTs": [np.stack([zero, ramp, zero]), np.stack([ramp, zero, ramp])],
        "Ranges": (40.0, 260.0, 200.0, 1300.0), "Overlays": [overlay(0), overlay(3)],
        "Labels": [f"z{z} {stain}" for z in range(3) for stain in ("GFP", "mCherry")],
        "Properties": {"lab": "4"},
    }  # fmt: skip
    options: dict[str, Any] = {"imagej": True, "metadata": about, "resolution": (10.0, 10.0)}
    return write(tmp_path / "composite.tif", pixels(3, 2, 20, 30), **options)


def imagej_of(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_imagej
        return dict(tiff.imagej_metadata or {})


def assert_same_metadata(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert set(a) == set(b)
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def test_imagej_metadata_comes_back_whole(tmp_path: Path, composite: Picture) -> None:
    assert composite.channels[1] == Channel(colour="FF00FF", window=(200, 1300))
    assert composite.units == {"X": "µm", "Y": "µm", "Z": "µm", "T": "s"}
    back(composite)
    source = imagej_of(tmp_path / "composite.tif")
    assert_same_metadata(imagej_of(tmp_path / "back.tif"), source)
    again = back(replace(composite, record=RECORD), "made.tif")
    made = imagej_of(tmp_path / "made.tif")
    assert (again.record, made["Info"], made["Properties"]["lab"]) == (RECORD, "Ölobjektiv", "4")


def test_of_imagej_metadata_what_belongs_to_the_chosen_part_comes_back(
    tmp_path: Path, composite: Picture
) -> None:
    part = chosen(composite, Choice(planes="1:3", channels="1"))
    back(replace(part, data=part.data.astype(np.float32)))
    kept = imagej_of(tmp_path / "back.tif")
    assert kept["Labels"] == ["z1 mCherry", "z2 mCherry"]
    assert kept["Ranges"] == (200, 1300)
    assert np.asarray(kept["LUTs"])[:, 255].tolist() == [255, 0, 255]
    assert kept["Overlays"] == overlay(0)  # the other one lies on a single plane


def test_imagej_planes_in_another_order_keep_their_labels(
    tmp_path: Path, composite: Picture
) -> None:
    turned = chosen(composite, Choice(axes="CTYX"))
    back(replace(turned, data=da.from_array(composite.data)))
    assert "Labels" not in imagej_of(tmp_path / "back.tif")


def test_what_imagej_cannot_hold_keeps_sizes_and_colours(composite: Picture) -> None:
    again = back(replace(composite, data=composite.data.astype(np.float64)))
    assert (again.flavour, again.scale) == ("ome", composite.scale)
    assert [channel.colour for channel in again.channels] == ["00FF00", "FF00FF"]


def test_an_imagej_file_in_millimetres_and_milliseconds(tmp_path: Path) -> None:
    about = {"axes": "TYX", "unit": "mm", "finterval": 50.0, "tunit": "ms", "yunit": "nm"}
    options: dict[str, Any] = {"imagej": True, "metadata": about, "resolution": (10.0, 10.0)}
    picture = write(tmp_path / "a.tif", pixels(3, 20, 30), **options)
    assert (picture.units["X"], picture.units["Y"], picture.units["T"]) == ("mm", "nm", "ms")
    again = back(picture)
    assert (again.units, again.scale) == (picture.units, picture.scale)


# format x what is kept
TEXTS = {315: "A. Müller", 271: "Maker", 272: "Scope 9", 33432: "CC0", 305: "acquire 1.2"}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"description": "cells, 37 C"},
    "imagej": {"imagej": True, "metadata": {"axes": "TYX", "unit": "um"}},
    "ome": {"ome": True, "metadata": {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}},
}
KEPT = {
    "pixels": lambda file, picture: file.series[0].asarray().tolist(),
    "icc": lambda file, picture: picture.icc_profile,
    "date": lambda file, picture: file.pages.first.tags["DateTime"].value,
    "texts": lambda file, picture: [file.pages.first.tags.valueof(code) for code in TEXTS],
    "pixel size": lambda file, picture: (picture.scale, picture.units),
    "orientation": lambda file, picture: file.pages.first.tags["Orientation"].value,
    "flavour": lambda file, picture: (file.is_imagej, file.is_ome, file.is_shaped),
    "palette": lambda file, picture: np.asarray(file.pages.first.colormap).tolist(),
}


@pytest.mark.parametrize("thing", KEPT)
@pytest.mark.parametrize("kind", KINDS)
def test_each_flavour_keeps_each_thing(tmp_path: Path, kind: str, thing: str) -> None:
    options = dict(KINDS[kind])
    tags = [(code, 2, 0, text.encode(), True) for code, text in TEXTS.items() if code != 305]
    options["extratags"] = [*tags, (274, 3, 1, 3, False)]
    options |= {"software": TEXTS[305], "datetime": "2024:05:06 07:08:09", "iccprofile": b"icc" * 9}
    options |= {"resolution": (2.0, 2.0), "resolutionunit": None if kind == "imagej" else 3}
    if thing == "palette":
        ramp = np.arange(256, dtype=np.uint16) * np.uint16(257)
        options |= {"colormap": np.stack([ramp, 0 * ramp, ramp])}
    else:
        options |= GREY
    picture = write(tmp_path / "a.tif", pixels(3, 20, 30, dtype=np.uint8), **options)
    again = back(picture)
    with (
        tifffile.TiffFile(tmp_path / "a.tif") as source,
        tifffile.TiffFile(tmp_path / "back.tif") as written,
    ):
        assert KEPT[thing](written, again) == KEPT[thing](source, picture)


def test_a_description_stays_beside_the_record(tmp_path: Path) -> None:
    about: dict[str, Any] = {"description": "cells, 37 °C".encode(), **GREY}
    picture = write(tmp_path / "a.tif", pixels(3, 20, 30), **about)
    again = back(replace(picture, record=RECORD))
    assert again.record == RECORD
    with tifffile.TiffFile(tmp_path / "back.tif") as tiff:
        assert tiff.pages.first.description == "cells, 37 °C"


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_records_of_earlier_versions_are_read_and_replaced(tmp_path: Path, kind: str) -> None:
    text = '{"napari-aprrd": {"train": {"start": "published"}}}'
    about = {"axes": "TYX", "Info" if kind == "imagej" else "Description": text}
    options: dict[str, Any] = {kind: True, "metadata": about, **GREY}
    picture = write(tmp_path / "a.tif", pixels(3, 20, 30), **options)
    assert picture.record == RECORD
    assert back(replace(picture, record={"new": {}})).record == {"new": {}}
    with tifffile.TiffFile(tmp_path / "back.tif") as tiff:
        texts = (tiff.imagej_metadata or {}).get("Info"), tiff.ome_metadata
        assert "published" not in str(texts)


def test_nanometres_are_kept_as_centimetres_where_there_is_no_other_unit(tmp_path: Path) -> None:
    picture = Picture(pixels(20, 30), "YX", {"X": 65.0, "Y": 65.0}, {"X": "nm", "Y": "nm"})
    write_picture(tmp_path / "a.tif", picture)
    found = read_picture(tmp_path / "a.tif")
    assert found.units == {"X": "cm", "Y": "cm"}
    assert found.scale == pytest.approx({"X": 65e-7, "Y": 65e-7})


def test_sizes_and_channels_of_other_formats_make_a_tiff_an_ome_tiff(tmp_path: Path) -> None:
    channels = (Channel("GFP", "00FF00"), Channel("DAPI", "0000FF"))
    picture = Picture(pixels(2, 20, 30), "CYX", {"Z": 0.3}, {"Z": "µm"}, channels=channels)
    write_picture(tmp_path / "a.tif", picture)
    found = read_picture(tmp_path / "a.tif")
    assert (found.flavour, found.channels, found.scale) == ("ome", channels, {"Z": 0.3})


# Large files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["", "ome", "imagej"])
def test_more_than_four_gigabytes_are_a_bigtiff_and_written_plane_by_plane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flavour: str
) -> None:
    asked: dict[str, Any] = {}

    def look(path: Path, parts: Any, **options: Any) -> None:
        asked.update(options, first=next(parts))
        path.write_bytes(b"")

    monkeypatch.setattr(tifffile, "imwrite", look)
    planes = da.zeros((2300, 1024, 1024), dtype=np.uint16, chunks=(1, 1024, 1024))
    write_picture(tmp_path / "a.tif", Picture(planes, "TYX", flavour=flavour))
    assert asked["bigtiff"] is (flavour != "imagej")  # ImageJ reads more than 4 GB without
    assert asked["first"].shape == (1024, 1024)


@pytest.mark.parametrize("flavour", ["", "ome"])
def test_large_planes_are_written_as_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flavour: str
) -> None:
    from napari_aprrd.files.tiff import writing

    monkeypatch.setattr(writing, "_LARGE_PLANE", 10_000)
    data = pixels(2, 600, 1100)
    picture = Picture(da.from_array(data), "TYX", flavour=flavour)
    write_picture(tmp_path / "a.tif", picture)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages.first.is_tiled
        np.testing.assert_array_equal(tiff.asarray(), data)


def test_files_of_microscopes_are_read_and_not_written(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.stk", pixels(3, 20, 30), **GREY)
    assert read_picture(tmp_path / "a.stk").data.shape == (3, 20, 30)
    with pytest.raises(UserError, match=r"can only be read; use \.ome\.tif"):
        write_picture(tmp_path / "b.stk", read_picture(tmp_path / "a.stk"))
