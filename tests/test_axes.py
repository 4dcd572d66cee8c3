"""Which axis is which; windows of arrays as planes, and back."""

from __future__ import annotations

import itertools
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from napari_aprrd.axes import (
    ArrayPlanes,
    JoinedPlanes,
    check_array,
    convert,
    count_axes,
    infer_axes,
)
from napari_aprrd.core.errors import UserError

LENGTHS = {"I": 2, "T": 3, "Z": 4, "C": 2, "Y": 7, "X": 5, "S": 3}
WINDOW = (slice(1, 6), slice(2, 5))
ORDERS = [
    *("YX", "XY", "TYX", "CYX", "YXS", "XYC", "SYX", "YCX", "YXT", "XTY", "ZYXS"),
    *("TCZYX", "CTZYX", "TZCYX", "XYZCT", "ITZCYX", "TCYXS", "SXYCZ", "ITZCYXS"),
]


def ramp(*shape: int, dtype: Any = np.float32) -> NDArray[Any]:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def of_axes(axes: str, dtype: Any = np.float32) -> NDArray[Any]:
    return ramp(*(LENGTHS[letter] for letter in axes), dtype=dtype)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((9, 8), "YX"),
        ((2, 2), "YX"),
        ((9, 3), "YX"),
        ((6, 9, 8), "TYX"),
        ((3, 9, 8), "TYX"),
        ((6, 9, 8, 7), "TZYX"),
        ((2, 6, 9, 8, 7), "TZCYX"),
        ((2, 2, 6, 9, 8, 7), "ITZCYX"),
        ((9, 8, 3), "YXS"),
        ((9, 8, 4), "YXS"),
        ((5, 5, 3), "YXS"),
        ((9, 8, 2), "TYX"),
        ((9, 8, 5), "TYX"),
        ((4, 8, 3), "TYX"),  # too flat for a colour picture
        ((9, 4, 4), "TYX"),
        ((6, 9, 8, 3), "TYXS"),
        ((6, 7, 9, 8, 4), "TZYXS"),
        ((2, 2, 6, 9, 8, 3), "TZCYXS"),
        ((2, 2, 2, 6, 9, 8, 3), "ITZCYXS"),
    ],
)
def test_axes_are_inferred_from_the_shape(shape: tuple[int, ...], axes: str) -> None:
    assert infer_axes(shape) == axes


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((9, 8, 3), "CYX"), ((9, 8), "XY"), ((2, 3, 4), "ZXY"), ((9, 8, 3), "yxs"), ((2,) * 3, "iYx")],
)
def test_named_axes_win_over_the_shape(shape: tuple[int, ...], axes: str) -> None:
    assert infer_axes(shape, axes) == axes.upper()


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        ((9, 8), "TYX", r"TYX name 3 dimensions, the image has 2: \(9, 8\)"),
        ((9, 8, 7), "YX", "YX name 2 dimensions, the image has 3"),
        ((9, 8), "", "name 0 dimensions"),
        ((9, 8, 7), "Q1X", "Q1X are not understood; use each of the letters ITZCYXS once"),
        ((9, 8, 7), "YYX", "YYX are not understood"),
        ((9, 8), "Y ", "are not understood"),
        ((9, 8), "TY", "TY lack Y or X"),
        ((9, 8, 7), "TZX", "TZX lack Y or X"),
        ((9, 8), "TZ", "TZ lack Y or X"),
        ((9,), None, r"Cannot guess the axes of shape \(9,\); name them"),
        ((2,) * 7, None, "Cannot guess the axes"),
        ((2, 2, 2, 2, 2, 9, 9, 3), None, "Cannot guess the axes"),
    ],
)
def test_axes_that_do_not_fit_are_refused(
    shape: tuple[int, ...], axes: str | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        infer_axes(shape, axes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((4, 4), bool), "type bool cannot be denoised; convert to real numbers"),
        (np.ones((4, 4), np.complex64), "type complex64 cannot be denoised"),
        (np.full((4, 4), None), "type object cannot be denoised"),
        (np.full((4, 4), "a"), "type <U1 cannot be denoised"),
        (np.zeros((4, 4), "M8[s]"), "cannot be denoised"),
        (np.zeros((0, 4)), r"The image is empty \(shape \(0, 4\)\)"),
        (np.zeros((3, 4, 0)), "The image is empty"),
        (np.zeros(4), "at least two dimensions, got 1"),
        (np.array(1.0), "at least two dimensions, got 0"),
        ([[1.0, 2.0]], "must be an array, got list"),
        ("cells.tif", "must be an array, got str"),
        (None, "must be an array, got NoneType"),
    ],
)
def test_what_is_no_image_is_refused(data: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_array(data)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i8", "f2", "f4", "f8", ">u2"])
def test_real_numbers_are_accepted(dtype: str) -> None:
    data = np.zeros((1, 1), dtype)
    check_array(data)
    check_array(da.from_array(data))


def naive_planes(data: NDArray[Any], axes: str) -> list[NDArray[Any]]:
    """All planes (C, Y, X), index by index."""
    channel = "S" if "S" in axes else "C" if "C" in axes else ""
    counting = [letter for letter in axes if letter not in ("Y", "X", channel)]
    length = dict(zip(axes, data.shape, strict=True))
    planes = []
    for index in itertools.product(*(range(length[letter]) for letter in counting)):
        at = dict(zip(counting, index, strict=True))
        plane = np.empty((length.get(channel, 1), length["Y"], length["X"]), data.dtype)
        for c, y, x in np.ndindex(plane.shape):
            here = {**at, "Y": y, "X": x, channel: c}
            plane[c, y, x] = data[tuple(here[letter] for letter in axes)]
        planes.append(plane)
    return planes


@pytest.mark.parametrize("axes", ORDERS)
def test_planes_are_those_of_a_naive_loop(axes: str) -> None:
    data = of_axes(axes)
    planes, expected = ArrayPlanes(data, axes), naive_planes(data, axes)
    assert planes.sizes == [(7, 5)] * len(expected)
    assert planes.channels == expected[0].shape[0]
    for plane, whole in enumerate(expected):
        window = planes.read(plane, *WINDOW)
        assert window.dtype == np.float32
        np.testing.assert_array_equal(window, whole[:, *WINDOW])


@pytest.mark.parametrize("axes", ORDERS)
def test_what_is_read_can_be_written_back(axes: str) -> None:
    data = of_axes(axes, np.uint16)
    planes = ArrayPlanes(data, axes)
    out = planes.new_output(data.dtype)
    assert out.shape == data.shape
    out[...] = 9999
    for plane in range(len(planes.sizes)):
        for rows, columns in itertools.product([(0, 4), (4, 7)], [(0, 3), (3, 5)]):
            place = slice(*rows), slice(*columns)
            planes.write(out, plane, place, planes.read(plane, *place))
    np.testing.assert_array_equal(out, data)


@pytest.mark.parametrize("axes", ORDERS)
def test_a_written_window_leaves_the_rest_alone(axes: str) -> None:
    data = of_axes(axes)
    planes = ArrayPlanes(data, axes)
    out = data.copy()
    planes.write(out, len(planes.sizes) - 1, WINDOW, planes.read(0, *WINDOW) * 0 - 5)
    expected = naive_planes(data, axes)
    expected[-1][:, *WINDOW] = -5
    for ours, theirs in zip(naive_planes(out, axes), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("axes", ORDERS)
def test_a_place_is_a_window_of_one_plane_with_all_dimensions(axes: str) -> None:
    data = of_axes(axes)
    planes = ArrayPlanes(data, axes)
    for plane in range(len(planes.sizes)):
        window = ArrayPlanes(data[planes.place(plane, *WINDOW)], axes)
        assert window.sizes == [(5, 3)]
        whole = window.read(0, slice(0, 5), slice(0, 3))
        np.testing.assert_array_equal(whole, planes.read(plane, *WINDOW))


@pytest.mark.parametrize("axes", ORDERS)
def test_cropped_planes_are_windows_of_all_planes(axes: str) -> None:
    planes = ArrayPlanes(of_axes(axes), axes)
    cropped = planes.cropped(*WINDOW)
    assert cropped.sizes == [(5, 3)] * len(planes.sizes)
    for plane in range(len(planes.sizes)):
        window = cropped.read(plane, slice(0, 5), slice(0, 3))
        np.testing.assert_array_equal(window, planes.read(plane, *WINDOW))


@pytest.mark.parametrize(
    ("axes", "chunks"),
    [
        ("YX", (6, 5)),
        ("TYX", (1, 6, 5)),
        ("XYZCT", (5, 6, 1, 2, 1)),
        ("YXS", (6, 5, 3)),
        ("TCYXS", (1, 1, 6, 5, 3)),
    ],
)
def test_a_chunk_is_a_window_of_a_plane_with_its_channels(
    axes: str, chunks: tuple[int, ...]
) -> None:
    assert ArrayPlanes(of_axes(axes), axes).chunks(6) == chunks


@pytest.mark.parametrize(
    ("shape", "axes", "words"),
    [
        ((7, 5), "YX", "YX, one plane of 7 x 5"),
        ((5, 7), "XY", "XY, one plane of 7 x 5"),
        ((3, 7, 5), "TYX", "TYX, 3 time points of 7 x 5"),
        ((7, 5, 3), "YXS", "YXS, 3 colours of 7 x 5"),
        (
            (1, 2, 1, 1, 7, 5),
            "ITZCYX",
            "ITZCYX, 1 image x 2 time points x 1 slice x 1 channel of 7 x 5",
        ),
    ],
)
def test_a_sentence_says_how_an_image_is_read(
    shape: tuple[int, ...], axes: str, words: str
) -> None:
    assert count_axes(shape, axes) == words


@pytest.mark.parametrize("axes", ["YXS", "SYX", "TYXS", "XSY"])
def test_alpha_is_no_channel_and_is_kept(axes: str) -> None:
    shape = [4 if letter == "S" else LENGTHS[letter] for letter in axes]
    data = ramp(*shape, dtype=np.uint16)
    planes = ArrayPlanes(data, axes)
    assert planes.channels == 3
    out = planes.new_output(data.dtype)
    for plane, size in enumerate(planes.sizes):
        whole = tuple(slice(0, n) for n in size)
        tile = planes.read(plane, *whole)
        assert tile.shape == (3, *size)
        planes.write(out, plane, whole, tile + 1)
    colours, alpha = (np.moveaxis(a, axes.index("S"), 0) for a in (out, data))
    np.testing.assert_array_equal(colours[:3], alpha[:3] + 1)
    np.testing.assert_array_equal(colours[3], alpha[3])


def test_four_channels_that_are_no_samples_are_four() -> None:
    assert ArrayPlanes(ramp(4, 7, 5), "CYX").channels == 4


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("u1", [-7.0, 0.4, 0.6, 254.6, 256.0, 1e9], [0, 0, 1, 255, 255, 255]),
        ("u2", [-1.0, 1.6, 65534.7, 65536.0, 7e4], [0, 2, 65535, 65535, 65535]),
        ("i2", [-4e4, -32768.4, -1.6, 32767.4, 4e4], [-32768, -32768, -2, 32767, 32767]),
        ("i1", [-129.0, -1.4, 127.5, 200.0], [-128, -1, 127, 127]),
        ("u4", [-1.0, 4294967040.0, 4294967296.0, 1e12], [0, 4294967040, 2**32 - 1, 2**32 - 1]),
        ("i4", [-3e9, 2147483520.0, 3e9], [-(2**31), 2147483520, 2**31 - 1]),
        ("f2", [-1.5, 0.1, 65504.0], [-1.5, np.float16(0.1), 65504.0]),
        ("f2", [-1e9, 1e9, np.inf, np.nan], [-65504.0, 65504.0, np.inf, np.nan]),
        ("f8", [-1.5, 3e38], [-1.5, float(np.float32(3e38))]),
    ],
)
def test_values_are_rounded_and_clipped_never_wrapped(
    dtype: str, values: list[float], expected: list[float]
) -> None:
    converted = convert(np.array(values, np.float32), np.dtype(dtype))
    assert converted.dtype == dtype
    np.testing.assert_array_equal(converted, np.array(expected, dtype))


def test_what_is_no_number_becomes_one_in_integers() -> None:
    values = np.array([np.nan, np.inf, -np.inf], np.float32)
    assert convert(values, np.dtype("u1")).tolist() == [0, 255, 0]
    assert np.array_equal(convert(values, np.dtype("f4")), values, equal_nan=True)


def test_joined_planes_may_differ_in_size_and_axes() -> None:
    parts = [(ramp(3, 9, 8), "TYX"), (ramp(6, 5) + 0.5, "YX"), (ramp(4, 7, 2) - 99, "YXT")]
    joined = JoinedPlanes([ArrayPlanes(data, axes) for data, axes in parts])
    assert joined.channels == 1
    assert joined.sizes == [(9, 8)] * 3 + [(6, 5)] + [(4, 7)] * 2
    expected = [plane for data, axes in parts for plane in naive_planes(data, axes)]
    window = slice(1, 3), slice(2, 4)
    for plane, whole in enumerate(expected):
        np.testing.assert_array_equal(joined.read(plane, *window), whole[:, *window])
    with pytest.raises(IndexError):
        joined.read(6, *window)


def test_joined_planes_of_other_channels_are_refused() -> None:
    parts = [ArrayPlanes(ramp(9, 8, 3), "YXS"), ArrayPlanes(ramp(9, 8), "YX")]
    with pytest.raises(UserError, match="Images with 1 and 3 channels cannot be trained on"):
        JoinedPlanes(parts)


def test_rgb_and_rgba_can_be_joined() -> None:
    joined = JoinedPlanes([ArrayPlanes(ramp(9, 8, n), "YXS") for n in (3, 4)])
    assert joined.channels == 3


def test_no_image_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="There is no image"):
        JoinedPlanes([])


def test_of_a_dask_array_only_the_chunks_of_the_window_are_computed() -> None:
    data = ramp(4, 2, 8, 8)
    computed: list[tuple[int, ...]] = []

    def note(block: NDArray[Any], block_info: Any = None) -> NDArray[Any]:
        computed.append(tuple(block_info[0]["chunk-location"]))
        return block

    lazy = da.from_array(data, chunks=(1, 2, 4, 4))
    noted = lazy.map_blocks(note, meta=np.empty((0,) * 4, np.float32))
    planes = ArrayPlanes(noted, "TCYX")
    assert planes.sizes == [(8, 8)] * 4
    window = slice(5, 8), slice(0, 3)
    np.testing.assert_array_equal(planes.read(2, *window), data[2][:, *window])
    assert computed == [(2, 0, 1, 0)]


def test_of_a_zarr_array_only_the_chunks_of_the_window_are_read() -> None:
    class NotingStore(zarr.storage.MemoryStore):
        async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
            asked.append(key)
            return await super().get(key, *args, **kwargs)

    asked: list[str] = []
    data = ramp(4, 8, 8, dtype=np.uint16)
    stored = zarr.create_array(NotingStore(), data=data, chunks=(1, 4, 4))
    planes = ArrayPlanes(stored, "TYX")
    asked.clear()
    window = slice(5, 8), slice(0, 3)
    np.testing.assert_array_equal(planes.read(2, *window), data[2:3, *window])
    assert [key for key in asked if "c/" in key] == ["c/2/1/0"]


def test_values_beyond_float32_are_infinite_and_no_warning() -> None:
    planes = ArrayPlanes(np.array([[1e300, 1.0]]), "YX")
    assert planes.read(0, slice(1), slice(2)).tolist() == [[[np.inf, 1.0]]]
