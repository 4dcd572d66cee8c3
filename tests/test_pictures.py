"""PNG and JPEG as people have them: what is read, what is said, what comes back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin

from napari_aprrd.core.errors import UserError
from napari_aprrd.files.formats import check_format, read_picture, write_picture
from napari_aprrd.files.photographs.exif import upright
from napari_aprrd.files.photographs.pictures import Extras, Png
from napari_aprrd.files.picture import Picture

ICC = bytes(range(256)) * 4


def scene(*shape: int, dtype: Any = np.uint8) -> NDArray[Any]:
    """Smooth, and different in every corner and sample."""
    height, width, *more = shape
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [0.1 + 0.5 * y + 0.3 * x * (1 + s) / 4 for s in range(*more or (1,))]
    image = np.stack(planes, -1) if more else planes[0]
    return (image * np.iinfo(dtype).max).astype(dtype)


def exif_of(turn: int) -> bytes:
    """Of a camera with a maker's note, which lies behind the first directory."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = turn
    exif.get_ifd(0x8769)[0x927C] = b"a note of the maker"
    return bytes(exif.tobytes())


def seen(path: Path) -> NDArray[Any]:
    """What a viewer that knows EXIF displays."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image)).astype(int)


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 2), (20, 24, 3), (20, 24, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_keeps_all_bits_of_grey_colour_and_alpha(
    tmp_path: Path, shape: tuple[int, ...], dtype: Any
) -> None:
    data = scene(*shape, dtype=dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    picture = read_picture(tmp_path / "a.png")
    assert (picture.axes, picture.named, picture.notes) == ("YXS"[: len(shape)], True, ())
    np.testing.assert_array_equal(picture.data, data)
    write_picture(tmp_path / "b.png", picture)
    np.testing.assert_array_equal(imagecodecs.png_decode((tmp_path / "b.png").read_bytes()), data)


@pytest.mark.parametrize(("samples", "channels"), [(2, 1), (3, 3), (4, 3)])
def test_alpha_is_no_channel(tmp_path: Path, samples: int, channels: int) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(scene(20, 24, samples)))
    assert read_picture(tmp_path / "a.png").as_planes.channels == channels


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("grey", [False, True])
def test_a_palette_becomes_the_colours_in_it(tmp_path: Path, grey: bool, alpha: bool) -> None:
    indices = np.arange(20 * 24, dtype=np.uint8).reshape(20, 24) % 7
    palette = np.array([[i * 30, i * 30 if grey else 9, i * 30] for i in range(7)], np.uint8)
    image = Image.fromarray(indices).copy()
    image.putpalette(palette.tobytes())
    image.save(tmp_path / "a.png", **({"transparency": 3} if alpha else {}))
    picture = read_picture(tmp_path / "a.png")
    expected = palette[indices][..., :1] if grey else palette[indices]
    if alpha:
        opaque = np.where(indices == 3, 0, 255).astype(np.uint8)
        expected = np.dstack([expected, opaque])
    np.testing.assert_array_equal(picture.data, np.squeeze(expected))
    what = "grey values" if grey else "colours"
    assert picture.notes == (f"Its palette is replaced by the {what} in it.",)


def test_a_colour_that_stands_for_nothing_becomes_alpha(tmp_path: Path) -> None:
    grey = scene(20, 24)
    Image.fromarray(grey).save(tmp_path / "a.png", transparency=int(grey[0, 0]))
    data = read_picture(tmp_path / "a.png").data
    np.testing.assert_array_equal(data[..., 0], grey)
    np.testing.assert_array_equal(data[..., 1] == 0, grey == grey[0, 0])


def test_black_and_white_is_refused_in_one_sentence(tmp_path: Path) -> None:
    Image.fromarray(scene(20, 24)).convert("1").save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"Cannot use .*a\.png: it is black and white, 1 bit"):
        read_picture(tmp_path / "a.png")


def test_a_jpeg_for_printing_is_refused_in_one_sentence(tmp_path: Path) -> None:
    Image.fromarray(scene(20, 24, 3)).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(UserError, match=r"its colours are CMYK, for printing; convert it to RGB"):
        read_picture(tmp_path / "a.jpg")


def test_an_animated_png_says_what_is_left_out(tmp_path: Path) -> None:
    first, second = (Image.fromarray(scene(20, 24) // n) for n in (1, 2))
    first.save(tmp_path / "a.png", save_all=True, append_images=[second])
    picture = read_picture(tmp_path / "a.png")
    assert picture.notes == ("Only the first of its 2 pictures is read.",)
    np.testing.assert_array_equal(picture.data, np.asarray(first))


def test_a_jpeg_of_several_pictures_says_what_is_left_out(tmp_path: Path) -> None:
    first, second = (Image.fromarray(scene(20, 24, 3) // n) for n in (1, 2))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert read_picture(tmp_path / "a.jpg").notes == ("Only the first of its 2 pictures is read.",)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png"])
def test_a_viewer_sees_a_photograph_the_same_way_up(tmp_path: Path, name: str, turn: int) -> None:
    path, exif = tmp_path / name, exif_of(turn)
    if name == "deep.png":
        picture = Picture(scene(20, 24, 3, dtype=np.uint16), "YXS", exif=exif)
        write_picture(path, picture)
    else:
        Image.fromarray(scene(20, 24, 3)).save(path, exif=exif, dpi=(300, 150))
    picture = read_picture(path)
    write_picture(tmp_path / f"b{path.suffix}", picture)
    written = seen(tmp_path / f"b{path.suffix}")
    assert written.shape == seen(path).shape
    assert np.abs(written - seen(path)).max() <= 3
    upright_shape = (24, 20, 3) if turn > 4 else (20, 24, 3)
    assert picture.data.shape == upright_shape
    assert bool(picture.notes) == (turn != 1)
    if name != "deep.png":
        finer = "Y" if turn > 4 else "X"
        assert picture.scale[finer] == min(picture.scale.values()) < max(picture.scale.values())


@pytest.mark.parametrize("turn", [1, 6])
def test_exif_stays_byte_for_byte_but_for_the_turn(turn: int) -> None:
    assert upright(exif_of(turn)) == exif_of(1)


@pytest.mark.parametrize("odd", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\xff\xff", b"none at all"])
def test_exif_that_is_cut_off_is_kept_as_it_is(odd: bytes) -> None:
    assert upright(odd) == odd


@pytest.mark.parametrize(("name", "unit"), [("a.png", "m"), ("a.jpg", "in")])
@pytest.mark.parametrize("samples", [1, 3])
def test_profile_exif_and_resolution_come_back(
    tmp_path: Path, name: str, unit: str, samples: int
) -> None:
    data, exif = scene(20, 24, 3)[..., :samples].squeeze(), exif_of(1)
    path = tmp_path / name
    Image.fromarray(data).save(path, icc_profile=ICC, exif=exif, dpi=(300, 150))
    picture = read_picture(path)
    assert picture.units == {"X": unit, "Y": unit}
    in_metres = {"m": 1.0, "in": 0.0254}[unit]
    assert picture.scale["X"] * in_metres == pytest.approx(0.0254 / 300, rel=1e-4)
    assert picture.scale["Y"] * in_metres == pytest.approx(0.0254 / 150, rel=1e-4)
    write_picture(tmp_path / f"b{path.suffix}", picture)
    with Image.open(path) as before, Image.open(tmp_path / f"b{path.suffix}") as after:
        for key in ("icc_profile", "exif", "dpi"):
            assert after.info[key] == before.info[key], key


def test_a_deep_png_keeps_what_pillow_cannot_write_with_it(tmp_path: Path) -> None:
    data = scene(20, 24, 3, dtype=np.uint16)
    microscope = {"X": 0.065, "Y": 0.065}
    picture = Picture(
        data, "YXS", microscope, dict.fromkeys("XY", "µm"), icc_profile=ICC, exif=exif_of(1)
    )
    write_picture(tmp_path / "a.png", picture)
    again = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(again.data, data)
    assert (again.icc_profile, again.exif) == (ICC, picture.exif)
    assert again.scale == pytest.approx({"X": 0.065e-6, "Y": 0.065e-6})
    with Image.open(tmp_path / "a.png") as image:
        image.load()  # Pillow checks the sums of all parts


def test_texts_and_colour_space_of_a_png_come_back(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Description", "neurons, day 3")
    texts.add_itxt("Author", "Ångström")
    texts.add(b"gAMA", (45455).to_bytes(4, "big"))
    Image.fromarray(scene(20, 24)).save(tmp_path / "a.png", pnginfo=texts)
    write_picture(tmp_path / "b.png", read_picture(tmp_path / "a.png"))
    with Image.open(tmp_path / "b.png") as image:
        assert image.text == {"Description": "neurons, day 3", "Author": "Ångström"}
        assert image.info["gamma"] == pytest.approx(0.45455)


def test_comment_and_xmp_of_a_jpeg_come_back(tmp_path: Path) -> None:
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    Image.fromarray(scene(20, 24, 3)).save(tmp_path / "a.jpg", comment=b"day 3", xmp=xmp)
    write_picture(tmp_path / "b.jpg", read_picture(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "b.jpg") as image:
        assert (image.info["comment"], image.info["xmp"]) == (b"day 3", xmp)


def test_a_jpeg_is_written_with_little_loss_and_whole_colours(tmp_path: Path) -> None:
    data = np.zeros((32, 32, 3), np.uint8)
    data[:, ::2] = (200, 40, 40)
    data[:, 1::2] = (40, 40, 200)
    write_picture(tmp_path / "a.jpg", Picture(data, "YXS"))
    read = read_picture(tmp_path / "a.jpg").data.astype(int)
    assert np.abs(read - data).max() <= 12  # with half of the colours' resolution: over 70


@pytest.mark.parametrize("scale", [{"X": 1e-5, "Y": 1e-5}, {"X": 40.0, "Y": 40.0}, {"X": 0.01}])
def test_a_resolution_that_a_jpeg_cannot_hold_is_left_out(
    tmp_path: Path, scale: dict[str, float]
) -> None:
    picture = Picture(scene(20, 24), "YX", scale, dict.fromkeys(scale, "in"))
    write_picture(tmp_path / "a.jpg", picture)
    assert read_picture(tmp_path / "a.jpg").scale == {}


def test_a_photograph_may_change_its_format(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = exif_of(6)
    Image.fromarray(scene(20, 24, 3)).save(path, icc_profile=ICC, exif=exif, dpi=(300, 300))
    write_picture(tmp_path / "b.png", read_picture(path))
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (20, 24)
        assert image.info["icc_profile"] == ICC
        assert image.info["dpi"] == pytest.approx((300, 300), rel=1e-4)
        assert image.getexif()[0x010F] == "Maker"
    np.testing.assert_array_equal(seen(tmp_path / "b.png"), seen(path))


@pytest.mark.parametrize("axes", ["YXC", "TYX", "SYX", "XY"])
def test_a_single_plane_of_any_axes_can_be_a_picture(tmp_path: Path, axes: str) -> None:
    data = scene(20, 24, 3) if "S" in axes else scene(20, 24)
    lengths = {"Y": 20, "X": 24, "S": 3}
    order = [a for a in axes if a in lengths]
    turned = data.transpose([("YXS" if "S" in axes else "YX").index(a) for a in order])
    shaped = turned.reshape([lengths.get(a, 1) for a in axes])
    write_picture(tmp_path / "a.png", Picture(shaped, axes))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").data, data)


@pytest.mark.parametrize(
    ("name", "axes", "shape", "sentence"),
    [
        ("a.jpg", "YXS", (20, 24, 4), "no transparency; use .png or .tif"),
        ("a.jpg", "YXS", (20, 24, 2), "no transparency; use .png or .tif"),
        ("a.png", "YXS", (20, 24, 6), "no pixels of 6 samples; use .tif"),
        ("a.png", "CYX", (3, 20, 24), "single pictures of 8 or 16 bits; use .tif"),
    ],
)
def test_what_a_format_cannot_hold_is_said_before_the_work(
    name: str, axes: str, shape: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        check_format(name, np.dtype("u1"), axes, shape)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png"])
def test_half_a_picture_is_damaged(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    dtype = np.uint16 if name == "deep.png" else np.uint8
    data = rng.integers(0, np.iinfo(dtype).max, (64, 64, 3)).astype(dtype)
    path = tmp_path / name
    write_picture(path, Picture(data, "YXS"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="is damaged or incomplete"):
        read_picture(path)


@pytest.mark.parametrize(("name", "kind"), [("a.png", "JPEG"), ("a.jpg", "PNG")])
def test_a_picture_under_a_wrong_name_is_read_and_named(
    tmp_path: Path, name: str, kind: str
) -> None:
    Image.fromarray(scene(20, 24)).save(tmp_path / name, kind)
    picture = read_picture(tmp_path / name)
    assert picture.notes == (f"It is a {kind}, whatever its name says.",)
    assert picture.data.shape == (20, 24)


def test_what_is_no_picture_is_said_without_pythons_words(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture at all")
    with pytest.raises(UserError, match=r"a\.png is not a PNG image \(its header cannot be read\)"):
        read_picture(tmp_path / "a.png")


def test_a_huge_picture_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(scene(64, 64)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match="too many pixels for this format"):
        read_picture(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)  # Pillow warns: nobody needs to know
    assert read_picture(tmp_path / "a.png").data.shape == (64, 64)


def test_parts_of_a_damaged_png_are_no_reason_to_fail() -> None:
    whole = io.BytesIO()
    Image.fromarray(scene(20, 24)).save(whole, "PNG")
    picture = Png()._extras(Image.open(whole), whole.getvalue()[:40], turned=False)
    assert picture == Extras()
