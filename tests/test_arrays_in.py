"""Arrays as people have them: unnamed, named by xarray, masked, of unknown size."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from core.makers import noisy_image, random_denoiser
from numpy.typing import NDArray
from typer.testing import CliRunner

import napari_aprrd as aprrd
from napari_aprrd import cli
from napari_aprrd.api import planes_of
from napari_aprrd.arrays.labelled import labelled_axes
from napari_aprrd.axes import ArrayPlanes, guess_axes, infer_axes
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.errors import DataWarning, UserError
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.files.description import describe
from napari_aprrd.files.formats import read_picture

TINY: dict[str, Any] = {"steps": 2, "batch": 1, "patch": 32, "width": 4, "depth": 2}
QUIET: dict[str, Any] = {"progress": False, "device": "cpu"}


def noisy(*shape: int, dtype: Any = np.uint16) -> NDArray[Any]:
    """Noisy planes along the leading axes."""
    return noisy_image(int(np.prod(shape[:-2])), *shape[-2:]).reshape(shape).astype(dtype)


@pytest.fixture(scope="module")
def model() -> Denoiser:
    denoiser = random_denoiser()
    denoiser.normalisation = Normalisation((70.0,), (60.0,))
    return denoiser


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        # Films and stacks of cameras stay what they are.
        ((20, 512, 512), "TYX"),
        ((5, 48, 40), "TYX"),
        ((512, 512, 512), "TYX"),
        ((4000, 64, 64), "TYX"),
        ((1, 512, 512), "TYX"),
        ((91, 109, 91), "TYX"),
        ((10, 20, 512, 512), "TZYX"),
        ((100, 80, 64, 64), "TZYX"),
        # So do strips and kymographs, and sides too short for a picture.
        ((100, 1756, 45), "TYX"),
        ((10, 1024, 20), "TYX"),
        ((1000, 128, 50), "TYX"),
        ((200, 128, 32), "TYX"),
        ((30, 30, 8), "TYX"),
        ((9, 8, 2), "TYX"),
        # Planes along the last axis.
        ((512, 512, 20), "YXZ"),
        ((512, 640, 60), "YXZ"),
        ((256, 192, 30), "YXZ"),
        ((256, 256, 128), "YXZ"),
        ((128, 128, 2), "YXZ"),
        ((10, 512, 512, 20), "TYXZ"),
        ((64, 64, 36, 150), "YXZT"),
        ((104, 90, 72, 1200), "YXZT"),
        ((128, 128, 1, 50), "YXZT"),
        # Colours and alpha come first; a last axis of length 1 is a channel.
        ((512, 512, 3), "YXS"),
        ((512, 512, 4), "YXS"),
        ((128, 128, 1), "YXC"),
        ((6, 128, 128, 1), "TYXC"),
        ((512, 512, 20, 1), "YXZC"),
        ((2, 3, 1, 128, 128, 1), "TZCYXI"),
    ],
)
def test_unnamed_axes_are_guessed_with_care(shape: tuple[int, ...], axes: str) -> None:
    assert infer_axes(shape) == axes


@pytest.mark.parametrize("shape", [(512, 512, 20), (64, 64, 36, 150), (99, 98, 4), (5, 99, 98, 3)])
def test_what_was_guessed_can_be_read_otherwise(shape: tuple[int, ...]) -> None:
    guess = guess_axes(shape)
    assert guess.note().endswith(f"; --axes {guess.otherwise} reads it otherwise.")
    assert infer_axes(shape, guess.otherwise) != guess.axes


@pytest.mark.parametrize("shape", [(20, 512, 512), (5, 48, 40), (128, 128), (128, 128, 1)])
def test_ordinary_arrays_have_no_note(shape: tuple[int, ...]) -> None:
    assert guess_axes(shape).note() == ""


@pytest.mark.parametrize("axes", ["HYX", "YXA", "LTCYX", "qyx"])
def test_other_letters_count_independent_images(axes: str) -> None:
    lengths = {"Y": 40, "X": 36, "C": 2}
    data = np.zeros([lengths.get(letter, 3) for letter in axes.upper()])
    planes = planes_of(data, axes)
    others = [letter for letter in planes.axes if letter not in "YXC"]
    assert len(planes.sizes) == 3 ** len(others)
    assert set(planes.sizes) == {(40, 36)}


@pytest.mark.parametrize("axes", ["TYXX", "T1YX"])
def test_letters_that_mean_nothing_are_refused(axes: str) -> None:
    with pytest.raises(UserError, match="use each of the letters ITZCYXS once"):
        infer_axes((3, 4, 5, 6), axes)


@pytest.mark.parametrize(("samples", "channels"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5)])
@pytest.mark.parametrize("axes", ["YXS", "SYX"])
def test_the_alpha_of_grey_and_colour_is_copied(axes: str, samples: int, channels: int) -> None:
    data = noisy(samples, 40, 36)
    image = data if axes == "SYX" else np.moveaxis(data, 0, -1)
    planes = ArrayPlanes(image, axes)
    assert (planes.channels, planes.colours) == (channels, channels == 3)
    clean = aprrd.denoise(image, random_denoiser(channels=channels), axes=axes, **QUIET)
    alpha = clean[channels:] if axes == "SYX" else np.moveaxis(clean, -1, 0)[channels:]
    np.testing.assert_array_equal(alpha, data[channels:])


@pytest.mark.parametrize("lazily", [False, True])
def test_a_last_axis_of_length_1_is_one_channel(model: Denoiser, lazily: bool) -> None:
    image = noisy(3, 40, 36)
    data = da.from_array(image[..., None], chunks=(1, 20, 36, 1)) if lazily else image[..., None]
    clean = np.asarray(aprrd.denoise(data, model, **QUIET))
    np.testing.assert_array_equal(clean[..., 0], aprrd.denoise(image, model, **QUIET))


def test_planes_along_the_last_axis_are_denoised_one_by_one(model: Denoiser) -> None:
    stack = noisy(5, 72, 64)
    with pytest.warns(DataWarning, match='axis of 5 is taken for planes; axes="TYX" reads it'):
        clean = aprrd.denoise(np.moveaxis(stack, 0, -1), model, **QUIET)
    np.testing.assert_array_equal(np.moveaxis(clean, -1, 0), aprrd.denoise(stack, model, **QUIET))


def test_a_guess_is_told_once() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(3):
            planes_of(np.zeros((70, 80, 7)))
    assert len(told) == 1


@pytest.mark.parametrize(
    ("dims", "axes"),
    [
        (("t", "c", "z", "y", "x"), "TCZYX"),
        (("time", "Channel", "Y", "X"), "TCYX"),
        (("x", "y", "frame"), "XYT"),
        (("T", "C", "Z", "Y", "X", "S"), "TCZYXS"),
        (("time", "lat", "lon"), "TYX"),
        (("band", "row", "col"), "CYX"),
        (("position", "y", "x"), "IYX"),
        (("M", "position", "y", "x"), "MIYX"),
        (("time", "height_px", "width_px"), "TYX"),
        (("dim_0", "dim_1"), None),
    ],
)
def test_the_names_of_xarray_are_the_axes(dims: tuple[str, ...], axes: str | None) -> None:
    assert labelled_axes(dims) == axes


def test_named_axes_win_over_those_of_xarray() -> None:
    image = xr.DataArray(noisy(3, 40, 36), dims=("time", "y", "x"))
    assert planes_of(image).axes == "TYX"
    assert planes_of(image, "CYX").axes == "CYX"
    assert planes_of(image.rename(time="a", y="b", x="d")).axes == "TYX"
    with pytest.raises(UserError, match="lack Y or X"):
        planes_of(image.isel(x=0))


@pytest.mark.parametrize("lazily", [False, True])
def test_xarray_comes_back_with_all_that_it_says(model: Denoiser, lazily: bool) -> None:
    data = noisy(3, 40, 36)
    image = xr.DataArray(
        da.from_array(data, chunks=(1, 40, 36)) if lazily else data,
        dims=("time", "x", "y"),
        coords={"time": [0.0, 0.5, 1.0], "y": np.arange(36) * 0.1},
        attrs={"microscope": "A1"},
        name="cells",
    )
    clean = aprrd.denoise(image, model, **QUIET)
    assert isinstance(clean, xr.DataArray)
    assert hasattr(clean.data, "dask") == lazily
    xr.testing.assert_identical(clean.copy(data=image.data), image)
    expected = aprrd.denoise(data, model, axes="TXY", **QUIET)
    np.testing.assert_array_equal(np.asarray(clean), expected)
    teacher = random_denoiser("blind-spot")
    assert aprrd.uncertainty(image, teacher).dims == image.dims
    assert aprrd.trust_report(image, clean).status == aprrd.trust_report(image, expected).status


def test_xarray_is_measured_as_its_names_say() -> None:
    data = noisy(40, 36, 2)
    image = xr.DataArray(data, dims=("y", "x", "channel"))
    assert aprrd.inspect_noise(image) == aprrd.inspect_noise(data, axes="YXC")


@pytest.fixture
def masked() -> Any:
    """Its masked pixels have values that would spoil everything."""
    data = noisy(2, 48, 40)
    mask = np.zeros(data.shape, bool)
    mask[0, 5:20, 8:30] = mask[1, 0] = True
    data[mask] = 65_535
    return np.ma.MaskedArray(data, mask, fill_value=7)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_masked_pixels_stay_and_are_not_looked_at(model: Denoiser, masked: Any, dtype: Any) -> None:
    image = masked.astype(dtype)
    clean = aprrd.denoise(image, model, **QUIET)
    assert isinstance(clean, np.ma.MaskedArray)
    assert (clean.dtype, clean.fill_value) == (image.dtype, 7)
    np.testing.assert_array_equal(clean.mask, image.mask)
    np.testing.assert_array_equal(clean.data[image.mask], image.data[image.mask])
    other = image.copy()
    other.data[other.mask] = 0
    np.testing.assert_array_equal(
        aprrd.denoise(other, model, **QUIET).compressed(), clean[~image.mask]
    )
    as_nan = image.astype(np.float32).filled(np.nan)
    expected = aprrd.denoise(as_nan, model, **QUIET)[~image.mask]
    assert np.abs(expected - clean.compressed()).max() <= 0.5 + 1e-6


def test_masked_pixels_are_not_learnt_from(masked: Any) -> None:
    other = masked.copy()
    other.data[other.mask] = 0
    teachers = [aprrd.train_apr(image, **TINY, **QUIET) for image in (masked, other)]
    assert teachers[0].normalisation == teachers[1].normalisation
    for a, b in zip(*(t.network.state_dict().values() for t in teachers), strict=True):
        assert bool((a == b).all())
    assert aprrd.inspect_noise(masked).sigma == aprrd.inspect_noise(other).sigma


def test_the_mask_of_a_lazy_array_stays(model: Denoiser, masked: Any) -> None:
    lazy = da.from_array(masked, chunks=(1, 20, 20))
    clean = aprrd.denoise(lazy, model, **QUIET).compute()
    expected = aprrd.denoise(masked, model, **QUIET)
    np.testing.assert_array_equal(clean.mask, expected.mask)
    np.testing.assert_array_equal(clean.data, expected.data)


def test_masked_pixels_do_not_count_in_scores(masked: Any) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(100, 20, masked.shape)
    image = np.ma.MaskedArray(truth + rng.normal(0, 5, masked.shape), masked.mask)
    spoilt = image.copy()
    spoilt.data[spoilt.mask] = 1e9
    scores = aprrd.evaluate(image, truth, data_range=255)
    assert aprrd.evaluate(spoilt, truth, data_range=255) == scores
    assert scores.psnr == pytest.approx(20 * np.log10(255 / 5), abs=0.2)
    with pytest.raises(UserError, match="All pixels are masked"):
        aprrd.evaluate(np.ma.masked_all((20, 20)), truth[0, :20, :20])


def test_scores_of_xarray_and_of_a_last_axis_of_length_1_are_those_of_the_pixels() -> None:
    truth, image = noisy(40, 36), noisy(2, 40, 36)[1]
    expected = aprrd.evaluate(image, truth)
    named = [xr.DataArray(a, dims=("y", "x")) for a in (image, truth)]
    assert aprrd.evaluate(*named) == expected
    assert aprrd.evaluate(image[..., None], truth[..., None]) == expected


def unknown_size() -> Any:
    """Frames chosen with a dask mask."""
    stack = da.from_array(noisy(4, 40, 36), chunks=(1, 40, 36))
    return stack[stack.mean(axis=(1, 2)) > 0]


@pytest.mark.parametrize("wrapped", [False, True])
def test_chunks_of_unknown_size_are_refused_at_once(model: Denoiser, wrapped: bool) -> None:
    image = unknown_size()
    image = xr.DataArray(image, dims=("t", "y", "x")) if wrapped else image
    known = noisy(4, 40, 36)
    for call in (
        lambda: aprrd.inspect_noise(image),
        lambda: aprrd.inspect_noise([known, image]),
        lambda: aprrd.train_apr(image, **TINY, **QUIET),
        lambda: aprrd.train_apr(image, **TINY, axes="TYX", **QUIET),
        lambda: aprrd.distill_rd(random_denoiser("blind-spot"), image, **TINY, **QUIET),
        lambda: aprrd.denoise(image, model, **QUIET),
        lambda: aprrd.trust_report(image, known),
        lambda: aprrd.uncertainty(image, random_denoiser("blind-spot")),
    ):
        with pytest.raises(UserError, match=r"call its compute_chunk_sizes\(\) first"):
            call()


def test_irregular_chunks_and_axes_of_length_1_give_the_same_pixels(model: Denoiser) -> None:
    image = noisy(1, 1, 3, 1, 70, 60)
    chunks = ((1,), (1,), (2, 1), (1,), (30, 1, 39), (7, 53))
    clean = aprrd.denoise(da.from_array(image, chunks=chunks), model, **QUIET)
    assert clean.shape == image.shape
    np.testing.assert_array_equal(np.asarray(clean), aprrd.denoise(image, model, **QUIET))


def test_an_unnamed_file_says_what_is_guessed_until_it_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", noisy(64, 72, 4))
    picture = read_picture(tmp_path / "a.npy")
    assert (picture.axes, picture.named) == ("YXS", False)
    assert str(describe(picture)).endswith(
        "The last axis of 4 is taken for colours and alpha, which is copied; "
        "--axes YXZ reads it otherwise."
    )
    named = read_picture(tmp_path / "a.npy", "YXZ")
    assert (named.axes, named.named, named.notes) == ("YXZ", True, ())
    assert "4 slices of 64 x 72" in str(describe(named))


def test_slices_last_in_fortran_order_are_read_lazily(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(noisy(64, 72, 5)))
    picture = read_picture(tmp_path / "a.npy")
    assert isinstance(picture.data, np.memmap)
    assert picture.axes == "YXZ"
    assert str(describe(picture)).startswith("a.npy: 5 planes of 64 x 72, uint16. The last axis")


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_an_archive_of_arrays_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as file:
        np.savez(file, first=noisy(40, 36), second=noisy(40, 36))
    with pytest.raises(UserError, match=r"it is an archive.*save one of its arrays as \.npy"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("shape", "axes"), [((48, 40, 1), "YXC"), ((48, 40, 1), None), ((64, 70, 4), "YXZ")]
)
@pytest.mark.parametrize("suffix", ["npy", "zarr"])
def test_files_of_other_orders_are_denoised_and_keep_their_shape(
    tmp_path: Path,
    model: Denoiser,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, ...],
    axes: str | None,
    suffix: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    model.save("model.aprrd")
    planes = noisy(shape[-1], *shape[:2])
    data = np.moveaxis(planes, 0, -1)
    if suffix == "npy":
        np.save("a.npy", data)
    else:
        zarr.create_array("a.zarr", data=data, chunks=(16, 16, 1))
    options = ["--axes", axes] if axes else []
    words = ["denoise", f"a.{suffix}", "-o", "out.npy", "--model", "model.aprrd", *options]
    result = CliRunner().invoke(cli.app, [*words, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    clean = np.load("out.npy")
    assert clean.shape == shape
    expected = aprrd.denoise(planes, model, axes="TYX", **QUIET)
    np.testing.assert_array_equal(np.moveaxis(clean, -1, 0), expected)
    result = CliRunner().invoke(cli.app, ["evaluate", "out.npy", f"a.{suffix}", "--json"])
    assert result.exit_code == 0, result.output
