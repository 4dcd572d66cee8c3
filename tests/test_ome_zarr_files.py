"""Zarrs as people have them: every version and layout is read, and what they say comes back."""

from __future__ import annotations

import json
import shutil
import time
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaozarrs
import zarr
from numpy.typing import NDArray

from napari_aprrd.core.errors import UserError
from napari_aprrd.files.description import describe
from napari_aprrd.files.formats import (
    find_files,
    format_of,
    images_in,
    is_folder_of_images,
    output_name,
    read_picture,
    write_picture,
)
from napari_aprrd.files.picture import Channel, Picture

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def pixels(*shape: int, dtype: Any = np.uint16) -> NDArray[Any]:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def axes_of(names: str, **units: str) -> list[dict[str, str]]:
    return [
        {"name": n, "type": TYPES[n], **({"unit": units[n]} if n in units else {})} for n in names
    ]


def dataset(path: str, *scale: float, at: tuple[float, ...] = ()) -> dict[str, Any]:
    changes: list[dict[str, Any]] = [{"type": "scale", "scale": list(scale)}]
    changes += [{"type": "translation", "translation": list(at)}] if at else []
    return {"path": path, "coordinateTransformations": changes}


def image(
    group: zarr.Group, data: NDArray[Any], multiscale: dict[str, Any], version: str, **more: Any
) -> None:
    """Make a group an OME-Zarr image of one level, as its version wants it."""
    group.create_array("0", data=data, chunks=(1,) * (data.ndim - 2) + data.shape[-2:])
    multiscale = {"datasets": [{"path": "0"}], **multiscale}
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale], **more}
    else:
        group.attrs.update({"multiscales": [{"version": version, **multiscale}], **more})


def new(path: Path, version: str = "0.5") -> zarr.Group:
    return zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)


def simple(path: Path, data: NDArray[Any], names: str = "tyx", version: str = "0.5") -> Path:
    scale = dataset("0", *[2.0] * data.ndim)
    image(new(path, version), data, {"axes": axes_of(names), "datasets": [scale]}, version)
    return path


# Reading: versions and layouts


@pytest.mark.parametrize(
    ("version", "multiscale", "letters"),
    [
        ("0.1", {}, "TCZYX"),
        ("0.2", {}, "TCZYX"),
        ("0.3", {"axes": list("tczyx")}, "TCZYX"),
        ("0.3", {"axes": list("czyx")}, "CZYX"),
        ("0.4", {"axes": axes_of("tczyx"), "datasets": [dataset("0", *[1.0] * 5)]}, "TCZYX"),
        ("0.5", {"axes": axes_of("tcyx"), "datasets": [dataset("0", *[1.0] * 4)]}, "TCYX"),
    ],
)
def test_every_version_of_ome_zarr_names_its_axes(
    tmp_path: Path, version: str, multiscale: dict[str, Any], letters: str
) -> None:
    data = pixels(*(2, 3, 4, 5, 6)[-len(letters) :])
    image(new(tmp_path / "a.zarr", version), data, multiscale, version)
    picture = read_picture(tmp_path / "a.zarr")
    assert (picture.axes, picture.named, picture.scale, picture.notes) == (letters, True, {}, ())
    np.testing.assert_array_equal(picture.data[:], data)


def test_steps_of_the_level_and_of_the_image_multiply(tmp_path: Path) -> None:
    multiscale = {
        "axes": axes_of("tzyx", t="hour", y="nanometer", x="nanometer", z="micrometer"),
        "datasets": [dataset("0", 1, 2, 0.5, 0.5, at=(0, 10, 1, 1))],
        "coordinateTransformations": [{"type": "scale", "scale": [0.25, 1, 3, 3]}],
    }
    image(new(tmp_path / "a.zarr"), pixels(2, 2, 5, 6), multiscale, "0.5")
    picture = read_picture(tmp_path / "a.zarr")
    assert picture.scale == {"T": 0.25, "Z": 2.0, "Y": 1.5, "X": 1.5}
    assert picture.units == {"T": "hour", "Z": "micrometer", "Y": "nanometer", "X": "nanometer"}
    assert picture.origin == {"Z": 10.0, "Y": 3.0, "X": 3.0}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_sharded_nested_and_missing_chunks_are_read(tmp_path: Path, zarr_format: Any) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    more: dict[str, Any] = {"shards": (1, 32, 32)} if zarr_format == 3 else {}
    more |= {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if zarr_format == 2 else {}
    array = group.create_array(
        "0", shape=(2, 32, 32), chunks=(1, 16, 16), dtype="u2", fill_value=7, **more
    )
    array[0] = pixels(32, 32)
    group.attrs["multiscales"] = [
        {"version": "0.3", "axes": list("tyx"), "datasets": [{"path": "0"}]}
    ]
    data = read_picture(tmp_path / "a.zarr").data
    np.testing.assert_array_equal(data[0], pixels(32, 32))
    assert (data[1] == 7).all()


@pytest.mark.parametrize(
    ("names", "letters"),
    [
        (("Time", "Channel", "Y", "X"), "TCYX"),
        (("angle", "lifetime", "y", "x"), "ALYX"),
        (("tile", "xpos", "y", "x"), "IPYX"),
        (("x", "y", "z", "t"), "XYZT"),
    ],
)
def test_names_of_axes_become_letters_of_their_own(
    tmp_path: Path, names: tuple[str, ...], letters: str
) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(2, 3, 8, 8), dtype="u2", dimension_names=names
    )
    array[:] = 1
    picture = read_picture(tmp_path / "a.zarr")
    assert (picture.axes, picture.named, picture.notes) == (letters, True, ())


def test_a_custom_axis_comes_back_under_its_name(tmp_path: Path) -> None:
    axes = [{"name": "angle", "type": "angle", "unit": "degree"}, *axes_of("yx")]
    multiscale = {"axes": axes, "datasets": [dataset("0", 15, 1, 1)]}
    image(new(tmp_path / "a.zarr"), pixels(3, 8, 8), multiscale, "0.5")
    picture = read_picture(tmp_path / "a.zarr")
    assert (picture.axes, picture.scale, picture.units) == ("AYX", {"A": 15.0}, {"A": "degree"})
    write_picture(tmp_path / "b.zarr", picture)
    assert valid(tmp_path / "b.zarr")["multiscales"][0]["axes"] == axes


@pytest.mark.parametrize("ending", [".zarr.zip", ".ozx", ".zip"])
@pytest.mark.parametrize("inner", ["", "a.zarr"])
def test_zipped_zarrs_are_read(tmp_path: Path, ending: str, inner: str) -> None:
    simple(tmp_path / "in" / inner, pixels(2, 8, 8))
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "in")
    shutil.rmtree(tmp_path / "in")
    path = (tmp_path / "a.zip").rename(tmp_path / f"a{ending}")
    picture = read_picture(path)
    assert picture.axes == "TYX"
    np.testing.assert_array_equal(picture.data[1], pixels(2, 8, 8)[1])
    assert find_files([str(tmp_path)]) == [path]
    assert output_name(path) == "a.zarr"
    with pytest.raises(UserError, match=r"can only be read; use \.zarr instead"):
        write_picture(tmp_path / "new.ozx", picture)
    assert not (tmp_path / "new.ozx").exists()


def test_other_zip_files_are_no_images(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as file:
        file.writestr("notes.txt", "")
    np.save(tmp_path / "a.npy", pixels(8, 8))
    assert find_files([str(tmp_path)]) == [tmp_path / "a.npy"]
    (tmp_path / "notes.zip").rename(tmp_path / "notes.ozx")
    with pytest.raises(UserError, match="it is a ZIP file without a Zarr"):
        read_picture(tmp_path / "notes.ozx")


# Reading: paths inside, and several images


def collection(path: Path, version: str = "0.4", names: tuple[str, ...] = ("0", "1")) -> Path:
    root = new(path, version)
    marks = {"bioformats2raw.layout": 3}
    root.attrs.update({"ome": {"version": "0.5", **marks}} if version == "0.5" else marks)
    about = root.create_group("OME")
    about.attrs.update({"ome": {"series": names}} if version == "0.5" else {"series": names})
    for number, name in enumerate(names):
        data = pixels(1, 1, 2, 8 + 8 * (number % 2), 8)
        multiscale = {"axes": axes_of("tczyx"), "datasets": [dataset("0", 1, 1, 1, 0.5, 0.5)]}
        image(root.create_group(name), data, multiscale, version)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_images_of_a_collection_are_series_with_the_names_of_its_xml(
    tmp_path: Path, version: str
) -> None:
    path = collection(tmp_path / "a.zarr", version)
    pixels_of = '<Pixels ID="Pixels:{0}" DimensionOrder="XYZCT" Type="uint16" SizeX="8" SizeY="8" '
    pixels_of += 'SizeZ="2" SizeC="1" SizeT="1"><MetadataOnly/></Pixels>'
    images = "".join(
        f'<Image ID="Image:{n}" Name="{name}">{pixels_of.format(n)}</Image>'
        for n, name in enumerate(("overview", "film"))
    )
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    (path / "OME" / "METADATA.ome.xml").write_text(f'<OME xmlns="{schema}">{images}</OME>')
    picture = read_picture(path)
    assert (picture.series, picture.series_count, picture.name) == (2, 2, "film")
    assert picture.notes == ("Other images are left out: 1 ('overview') (--series).",)
    assert picture.data.shape == (1, 1, 2, 16, 8)
    first = read_picture(path, series=1)
    assert (first.name, first.data.shape, first.notes) == ("overview", (1, 1, 2, 8, 8), ())
    assert [(one.series, one.name) for one in images_in(path)] == [(1, "overview"), (2, "film")]
    with pytest.raises(UserError, match="no image 3; the file has images 1 to 2"):
        read_picture(path, series=3)


def test_a_collection_of_one_image_is_that_image(tmp_path: Path) -> None:
    picture = read_picture(collection(tmp_path / "a.zarr", names=("0",)))
    assert (picture.axes, picture.series_count, picture.notes) == ("TCZYX", 1, ())


def test_images_that_a_collection_lacks_are_named(tmp_path: Path) -> None:
    path = collection(tmp_path / "a.zarr", names=("0", "1", "2"))
    shutil.rmtree(path / "1")
    assert any("1 cannot be read" in note for note in read_picture(path).notes)


@pytest.mark.parametrize("inside", ["0", "0/0", "1"])
def test_a_path_inside_a_zarr_is_an_image(tmp_path: Path, inside: str) -> None:
    path = collection(tmp_path / "scan.zarr") / inside
    picture = read_picture(path)
    assert (picture.axes, picture.scale["X"]) == ("TCZYX", 0.5)
    assert describe(picture).file == f"scan.zarr/{inside}"
    assert output_name(path) == f"scan-{inside.replace('/', '-')}.zarr"
    assert not is_folder_of_images(path)
    assert find_files([str(path)]) == [path]


def test_a_glob_names_images_inside_zarrs(tmp_path: Path) -> None:
    paths = [collection(tmp_path / name) / "0" for name in ("a.zarr", "b.zarr")]
    assert find_files([str(tmp_path / "*.zarr" / "0")]) == paths
    assert find_files([str(tmp_path / "a.zarr" / "[0-9]")]) == [paths[0], paths[0].parent / "1"]
    assert find_files([str(tmp_path / "**" / "*")]) == [path.parent for path in paths]


def test_a_lower_level_is_read_with_its_own_step_and_says_so(tmp_path: Path) -> None:
    group = new(tmp_path / "a.zarr")
    levels = [dataset("0", 1, 0.5, 0.5), dataset("1", 1, 1, 1)]
    image(group, pixels(2, 8, 8), {"axes": axes_of("tyx", x="mm"), "datasets": levels}, "0.5")
    group.create_array("1", data=pixels(2, 4, 4))
    picture = read_picture(tmp_path / "a.zarr" / "1")
    assert (picture.axes, picture.scale["X"], picture.data.shape) == ("TYX", 1.0, (2, 4, 4))
    assert picture.notes[-1] == "It is level 2 of 2, not the full resolution."


def test_a_zarr_is_known_without_its_ending(tmp_path: Path) -> None:
    path = simple(tmp_path / "data" / "movie", pixels(2, 8, 8))
    assert read_picture(path).axes == "TYX"
    assert find_files([str(tmp_path / "data")]) == [path]
    assert output_name(path) == "movie.zarr"
    assert format_of(tmp_path / "data") is None
    assert is_folder_of_images(tmp_path / "data")


def test_a_part_of_a_zarr_is_never_replaced(tmp_path: Path) -> None:
    path = collection(tmp_path / "scan.zarr") / "0"
    with pytest.raises(UserError, match=r"use a name that ends in \.zarr"):
        write_picture(path, Picture(pixels(8, 8), "YX"))
    assert read_picture(path).axes == "TCZYX"


def xarray_store(path: Path, zarr_format: Any, **images: tuple[str, ...]) -> Path:
    """Arrays with named dimensions and the coordinates of these, as xarray writes them."""
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)

    def add(name: str, data: NDArray[Any], dims: tuple[str, ...]) -> zarr.Array:
        more: dict[str, Any] = {"dimension_names": dims} if zarr_format == 3 else {}
        array = group.create_array(name, data=data, **more)
        if zarr_format == 2:
            array.attrs["_ARRAY_DIMENSIONS"] = list(dims)
        return array

    for name, dims in images.items():
        add(name, pixels(*(2, 3, 8, 9)[-len(dims) :]), dims)
    dims = max(images.values(), key=len)
    for dim, length in zip(dims, (3, 8, 9)[-len(dims) :], strict=True):
        line = add(dim, 0.25 * np.arange(length), (dim,))
        line.attrs["units"] = "um"
    return path


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_of_xarray_are_images_and_their_coordinates_are_steps(
    tmp_path: Path, zarr_format: Any
) -> None:
    path = xarray_store(tmp_path / "r.zarr", zarr_format, film=("time", "y", "x"))
    for picture in (read_picture(path), read_picture(path / "film")):
        assert (picture.axes, picture.named, picture.series_count) == ("TYX", True, 1)
    assert read_picture(path).scale == pytest.approx(dict.fromkeys("TYX", 0.25))
    assert read_picture(path).units == dict.fromkeys("TYX", "um")


def test_several_arrays_of_xarray_are_series_with_their_names(tmp_path: Path) -> None:
    path = xarray_store(tmp_path / "r.zarr", 3, film=("t", "y", "x"), still=("y", "x"))
    assert [one.name for one in images_in(path)] == ["film", "still"]
    assert read_picture(path).name == "film"
    assert read_picture(path, series=2).axes == "YX"


def test_rows_and_columns_of_other_names_are_told(tmp_path: Path) -> None:
    path = xarray_store(tmp_path / "r.zarr", 3, sst=("time", "lat", "lon"))
    picture = read_picture(path)
    assert picture.axes == "TYX"
    assert "'lat' and 'lon' are taken for Y and X (--axes)" in picture.notes[0]


def test_dimensions_that_xarray_only_numbers_are_guessed(tmp_path: Path) -> None:
    path = xarray_store(tmp_path / "r.zarr", 3, a=("dim_0", "dim_1", "dim_2"))
    picture = read_picture(path)
    assert (picture.axes, picture.named) == ("TYX", False)


def test_a_group_without_images_says_which_paths_hold_some(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "a.zarr", mode="w")
    root.create_group("raw").create_array("volume", data=pixels(2, 8, 8))
    simple(tmp_path / "a.zarr" / "deep" / "er", pixels(2, 8, 8))
    zarr.open_group(tmp_path / "a.zarr" / "deep", mode="a")
    with pytest.raises(UserError) as caught:
        read_picture(tmp_path / "a.zarr")
    a = tmp_path / "a.zarr"
    assert f"name one of {a / 'deep' / 'er'}, {a / 'raw' / 'volume'}." in str(caught.value)


def test_a_plate_and_a_well_name_an_image_inside(tmp_path: Path) -> None:
    root = new(tmp_path / "plate.zarr")
    wells = [{"path": f"{r}/{c}", "rowIndex": 0, "columnIndex": 0} for r in "AB" for c in (1, 2)]
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": wells, "rows": [], "columns": []}}
    for number, well in enumerate(wells):
        group = root.create_group(well["path"])
        fields = [{"path": "0"}, {"path": "1"}][: 1 + number % 2]
        group.attrs["ome"] = {"version": "0.5", "well": {"images": fields}}
        for one in fields:
            simple(tmp_path / "plate.zarr" / str(well["path"]) / one["path"], pixels(2, 8, 8))
    plate = tmp_path / "plate.zarr"
    with pytest.raises(UserError) as caught:
        read_picture(plate)
    assert str(caught.value).endswith(
        f"it is a plate of 4 wells: name an image inside, such as {plate / 'A' / '1' / '0'}."
    )
    with pytest.raises(UserError, match="it is a well of 2 images: name an image inside, such as"):
        read_picture(plate / "A" / "2")
    assert read_picture(plate / "A" / "1").axes == "TYX"
    assert read_picture(plate / "A" / "2" / "1").axes == "TYX"


def test_labels_are_no_images(tmp_path: Path) -> None:
    path = simple(tmp_path / "a.zarr", pixels(2, 8, 8))
    labels = zarr.open_group(path, mode="a").create_group("labels")
    labels.attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
    multiscale = {"axes": axes_of("yx"), "datasets": [dataset("0", 1, 1)]}
    cells = labels.create_group("cells")
    image(cells, pixels(8, 8), multiscale, "0.5", **{"image-label": {}})
    assert read_picture(path).notes == ("Its labels (cells) are left out.",)
    for inside in ("labels", "labels/cells"):
        with pytest.raises(UserError, match="labels of objects, not intensities"):
            read_picture(path / inside)


# Reading: what is damaged or strange


@pytest.mark.parametrize(
    "broken",
    [
        {"multiscales": [{"datasets": []}]},
        {"multiscales": "many"},
        {"multiscales": [None]},
        {"multiscales": [{"version": "0.4", "datasets": [{"path": "9"}], "axes": axes_of("tyx")}]},
        {"plate": {"wells": [{}]}},
        {"well": {"images": 5}},
        {"bioformats2raw.layout": 3},
    ],
)
def test_broken_metadata_gets_one_sentence(tmp_path: Path, broken: dict[str, Any]) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).attrs.update(broken)
    with pytest.raises(UserError) as caught:
        read_picture(tmp_path / "a.zarr")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_metadata_that_breaks_the_standard_is_read_and_told(tmp_path: Path) -> None:
    multiscale = {"axes": axes_of("zyxc"), "datasets": [dataset("0", 2, 0.5, 0.5, 1)]}
    image(new(tmp_path / "a.zarr", "0.4"), pixels(2, 8, 8, 2), multiscale, "0.4")
    picture = read_picture(tmp_path / "a.zarr")
    assert (picture.axes, picture.scale) == ("ZYXC", {"Z": 2.0, "Y": 0.5, "X": 0.5})
    assert picture.notes[0].startswith("Its metadata is not valid OME-Zarr 0.4: axes")


def test_channels_that_the_image_does_not_have_are_left_out(tmp_path: Path) -> None:
    multiscale = {"axes": axes_of("cyx"), "datasets": [dataset("0", 1, 1, 1)]}
    omero = {"channels": [{"label": "GFP", "color": "00FF00"}]}
    image(new(tmp_path / "a.zarr"), pixels(2, 8, 8), multiscale, "0.5", omero=omero)
    picture = read_picture(tmp_path / "a.zarr")
    assert picture.channels == ()
    assert picture.notes == ("Its omero block counts 1 channel, the image has 2; it is left out.",)


def test_warnings_of_the_libraries_stay_off_the_console(tmp_path: Path) -> None:
    path = simple(tmp_path / "a.zarr", pixels(2, 8, 8))
    (path / ".DS_Store").write_text("")
    ome = dict(zarr.open_group(path, mode="r").attrs["ome"])  # type: ignore[call-overload]
    ome["multiscales"][0]["axes"][2]["unit"] = "parrots"
    zarr.open_group(path, mode="a").attrs["ome"] = ome
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_picture(tmp_path / "b.zarr", read_picture(path))


def test_a_very_large_image_opens_at_once(tmp_path: Path) -> None:
    group = new(tmp_path / "a.zarr")
    group.create_array("0", shape=(2000, 1, 50, 1024, 1024), chunks=(1, 1, 1, 512, 512), dtype="u2")
    multiscale = {"axes": axes_of("tczyx"), "datasets": [dataset("0", *[2.0] * 5)]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    begun = time.monotonic()
    picture = read_picture(tmp_path / "a.zarr")
    assert picture.data.nbytes > 200e9
    assert time.monotonic() - begun < 2


# Writing


def valid(path: Path) -> dict[str, Any]:
    """The OME-Zarr metadata of an image, after the standard's models accepted all of it."""
    document = json.loads((path / "zarr.json").read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yaozarrs.validate_ome_object(document)
    ome: dict[str, Any] = document["attributes"]["ome"]
    names = [axis["name"] for axis in ome["multiscales"][0]["axes"]]
    for level in ome["multiscales"][0]["datasets"]:
        array = zarr.open_array(path / level["path"], mode="r")
        assert list(array.metadata.dimension_names or ()) == names  # type: ignore[union-attr]
    return ome


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_all_that_an_ome_zarr_says_comes_back(tmp_path: Path, version: str) -> None:
    axes = axes_of("tcyx", t="hour", y="nanometer", x="nanometer")
    multiscale = {
        "name": "movie",
        "axes": axes,
        "datasets": [dataset("0", 0.5, 1, 65, 65, at=(0, 0, 1000, 2000))],
    }
    window = {"min": 0, "max": 65535, "start": 40, "end": 260}
    channels = [
        {"label": "H2B", "color": "00FF00", "active": True, "family": "linear", "window": window},
        {"label": "mem", "color": "FF00FF", "active": False, "window": {**window, "end": 999}},
    ]
    omero = {"name": "movie", "channels": channels, "rdefs": {"model": "color", "defaultT": 1}}
    data = pixels(2, 2, 600, 40)
    image(new(tmp_path / "a.zarr", version), data, multiscale, version, omero=omero)
    picture = read_picture(tmp_path / "a.zarr")
    assert picture.channels == (
        Channel("H2B", "00FF00", (40, 260)),
        Channel("mem", "FF00FF", (40, 999)),
    )
    write_picture(tmp_path / "b.zarr", picture)
    ome = valid(tmp_path / "b.zarr")
    (again,) = ome["multiscales"]
    assert (again["name"], again["axes"], ome["omero"]) == ("movie", axes, omero)
    assert again["datasets"][0] == multiscale["datasets"][0]
    assert again["datasets"][1] == dataset("1", 0.5, 1, 130, 130, at=(0, 0, 1032.5, 2032.5))
    back = read_picture(tmp_path / "b.zarr")
    same = replace(back, data=picture.data, path=picture.path, native=picture.native)
    assert same == picture


def test_of_chosen_channels_names_colours_and_windows_are_kept(tmp_path: Path) -> None:
    multiscale = {"axes": axes_of("cyx"), "datasets": [dataset("0", 1, 1, 1)]}
    window = {"min": 0, "max": 255, "start": 4, "end": 26}
    omero = {
        "channels": [
            {"label": label, "color": colour, "window": {**window, "end": end}, "family": label}
            for label, colour, end in (("a", "FF0000", 9), ("b", "00FF00", 10), ("c", "0000FF", 11))
        ]
    }
    image(new(tmp_path / "a.zarr"), pixels(3, 8, 8), multiscale, "0.5", omero=omero)
    write_picture(tmp_path / "b.zarr", read_picture(tmp_path / "a.zarr", channels="c,a"))
    blocks = valid(tmp_path / "b.zarr")["omero"]["channels"]
    assert [(b["label"], b["color"], b["window"]["end"], b["family"]) for b in blocks] == [
        ("c", "0000FF", 11, "c"),
        ("a", "FF0000", 9, "a"),
    ]
    np.testing.assert_array_equal(
        read_picture(tmp_path / "b.zarr").data[:], pixels(3, 8, 8)[[2, 0]]
    )


def test_chosen_planes_are_written_where_they_were(tmp_path: Path) -> None:
    levels = [dataset("0", 2, 0.5, 0.5, at=(10, 1, 1))]
    image(
        new(tmp_path / "a.zarr"),
        pixels(5, 8, 8),
        {"axes": axes_of("zyx"), "datasets": levels},
        "0.5",
    )
    write_picture(tmp_path / "b.zarr", read_picture(tmp_path / "a.zarr", planes="3:5"))
    written = valid(tmp_path / "b.zarr")["multiscales"][0]["datasets"]
    assert written == [dataset("0", 2, 0.5, 0.5, at=(16, 1, 1))]


def test_channels_of_other_formats_become_omero(tmp_path: Path) -> None:
    channels = (Channel("DAPI", "0000FF", (10, 900)), Channel("GFP"))
    scale, units = {"Y": 0.2, "X": 0.2, "T": 3.0}, {"Y": "µm", "X": "µm", "T": "min"}
    data = pixels(2, 2, 8, 8)
    write_picture(
        tmp_path / "a.zarr", Picture(data, "TCYX", scale, units, "ome", channels=channels, name="n")
    )
    ome = valid(tmp_path / "a.zarr")
    first, second = ome["omero"]["channels"]
    assert first["window"] == {"min": 0.0, "max": 65535.0, "start": 10.0, "end": 900.0}
    assert (first["label"], first["color"]) == ("DAPI", "0000FF")
    assert (second["label"], second["window"]["start"], second["window"]["end"]) == (
        "GFP",
        192,
        255,
    )
    assert [a.get("unit") for a in ome["multiscales"][0]["axes"]] == [
        "minute",
        None,
        "micrometer",
        "micrometer",
    ]


@pytest.mark.parametrize(
    ("axes", "written"),
    [("TZCYX", "TCZYX"), ("ZCYX", "CZYX"), ("YXC", "CYX"), ("XYZ", "ZYX"), ("TYXS", "TSYX")],
)
def test_axes_are_written_in_the_order_of_the_standard(
    tmp_path: Path, axes: str, written: str
) -> None:
    data = pixels(*(3 + n for n in range(len(axes) - 1)), 3)
    write_picture(tmp_path / "a.zarr", Picture(data, axes))
    picture = read_picture(tmp_path / "a.zarr")
    assert (picture.axes, picture.notes) == (written, ())
    expected = data.transpose([axes.index(letter) for letter in written])
    np.testing.assert_array_equal(picture.data[:], expected)
    valid(tmp_path / "a.zarr")


def test_colours_are_channels_that_viewers_show_as_such(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.zarr", Picture(pixels(8, 9, 4, dtype=np.uint8), "YXS"))
    channels = valid(tmp_path / "a.zarr")["omero"]["channels"]
    assert [c["color"] for c in channels] == ["FF0000", "00FF00", "0000FF", "FFFFFF"]
    assert [c["active"] for c in channels] == [True, True, True, False]
    assert channels[0]["window"] == {"min": 0.0, "max": 255.0, "start": 0.0, "end": 255.0}


@pytest.mark.parametrize("shape", [(3, 8, 9), (2, 3, 8, 9), (2, 2, 3, 8, 9)])
def test_guessed_axes_do_not_claim_to_be_time(tmp_path: Path, shape: tuple[int, ...]) -> None:
    zarr.create_array(tmp_path / "plain.zarr", data=pixels(*shape))
    picture = read_picture(tmp_path / "plain.zarr")
    write_picture(tmp_path / "a.zarr", picture)
    axes = valid(tmp_path / "a.zarr")["multiscales"][0]["axes"]
    assert [axis.get("type") for axis in axes] == [None] * (len(shape) - 2) + ["space", "space"]
    back = read_picture(tmp_path / "a.zarr")
    assert (back.axes, back.named, back.data.shape) == (picture.axes, False, shape)


def test_axes_that_the_user_names_are_claimed(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "plain.zarr", data=pixels(3, 8, 9))
    write_picture(tmp_path / "a.zarr", read_picture(tmp_path / "plain.zarr", "ZYX"))
    write_picture(tmp_path / "b.zarr", read_picture(tmp_path / "a.zarr"))
    assert valid(tmp_path / "b.zarr")["multiscales"][0]["axes"] == axes_of("zyx")
