"""Reading and writing napari layers, without a window."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from core.makers import ramp, random_denoiser
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes
from napari.utils._proxies import PublicOnlyProxy

from napari_aprrd import api
from napari_aprrd._napari.layers.parts import part_on_screen
from napari_aprrd._napari.layers.training_part import part_of, rectangle_in
from napari_aprrd._napari.layers.views import (
    add_above,
    current_plane,
    drawn,
    image_layers,
    preview_layer,
)
from napari_aprrd.core.data.planes import CutPlanes, MemoryPlanes
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.errors import UserError
from napari_aprrd.files.formats import read_picture, write_picture
from napari_aprrd.files.picture import Picture
from napari_aprrd.layers import (
    denoised_layer,
    is_image_layer,
    layer_array,
    layer_axes,
    layer_planes,
    levels,
)

KEPT = (
    *("scale", "translate", "rotate", "shear", "units", "axis_labels", "colormap"),
    *("contrast_limits", "gamma", "blending", "visible", "opacity", "interpolation2d"),
    *("interpolation3d", "projection_mode", "rendering", "rgb", "attenuation", "iso_threshold"),
)
LOOK = {
    **{"gamma": 0.7, "blending": "additive", "visible": False, "opacity": 0.6},
    **{"interpolation2d": "cubic", "interpolation3d": "linear", "rendering": "iso"},
    **{"contrast_limits": (3, 70), "name": "cells", "metadata": {"from": {"file": "a.tif"}}},
}
STACK = {
    **{"scale": (2, 0.1, 0.2), "translate": (5, 1, -1), "units": ("s", "um", "um")},
    **{"axis_labels": ("t", "y", "x"), "colormap": "magma", "projection_mode": "mean"},
}
PLANE = {"scale": (0.1, 0.2), "translate": (1, -1), "units": ("um", "um")}
AFFINE = np.array([[1, 0, 0, 4], [0, 0.9, -0.2, 1], [0, 0.3, 1.1, 2], [0, 0, 0, 1]], float)


def forbidden(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    raise AssertionError("a lazy stack was computed")


def lazy_and_forbidden(*shape: int, dtype: Any = np.float32) -> Any:
    stack = da.zeros(shape, chunks=(1, *shape[1:]), dtype=dtype)
    return stack.map_blocks(forbidden, meta=np.empty((0,) * len(shape), dtype))


# Which layers, which data, which axes ---------------------------------------------------------


def test_only_image_layers_count_in_the_order_of_the_list() -> None:
    viewer = ViewerModel()
    first = viewer.add_image(ramp(40, 40))
    viewer.add_labels(np.zeros((40, 40), int))
    second = viewer.add_image(ramp(40, 40, 3, dtype=np.uint8), rgb=True)
    viewer.add_points(np.zeros((1, 2)))
    assert image_layers(viewer.layers) == [first, second]
    assert not is_image_layer(ramp(40, 40))


def test_a_multiscale_layer_gives_its_full_resolution() -> None:
    pyramid = [ramp(2, 64, 64), ramp(2, 32, 32)]
    assert layer_array(Image(pyramid, multiscale=True)).shape == (2, 64, 64)
    stack = ramp(2, 64, 64)
    assert layer_array(Image(stack)) is stack


@pytest.mark.parametrize(
    "wrong",
    [Labels(np.zeros((40, 40), int)), Shapes(), ramp(40, 40), None],
    ids=["labels", "shapes", "array", "nothing"],
)
def test_what_is_no_image_layer_is_refused(wrong: Any) -> None:
    with pytest.raises(UserError, match="image"):
        layer_array(wrong)


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((40, 50), {}, "YX"),
        ((4, 40, 50), {}, "TYX"),
        ((40, 50, 3), {"rgb": False}, "TYX"),  # three columns; only rgb=True makes samples
        ((40, 50, 3), {"rgb": True}, "YXS"),
        ((2, 40, 50, 4), {"rgb": True}, "TYXS"),
        ((2, 3, 40, 50), {}, "TZYX"),
        ((2, 3, 2, 40, 50), {}, "TZCYX"),
        ((2, 40, 50), {"axis_labels": ("c", "y", "x")}, "CYX"),
        ((2, 40, 50), {"axis_labels": ("Z", "Y", "X")}, "ZYX"),
        ((2, 40, 50, 3), {"axis_labels": ("i", "y", "x"), "rgb": True}, "IYXS"),
        ((2, 40, 50), {"axis_labels": ("x", "y", "z")}, "TYX"),  # Y X do not come last
        ((2, 40, 50), {"axis_labels": ("depth", "y", "x")}, "TYX"),
        ((2, 40, 50), {"axis_labels": ("s", "y", "x")}, "TYX"),
        ((2, 2, 40, 50), {"axis_labels": ("t", "t", "y", "x")}, "TZYX"),
        ((2, 40, 50), {"axis_labels": ("ty", "", "x")}, "TYX"),
    ],
)
def test_axes_come_from_rgb_then_labels_then_the_dimensions(
    shape: tuple[int, ...], options: dict[str, Any], axes: str
) -> None:
    assert layer_axes(Image(ramp(*shape, dtype=np.uint8), **options)) == axes


def test_the_planes_of_a_layer() -> None:
    layer = Image(ramp(2, 40, 50, 3, dtype=np.uint8), rgb=True)
    planes = layer_planes(layer)
    assert (planes.channels, planes.sizes) == (3, [(40, 50)] * 2)
    window = planes.read(1, slice(2, 5), slice(3, 9))
    np.testing.assert_array_equal(window, np.moveaxis(layer.data[1, 2:5, 3:9], -1, 0))


# From the world to planes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "options", "point", "plane"),
    [
        ((40, 50), {}, (7, 7), 0),
        ((4, 40, 50), {}, (2, 7, 7), 2),
        ((4, 40, 50), {}, (2.6, 7, 7), 3),
        ((4, 40, 50), {}, (99, 7, 7), 3),  # off the stack: the nearest plane
        ((4, 40, 50), {}, (-9, 7, 7), 0),
        ((4, 40, 50), STACK, (5 + 2 * 3, 1, 1), 3),
        ((4, 40, 50), {}, (8, 8, 1, 7, 7), 1),  # a viewer of more dimensions than the layer
        ((3, 4, 40, 50), {"scale": (1, 0.5, 1, 1)}, (2, 1.5, 0, 0), 11),
        ((3, 2, 40, 50), {"axis_labels": tuple("tcyx")}, (2, 1, 0, 0), 2),  # C counts no planes
        ((4, 40, 50, 3), {"rgb": True, "translate": (10, 0, 0)}, (12, 7, 7), 2),
        ((4, 40, 50), {"affine": AFFINE}, (4 + 3, 7, 7), 3),
    ],
)
def test_the_plane_on_screen(
    shape: tuple[int, ...], options: dict[str, Any], point: Any, plane: int
) -> None:
    assert current_plane(Image(ramp(*shape, dtype=np.uint8), **options), point) == plane


def test_the_plane_on_screen_is_the_one_that_the_viewer_shows() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(ramp(6, 40, 50), scale=(2, 0.1, 0.1), translate=(5, 0, 0))
    viewer.add_image(ramp(3, 9, 40, 50))
    for step in (0, 6, 9, 12, 15):
        viewer.dims.set_point(1, step)
        plane = current_plane(layer, viewer.dims.point)
        if 5 <= viewer.dims.point[1] <= 15:
            np.testing.assert_array_equal(layer._data_view, layer.data[plane])


@pytest.mark.parametrize(
    ("units", "scale", "step"),
    [
        (("ms", "nm", "nm"), (2000, 100, 100), 8000),  # the world is in the smallest units
        (("s", "mm", "mm"), (2, 1e-4, 1e-4), 8),
        (("pixel", "pixel", "pixel"), (2, 1, 1), 8),  # no world that fits both: numbers count
    ],
)
def test_the_plane_on_screen_beside_a_layer_in_other_units(
    units: Any, scale: Any, step: float
) -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(ramp(6, 40, 50), scale=(2, 0.1, 0.1), units=("s", "um", "um"))
    viewer.add_image(ramp(6, 40, 50), scale=scale, units=units)
    viewer.dims.set_point(0, step)
    assert viewer.dims.point[0] == step
    np.testing.assert_array_equal(layer._data_view, layer.data[4])
    assert current_plane(layer, viewer.dims.point, viewer.dims.units) == 4


@pytest.mark.parametrize(("frame", "near"), [(7, range(2, 13)), (1, range(7))])
def test_to_a_part_that_is_a_plane_belong_those_beside_it(frame: int, near: range) -> None:
    layer = Image(ramp(14, 40, 50), **STACK)
    part = part_of(layer, "plane", point=(5 + 2 * frame, 0, 0))
    assert part.sizes == [(40, 50)] * len(near)
    assert part.stack_axes == "T"
    for number, plane in enumerate(near):
        got = part.read(number, slice(0, 40), slice(0, 50))[0]
        np.testing.assert_array_equal(got, layer.data[plane])


def test_independent_images_do_not_belong_to_the_one_on_screen() -> None:
    layer = Image(ramp(4, 40, 50), axis_labels=("i", "y", "x"))
    part = part_of(layer, "plane", point=(2, 0, 0))
    assert part.sizes == [(40, 50)]
    np.testing.assert_array_equal(part.read(0, slice(0, 40), slice(0, 50))[0], layer.data[2])


def test_a_volume_on_screen_is_its_planes_alone() -> None:
    layer = Image(ramp(4, 3, 40, 50), axis_labels=("t", "z", "y", "x"))
    part = part_of(layer, "plane", point=(2, 0, 0, 0), displayed=(1, 2, 3))
    assert (part.sizes, part.stack_axes) == ([(40, 50)] * 3, "Z")


def test_what_is_tried_of_a_lazy_film_reads_no_more_than_the_planes_beside_it() -> None:
    viewer, read = ViewerModel(), set[int]()

    def frame(block: Any, block_info: Any) -> Any:
        read.add(block_info[0]["chunk-location"][0])
        return block

    film = da.from_array(ramp(40, 70, 80), chunks=(1, 70, 80)).map_blocks(frame, dtype="u2")
    layer = viewer.add_image(film, contrast_limits=(0, 250), axis_labels=("t", "y", "x"))
    viewer.dims.set_point(0, 20)
    part = part_on_screen(viewer, layer, "region")
    assert part.amid is not None
    assert not part.amid.planes.in_memory
    read.clear()
    for plane, (height, width) in enumerate(part.amid.planes.sizes):
        part.amid.planes.read(plane, slice(0, height), slice(0, width))
    assert read == set(range(15, 26))
    shown = part.amid.planes.read(part.amid.plane, slice(0, 70), slice(0, 80))[0]
    np.testing.assert_array_equal(shown, part.layer.data.compute()[0])


def test_all_of_a_layer_is_its_planes() -> None:
    layer = Image(ramp(4, 40, 50))
    assert part_of(layer, "all", point=(0, 0, 0)) == layer_planes(layer)


@pytest.mark.parametrize(
    ("corners", "size", "first"),
    [
        ([[4, 6], [40, 50]], (36, 44), (4, 6)),
        ([[-9, -9], [40, 50]], (40, 50), (0, 0)),
        ([[-9, -9], [999, 999]], (60, 70), (0, 0)),
        ([[40, 50], [4, 6]], (36, 44), (4, 6)),
        ([[9, 9, 4, 6], [9, 9, 40, 50]], (36, 44), (4, 6)),
    ],
)
def test_a_part_that_is_a_rectangle_of_all_planes(corners: Any, size: Any, first: Any) -> None:
    layer = Image(ramp(3, 60, 70))
    part = part_of(layer, "rectangle", point=(0, 0, 0), rectangle=np.array(corners, float))
    assert part.sizes == [size] * 3
    got = part.read(2, slice(0, 3), slice(1, 5))[0]
    y, x = first
    np.testing.assert_array_equal(got, layer.data[2, y : y + 3, x + 1 : x + 5])


@pytest.mark.parametrize(
    "corners",
    [[[0, 0], [31, 60]], [[0, 0], [60, 20]], [[100, 100], [200, 200]], [[-90, 0], [-40, 60]], None],
)
def test_a_rectangle_too_small_or_off_the_image_is_refused(corners: Any) -> None:
    rectangle = None if corners is None else np.array(corners, float)
    with pytest.raises(UserError, match="rectangle"):
        part_of(Image(ramp(60, 70)), "rectangle", point=(0, 0), rectangle=rectangle)


class SpiedPlanes(MemoryPlanes):
    """Remembers what is read."""

    def read(self, plane: int, rows: slice, columns: slice) -> Any:
        reads.append((plane, rows, columns))
        return super().read(plane, rows, columns)


reads: list[tuple[int, slice, slice]] = []


def test_a_part_reads_only_its_window() -> None:
    reads.clear()
    whole = SpiedPlanes([ramp(2, 80, 90, dtype=np.float32) + i for i in range(4)])
    part = CutPlanes(whole, [(plane, slice(10, 50), slice(20, 60)) for plane in (1, 3)])
    assert (part.channels, part.sizes) == (2, [(40, 40)] * 2)
    got = part.read(1, slice(5, 9), slice(0, 40))
    assert reads == [(3, slice(15, 19), slice(20, 60))]
    np.testing.assert_array_equal(got, whole.images[3][:, 15:19, 20:60])


# Rectangles in a Shapes layer -----------------------------------------------------------------

BOX = np.array([[10, 20], [10, 60], [50, 60], [50, 20]], float)  # y, x in the image's pixels


def test_the_last_rectangle_counts_unless_one_is_selected() -> None:
    layer, shapes = Image(ramp(60, 70)), Shapes([BOX, BOX + 1, BOX + 2])
    np.testing.assert_allclose(rectangle_in(shapes, layer), BOX + 2)
    shapes.selected_data = {1}
    np.testing.assert_allclose(rectangle_in(shapes, layer), BOX + 1)


def test_an_empty_shapes_layer_is_refused() -> None:
    with pytest.raises(UserError, match="rectangle"):
        rectangle_in(Shapes(), Image(ramp(60, 70)))


@pytest.mark.parametrize(
    ("image", "shapes", "vertices"),
    [
        ({"scale": (0.1, 0.2)}, {}, BOX * (0.1, 0.2)),
        ({"translate": (5, -3)}, {}, BOX + np.array([5, -3])),
        ({"scale": (0.1, 0.2)}, {"scale": (0.1, 0.2)}, BOX),
        ({}, {"scale": (0.5, 0.5), "translate": (2, 4)}, (BOX - (2, 4)) * 2),
        ({"rotate": 90}, {}, BOX[:, ::-1] * (-1, 1)),
        ({"scale": (0.1, 0.2), "units": ("um", "um")}, {"units": ("nm", "nm")}, BOX * (100, 200)),
    ],
)
def test_vertices_pass_through_the_world(image: Any, shapes: Any, vertices: Any) -> None:
    layer = Image(ramp(60, 70), **image)
    np.testing.assert_allclose(rectangle_in(Shapes([vertices], **shapes), layer), BOX, atol=1e-9)


def test_shapes_and_image_may_differ_in_dimensions() -> None:
    deep = Image(ramp(3, 60, 70), **STACK)
    flat = Shapes([BOX * (0.1, 0.2) + (1, -1)])
    np.testing.assert_allclose(rectangle_in(flat, deep)[:, -2:], BOX)
    in_3d = Shapes([np.insert(BOX, 0, 2, axis=1)])
    np.testing.assert_allclose(rectangle_in(in_3d, Image(ramp(60, 70)))[:, -2:], BOX)


# Output layers --------------------------------------------------------------------------------


def sources() -> dict[str, Image]:
    stack, look = ramp(3, 64, 64), LOOK
    rgb = {k: v for k, v in look.items() if k != "contrast_limits"}
    return {
        "plain": Image(stack, **STACK, **look),
        "plane": Image(stack[0], **PLANE, colormap="viridis", **look),
        "rotated": Image(stack, **STACK, **look, rotate=(0, 20, 0), shear=(0, 0, 0.3)),
        "affine": Image(stack, **STACK, **look, affine=AFFINE),
        "rgb": Image(ramp(64, 64, 3, dtype=np.uint8), **PLANE, **rgb, rgb=True),
        "multiscale": Image([stack, stack[:, ::2, ::2]], **STACK, **look, multiscale=True),
        "zarr": Image(zarr.array(stack), **STACK, **look),
        "big-endian": Image(stack.astype(">u2"), **STACK, **look),
        "not contiguous": Image(ramp(64, 64, 3).T, **STACK, **look),
        "dask": Image(da.from_array(stack), **STACK, **look),
        "float": Image(stack.astype(np.float32) / 251, **STACK, **{**look, "gamma": 2.0}),
    }


@pytest.mark.parametrize("kind", list(sources()))
@pytest.mark.parametrize("lazy", [False, True])
def test_an_output_layer_keeps_every_attribute(kind: str, lazy: bool) -> None:
    layer = sources()[kind]
    data = np.zeros_like(np.asarray(layer_array(layer)))
    if lazy:
        data = lazy_and_forbidden(*data.shape, dtype=data.dtype)
    out = denoised_layer(layer, data, {"steps": 5})
    assert out.name == "cells denoised"
    if layer.multiscale and not lazy:  # the other levels are made from it
        assert [level.shape for level in out.data] == [level.shape for level in layer.data]
        assert out.data[0] is data
    else:
        assert out.data is data
        assert out.multiscale is False
    before, after = layer.as_layer_data_tuple()[1], out.as_layer_data_tuple()[1]
    changed = {"name", "metadata", "multiscale", "locked_data_level"}
    for key in before.keys() - changed:
        np.testing.assert_equal(after[key], before[key], err_msg=key)
    for name in KEPT:
        np.testing.assert_equal(getattr(out, name), getattr(layer, name), err_msg=name)
    np.testing.assert_array_equal(out.affine.affine_matrix, layer.affine.affine_matrix)


@pytest.mark.parametrize("kind", list(sources()))
def test_the_denoised_pixels_survive_saving_and_loading(kind: str, tmp_path: Path) -> None:
    layer = sources()[kind]
    planes = layer_planes(layer)
    model = random_denoiser("student-1.00M", channels=planes.channels)
    model.normalisation = Normalisation((40.0,) * planes.channels, (30.0,) * planes.channels)
    out = api.denoise(layer, model, progress=False, device="cpu")
    assert out.dtype == np.dtype(layer.dtype).newbyteorder("=")
    assert out.multiscale == layer.multiscale
    pixels = layer_array(out)
    assert pixels.shape == planes.data.shape
    path = tmp_path / "out.tif"
    write_picture(path, Picture(pixels, planes.axes))
    saved = read_picture(path)
    assert saved.axes == planes.axes
    assert saved.data.dtype == out.dtype
    np.testing.assert_array_equal(saved.data, np.asarray(pixels))
    assert np.ptp(saved.data) > 0


@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4"])
def test_levels_are_means_over_blocks(dtype: str) -> None:
    data = ramp(2, 9, 8, dtype=dtype)
    full, half, small = levels(data, [(2, 9, 8), (2, 5, 4), (2, 1, 2)])
    assert full is data
    assert half.dtype == small.dtype == np.dtype(dtype)
    expected = data[:, 1:3, 2:4].astype(float).mean((1, 2))  # rows of 1 and 2 alternate
    np.testing.assert_allclose(half[:, 1, 1], expected, atol=0.5 if dtype != "f4" else 1e-4)
    assert (half.shape, small.shape) == ((2, 5, 4), (2, 1, 2))


def test_metadata_is_copied_and_says_how_the_layer_was_made() -> None:
    layer, record = sources()["plain"], {"steps": 5, "config": {"seed": 1}}
    out = denoised_layer(layer, layer.data, record)
    about = {**record, "source": layer.name}
    assert out.metadata.pop("napari-aprrd source") == layer.metadata.pop("napari-aprrd id")
    assert out.metadata == {"from": {"file": "a.tif"}, "napari-aprrd": about}
    out.metadata["from"]["file"] = "b.tif"
    record["config"]["seed"] = 2
    assert layer.metadata == {"from": {"file": "a.tif"}}
    assert out.metadata["napari-aprrd"]["config"]["seed"] == 1


def test_metadata_that_cannot_be_copied_is_shared() -> None:
    layer = Image(ramp(40, 40), metadata={"reader": threading.Lock()})
    out = denoised_layer(layer, layer.data, {})
    assert out.metadata["reader"] is layer.metadata["reader"]


# The layer list -------------------------------------------------------------------------------


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


@pytest.mark.parametrize("wrap", [lambda v: v, PublicOnlyProxy], ids=["viewer", "plugin's viewer"])
def test_a_layer_is_added_right_above_its_source(wrap: Any) -> None:
    viewer = ViewerModel()
    for name in ("a", "b", "c"):
        viewer.add_image(ramp(40, 40), name=name)
    seen = wrap(viewer)
    for source in (viewer.layers["a"], seen.layers["c"], seen.layers["a"]):
        add_above(seen, denoised_layer(source, source.data, {}), source)
    assert len(viewer.layers) == 6
    assert len(set(names(viewer))) == 6
    order = [name.split(" ")[0] for name in names(viewer)]
    assert order == ["a", "a", "a", "b", "c", "c"]
    assert names(viewer)[2] == "a denoised [2]"  # the newest covers the one before


def test_no_layer_is_overwritten() -> None:
    viewer = ViewerModel()
    source = viewer.add_image(ramp(40, 40), name="a")
    taken = viewer.add_image(ramp(40, 40), name="a denoised")
    pixels = taken.data.copy()
    out = denoised_layer(source, np.zeros((40, 40)), {})
    add_above(viewer, out, source)
    assert taken.name == "a denoised"
    assert out.name not in ("a", "a denoised")
    assert list(viewer.layers) == [source, out, taken]
    np.testing.assert_array_equal(taken.data, pixels)


def test_without_its_source_a_layer_comes_on_top() -> None:
    viewer = ViewerModel()
    source = viewer.add_image(ramp(40, 40), name="a")
    viewer.add_image(ramp(40, 40), name="b")
    viewer.layers.remove(source)
    add_above(viewer, denoised_layer(source, source.data, {}), source)
    assert names(viewer) == ["b", "a denoised"]
    viewer.layers.clear()
    add_above(viewer, denoised_layer(source, source.data, {}), source)
    assert names(viewer) == ["a denoised"]


def test_an_added_layer_follows_the_sliders() -> None:
    viewer = ViewerModel()
    source = viewer.add_image(ramp(3, 40, 40))
    out = denoised_layer(source, ramp(3, 40, 40) + 1, {})
    add_above(viewer, out, source)
    viewer.dims.set_point(0, 2)
    np.testing.assert_array_equal(out._data_view, source.data[2] + 1)


# Previews -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "turned", [{}, {"rotate": 30}, {"shear": [0.4]}, {"affine": AFFINE[1:, 1:]}, {"rotate": 90}]
)
def test_a_preview_covers_its_window_of_the_source(turned: dict[str, Any]) -> None:
    source = Image(ramp(60, 80), scale=(0.1, 0.2), translate=(3, -4), **turned)
    window = (slice(10, 50), slice(20, 70))
    plane = source.data[window][None].astype(np.float32)
    preview = preview_layer(source, window, plane, "preview")
    for pixel in ((0, 0), (39, 49), (7, 30)):
        expected = source.data_to_world((pixel[0] + 10, pixel[1] + 20))
        np.testing.assert_allclose(preview.data_to_world(pixel), expected)
    np.testing.assert_array_equal(preview.data, source.data[window])


@pytest.mark.parametrize(("dtype", "top"), [("u1", 255), ("u2", 65535), ("f4", 1)])
def test_a_picture_has_the_colours_of_the_layer(dtype: str, top: int) -> None:
    plane = np.array([0, top / 2, top], "f4").reshape(1, 1, 3)
    rgb = Image(np.zeros((1, 3, 3), dtype), rgb=True)
    colours = drawn(rgb, np.concatenate((plane, plane, 0 * plane)))
    assert colours.dtype == np.uint8
    np.testing.assert_allclose(colours[0], [[0, 0, 0], [127, 127, 0], [255, 255, 0]], atol=1)
    red = Image(np.zeros((1, 3), dtype), colormap="red", contrast_limits=(0, top), gamma=0.5)
    shown = drawn(red, plane)[0]
    np.testing.assert_allclose(shown, [[0, 0, 0], [180, 0, 0], [255, 0, 0]], atol=1)
