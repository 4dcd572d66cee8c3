"""Image files in and out."""

from __future__ import annotations

import itertools
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from core.makers import ramp
from numpy.typing import NDArray

from napari_aprrd.core.errors import UserError
from napari_aprrd.files.formats import READABLE, find_files, read_picture, write_picture
from napari_aprrd.files.picture import Choice, Picture, chosen
from napari_aprrd.files.units import symbol

LENGTHS = {"I": 2, "T": 3, "Z": 4, "C": 2, "Y": 17, "X": 15, "S": 3}


def of_axes(axes: str, dtype: Any = np.uint16) -> NDArray[Any]:
    return ramp(*(LENGTHS[letter] for letter in axes), dtype=dtype)


def round_trip(folder: Path, name: str, picture: Picture) -> Picture:
    """What a file says after writing; the file is the only one."""
    path = folder / name
    write_picture(path, picture)
    assert [p.name for p in folder.iterdir()] == [name]
    return read_picture(path)


def assert_same(a: Picture, b: Picture) -> None:
    assert a.axes == b.axes
    assert a.data.dtype == b.data.dtype
    np.testing.assert_array_equal(a.data, b.data)
    assert a.scale == pytest.approx(b.scale)
    assert units_of(a) == units_of(b)
    assert a.flavour == b.flavour


def units_of(picture: Picture) -> dict[str, str]:
    """The symbols of the units of what has a size."""
    return {a: symbol(u) for a, u in picture.units.items() if a in picture.scale}


def in_units(scale: dict[str, float], space: str) -> dict[str, str]:
    """Units for the steps of a scale."""
    units = {axis: "s" if axis == "T" else space for axis in scale}
    return {axis: unit for axis, unit in units.items() if unit}


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f2", "f4", "f8"])
@pytest.mark.parametrize("axes", ["YX", "TYX", "CYX", "ZYX", "TZCYX"])
def test_a_plain_tiff_keeps_pixels_type_and_axes(tmp_path: Path, axes: str, dtype: str) -> None:
    picture = Picture(of_axes(axes, dtype), axes)
    assert_same(round_trip(tmp_path, "a.tif", picture), picture)


@pytest.mark.parametrize("axes", ["YXS", "TYXS", "XYC", "ITZCYX", "CTYX"])
def test_a_plain_tiff_keeps_unusual_axes(tmp_path: Path, axes: str) -> None:
    picture = Picture(of_axes(axes), axes)
    assert_same(round_trip(tmp_path, "a.tif", picture), picture)


def test_a_tiff_keeps_alpha_and_single_planes(tmp_path: Path) -> None:
    rgba = Picture(ramp(17, 15, 4, dtype=np.uint8), "YXS")
    assert_same(round_trip(tmp_path, "a.tif", rgba), rgba)
    single = Picture(ramp(1, 17, 15), "TYX")
    assert_same(round_trip(tmp_path, "a.tif", single), single)


SIZES = {"Y": 0.25, "X": 0.125}


@pytest.mark.parametrize("unit", ["inch", "cm", ""])
def test_a_plain_tiff_keeps_its_resolution(tmp_path: Path, unit: str) -> None:
    picture = Picture(of_axes("YX"), "YX", SIZES, in_units(SIZES, unit))
    assert_same(round_trip(tmp_path, "a.tif", picture), picture)


def test_a_plain_tiff_without_resolution_has_no_scale(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", of_axes("YX"))
    assert read_picture(tmp_path / "a.tif").scale == {}


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize(
    ("axes", "scale"),
    [
        ("YX", {"Y": 0.2, "X": 0.1}),
        ("TYX", {"T": 1.5, "Y": 0.2, "X": 0.1}),
        ("ZCYX", {"Z": 0.7, "Y": 0.108, "X": 0.108}),
        ("TZCYX", {"T": 1.5, "Z": 0.7, "Y": 0.2, "X": 0.1}),
        ("TYX", {}),
    ],
)
def test_an_imagej_tiff_keeps_axes_pixel_size_and_unit(
    tmp_path: Path, axes: str, scale: dict[str, float], dtype: str
) -> None:
    picture = Picture(of_axes(axes, dtype), axes, scale, in_units(scale, "µm"), "imagej")
    assert_same(round_trip(tmp_path, "a.tif", picture), picture)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_imagej


def test_an_imagej_tiff_that_imagej_wrote_is_kept_as_it_is(tmp_path: Path) -> None:
    metadata = {"axes": "TYX", "spacing": 0.5, "finterval": 2.0, "unit": "micron"}
    data = of_axes("TYX")
    options: dict[str, Any] = {"imagej": True, "resolution": (4.0, 5.0), "metadata": metadata}
    tifffile.imwrite(tmp_path / "a.tif", data, **options)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.axes == "TYX"
    assert (picture.units["X"], picture.flavour) == ("micron", "imagej")
    assert picture.scale == pytest.approx({"X": 0.25, "Y": 0.2, "T": 2.0, "Z": 0.5})
    write_picture(tmp_path / "b.tif", picture)
    assert_same(read_picture(tmp_path / "b.tif"), picture)


def test_an_imagej_tiff_in_another_order_is_written_in_imagejs(tmp_path: Path) -> None:
    picture = Picture(of_axes("CTYX"), "CTYX", flavour="imagej")
    written = round_trip(tmp_path, "a.tif", picture)
    assert (written.axes, written.flavour) == ("TCYX", "imagej")
    np.testing.assert_array_equal(written.data, picture.data.swapaxes(0, 1))


@pytest.mark.parametrize(
    ("axes", "dtype"),
    [("YX", "f8"), ("YX", "i2"), ("ITYX", "u2"), ("YXS", "f4"), ("YXS", "u2"), ("TYXS", "f4")],
)
def test_what_imagej_cannot_hold_is_still_written(tmp_path: Path, axes: str, dtype: str) -> None:
    """As when the result of an ImageJ file is asked for in float32."""
    picture = Picture(of_axes(axes, dtype), axes, flavour="imagej")
    written = round_trip(tmp_path, "a.tif", picture)
    assert written.axes == axes
    assert written.data.dtype == dtype
    np.testing.assert_array_equal(written.data, picture.data)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "f8"])
@pytest.mark.parametrize(
    ("axes", "scale", "unit"),
    [
        ("YX", {"Y": 0.2, "X": 0.1}, "nm"),
        ("TYX", {"T": 1.5, "Y": 0.2, "X": 0.1}, "µm"),
        ("TZCYX", {"T": 1.5, "Z": 0.7, "Y": 0.2, "X": 0.1}, "µm"),
        ("ZYX", {}, ""),
        ("YXS", {"Y": 1.0, "X": 1.0}, "mm"),
    ],
)
def test_an_ome_tiff_keeps_axes_pixel_size_and_unit(
    tmp_path: Path, axes: str, scale: dict[str, float], unit: str, dtype: str
) -> None:
    picture = Picture(of_axes(axes, dtype), axes, scale, in_units(scale, unit), "ome")
    assert_same(round_trip(tmp_path, "a.ome.tif", picture), picture)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.is_ome


def test_named_axes_win_over_those_of_the_file(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.tif", Picture(of_axes("TYX"), "TYX"))
    assert read_picture(tmp_path / "a.tif", "cyx").axes == "CYX"
    with pytest.raises(UserError, match="TYXS name 4 dimensions"):
        read_picture(tmp_path / "a.tif", "TYXS")


@pytest.mark.parametrize(
    ("name", "axes", "dtype"),
    [
        ("a.png", "YX", "u1"),
        ("a.png", "YX", "u2"),
        ("a.PNG", "YX", "u1"),
        ("a.png", "YXS", "u1"),
        ("a.npy", "YX", "f8"),
        ("a.npy", "TYX", "i2"),
        ("a.npy", "YXS", "u1"),
        ("a.NPY", "TYX", "u2"),
        ("a.TIFF", "TYX", "f4"),
    ],
)
def test_other_files_keep_every_pixel(tmp_path: Path, name: str, axes: str, dtype: str) -> None:
    picture = Picture(of_axes(axes, dtype), axes)
    assert_same(round_trip(tmp_path, name, picture), picture)


def test_png_keeps_alpha(tmp_path: Path) -> None:
    picture = Picture(ramp(17, 15, 4, dtype=np.uint8), "YXS")
    assert_same(round_trip(tmp_path, "a.png", picture), picture)


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg"])
@pytest.mark.parametrize("axes", ["YX", "YXS"])
def test_jpeg_keeps_nearly_all(tmp_path: Path, name: str, axes: str) -> None:
    y, x = np.indices((32, 48))
    grey = (128 + 60 * np.sin(y / 9) * np.cos(x / 8)).astype(np.uint8)
    data = grey if axes == "YX" else np.stack([grey] * 3, -1)
    written = round_trip(tmp_path, name, Picture(data, axes))
    assert (written.axes, written.data.dtype, written.data.shape) == (axes, np.uint8, data.shape)
    assert np.abs(written.data.astype(int) - data).mean() < 4


@pytest.mark.parametrize(
    ("name", "axes", "shape", "dtype"),
    [
        ("a.png", "YX", (17, 15), "f4"),
        ("a.png", "YX", (17, 15), "i2"),
        ("a.png", "TYX", (3, 17, 15), "u1"),
        ("a.png", "YXS", (17, 15, 5), "u2"),
        ("a.jpg", "YX", (17, 15), "u2"),
        ("a.jpg", "YX", (17, 15), "f4"),
        ("a.jpg", "TYX", (3, 17, 15), "u1"),
        ("a.jpeg", "YXS", (17, 15, 4), "u1"),
    ],
)
def test_what_png_and_jpeg_cannot_hold_is_refused(
    tmp_path: Path, name: str, axes: str, shape: tuple[int, ...], dtype: str
) -> None:
    picture = Picture(ramp(*shape, dtype=dtype), axes)
    with pytest.raises(UserError, match=r"^Cannot write .*a\.(png|jpe?g): .*\.$"):
        write_picture(tmp_path / name, picture)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.bmp", "a", "a.tif.gz"])
def test_unknown_formats_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"Cannot write .*: use a name that ends in one of \.tif,"):
        write_picture(tmp_path / name, Picture(of_axes("YX"), "YX"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.npy", "a.zarr"])
@pytest.mark.parametrize("folder", ["missing", "file"])
def test_an_unwritable_place_is_refused(tmp_path: Path, name: str, folder: str) -> None:
    (tmp_path / "file").write_text("")
    picture = Picture(of_axes("YX", np.uint8), "YX")
    with pytest.raises(UserError, match=rf"^Cannot write .*{name}: .*\.$"):
        write_picture(tmp_path / folder / name, picture)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    old = Picture(of_axes("YX"), "YX")
    write_picture(path, old)

    def fail(temporary: Path, *_: Any, **__: Any) -> None:
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(UserError, match="No space left on device"):
        write_picture(path, replace(old, data=old.data + 1))
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
    assert_same(read_picture(path), old)


@pytest.mark.parametrize("suffix", READABLE)
def test_a_missing_file_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=rf"There is no file .*a\{suffix}"):
        read_picture(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("content", [b"", b"these bytes are no image", bytes(range(256)) * 8])
@pytest.mark.parametrize("suffix", READABLE)
def test_foreign_bytes_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=rf"a\{suffix} is not an? [A-Za-z]+ image|a\{suffix} is damaged|Cannot use"
    ):
        read_picture(path)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_picture(path, Picture(ramp(64, 64, dtype=np.uint8), "YX"))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="is damaged or incomplete"):
        read_picture(path)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.aprrd", "a.tif.gz"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(UserError, match=r"Cannot read .*: use one of \.tif, \.tiff, \.btf"):
        read_picture(tmp_path / name)


def test_pickled_objects_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}] * 4, object).reshape(2, 2), allow_pickle=True)
    with pytest.raises(UserError, match="it holds Python objects, not numbers"):
        read_picture(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "data", [np.ones((4, 4), complex), np.ones((4, 4), bool), np.ones(4), np.ones((0, 4))]
)
def test_a_file_that_holds_no_image_is_named(tmp_path: Path, data: NDArray[Any]) -> None:
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(UserError, match=r"Cannot use .*a\.npy: "):
        read_picture(tmp_path / "a.npy")


def test_npy_is_read_lazily(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", of_axes("TYX"))
    assert isinstance(read_picture(tmp_path / "a.npy").data, np.memmap)


def test_a_zarr_array_is_read_lazily(tmp_path: Path) -> None:
    data = of_axes("TYX")
    zarr.create_array(tmp_path / "a.zarr", data=data, chunks=(1, 8, 8))
    picture = read_picture(tmp_path / "a.zarr")
    assert isinstance(picture.data, zarr.Array)
    assert (picture.axes, picture.scale, picture.units) == ("TYX", {}, {})
    assert not picture.named
    np.testing.assert_array_equal(picture.data[:], data)
    assert read_picture(tmp_path / "a.zarr", "ZYX").axes == "ZYX"


def make_ome_zarr(path: Path, version: str, data: NDArray[Any], multiscale: dict[str, Any]) -> None:
    """Two levels, the first of them in full resolution."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("full", data=data)
    group.create_array("half", data=data[..., ::2, ::2])
    if version == "0.4":
        group.attrs["multiscales"] = [{"version": version, **multiscale}]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale]}


def levels(*scale: float) -> list[dict[str, Any]]:
    first, second = list(scale), [*scale[:-2], 2 * scale[-2], 2 * scale[-1]]
    return [
        {"path": path, "coordinateTransformations": [{"type": "scale", "scale": steps}]}
        for path, steps in (("full", first), ("half", second))
    ]


SPACE = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("names", "scale", "unit"),
    [
        ([{"name": "c", "type": "channel"}, *SPACE], (1, 0.5, 0.2, 0.1), "micrometer"),
        ([{"name": "t", "type": "time", "unit": "second"}, *SPACE], (3, 0.5, 0.2, 0.1), None),
        (SPACE[1:], (0.2, 0.1), "micrometer"),
        ([{"name": n, "type": "space"} for n in "zyx"], (0.5, 0.2, 0.1), ""),
    ],
)
def test_ome_zarr_gives_full_resolution_axes_and_scale(
    tmp_path: Path, version: str, names: list[dict[str, str]], scale: Any, unit: str | None
) -> None:
    axes = "".join(n["name"] for n in names).upper()
    data = of_axes(axes)
    multiscale = {"axes": names, "datasets": levels(*scale)}
    make_ome_zarr(tmp_path / "a.zarr", version, data, multiscale)
    picture = read_picture(tmp_path / "a.zarr")
    assert isinstance(picture.data, zarr.Array)
    assert picture.axes == axes
    np.testing.assert_array_equal(picture.data[:], data)
    known = {letter: step for letter, step in zip(axes, scale, strict=True) if letter != "C"}
    assert picture.scale == pytest.approx(known)
    if unit is not None:
        assert picture.units.get("X", "") == unit


def test_each_axis_of_ome_zarr_has_its_unit(tmp_path: Path) -> None:
    names = [{"name": "t", "type": "time", "unit": "second"}, *SPACE]
    multiscale = {"axes": names, "datasets": levels(3, 0.5, 0.2, 0.1)}
    make_ome_zarr(tmp_path / "a.zarr", "0.4", of_axes("TZYX"), multiscale)
    units = {"T": "second", **dict.fromkeys("ZYX", "micrometer")}
    assert read_picture(tmp_path / "a.zarr").units == units


def test_a_zarr_group_without_images_is_refused(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("x", data=of_axes("YX"))
    with pytest.raises(UserError, match="it is a Zarr group without OME-Zarr images"):
        read_picture(tmp_path / "a.zarr")


def test_an_empty_folder_named_zarr_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(UserError, match=r"a\.zarr is not a Zarr image"):
        read_picture(tmp_path / "a.zarr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.tif", "a.PNG", "c.npy", "notes.txt", "model.aprrd"):
        (tmp_path / name).write_text("")
    (tmp_path / "d.zarr").mkdir()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "e.tif").write_text("")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        (["b.tif"], ["b.tif"]),
        (["notes.txt"], ["notes.txt"]),  # named: reading it says what is wrong
        (["missing.tif"], ["missing.tif"]),
        (["d.zarr"], ["d.zarr"]),
        (["."], ["a.PNG", "b.tif", "c.npy", "d.zarr"]),
        (["deeper"], ["deeper/e.tif"]),
        (["*.tif"], ["b.tif"]),
        (["**/*.tif"], ["b.tif", "deeper/e.tif"]),
        (["[bc].*"], ["b.tif", "c.npy"]),
        (["c.npy", "b.tif", "*.tif", "c.npy"], ["c.npy", "b.tif"]),
    ],
)
def test_inputs_name_files_folders_and_globs(
    folder: Path, inputs: list[str], found: list[str]
) -> None:
    assert find_files([str(folder / name) for name in inputs]) == [folder / n for n in found]


def test_a_file_whose_name_looks_like_a_glob_is_found(folder: Path) -> None:
    (folder / "x[1].tif").write_text("")
    assert find_files([str(folder / "x[1].tif")]) == [folder / "x[1].tif"]


@pytest.mark.parametrize("name", ["empty", "*.jpg", "missing/*.tif"])
def test_inputs_that_name_nothing_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="There are no images in"):
        find_files([str(folder / "b.tif"), str(folder / name)])


@pytest.mark.parametrize(
    ("choice", "index", "axes"),
    [
        ("2", 2, "ZYX"),
        ("-1", -1, "ZYX"),
        ("0:2", slice(2), "TZYX"),
        (":", slice(None), "TZYX"),
        ("1:", slice(1, None), "TZYX"),
        ("::2", slice(None, None, 2), "TZYX"),
        ("1:2", slice(1, 2), "TZYX"),
    ],
)
def test_planes_are_selected_along_the_first_axis(choice: str, index: Any, axes: str) -> None:
    data = of_axes("TZYX")
    picture = Picture(data, "TZYX", {"T": 2.0, "X": 0.1}, {"X": "µm"}, "ome")
    some = chosen(picture, Choice(planes=choice))
    assert some.axes == axes
    np.testing.assert_array_equal(some.data, data[index])
    assert (some.units, some.flavour, some.scale["X"]) == ({"X": "µm"}, "ome", 0.1)
    assert any("--planes" in note for note in some.notes)


@pytest.mark.parametrize("choice", ["3", "-4", "a", "1.5", "1:2:3:4", "1:2:0", "", "0,1"])
def test_planes_that_are_not_there_are_refused(choice: str) -> None:
    with pytest.raises(UserError, match=rf"no planes '{choice}'; the image has 0 to 2"):
        chosen(Picture(of_axes("TYX"), "TYX"), Choice(planes=choice))


@pytest.mark.parametrize("choice", ["2:2", "3:9"])
def test_no_plane_at_all_is_refused(choice: str) -> None:
    with pytest.raises(UserError):
        chosen(Picture(of_axes("TYX"), "TYX"), Choice(planes=choice))


@pytest.mark.parametrize("axes", ["YX", "YXS", "CYX", "XYC"])
def test_a_single_plane_leaves_no_choice(axes: str) -> None:
    with pytest.raises(UserError, match="no planes to choose from"):
        chosen(Picture(of_axes(axes), axes), Choice(planes="0"))


def test_opening_a_zarr_executes_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.mkdir, (tmp_path / "trap sprang",)

    about = {"zarr_format": 2, "shape": [8, 8], "chunks": [8, 8], "fill_value": 0, "order": "C"}
    pickled = {"id": "pickle", "protocol": 5}
    for number, (dtype, codec) in enumerate(itertools.product(("<f4", "|O"), range(2))):
        path = tmp_path / f"{number}.zarr"
        path.mkdir()
        codecs = {"filters": [pickled], "compressor": None} if codec else {"compressor": pickled}
        (path / ".zarray").write_text(
            json.dumps({**about, "dtype": dtype, "filters": None, **codecs})
        )
        (path / "0.0").write_bytes(pickle.dumps(Trap()))
        with pytest.raises(UserError):
            np.asarray(read_picture(path).data[:])
    assert not (tmp_path / "trap sprang").exists()


def test_an_ome_zarr_cannot_point_out_of_its_folder(tmp_path: Path) -> None:
    zarr.save_array(tmp_path / "secret.zarr", np.ones((8, 8), "f4"))
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    level = {"path": "../secret.zarr", "coordinateTransformations": []}
    axes = [{"name": "y"}, {"name": "x"}]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [level]}]}
    with pytest.raises(UserError):
        read_picture(tmp_path / "a.zarr")
