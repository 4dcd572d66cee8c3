"""Lazy denoising: only what is looked at is computed."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from core.makers import SMALL_TILES, neighbour_denoiser, noisy_stack, random_pixels
from napari.components import ViewerModel
from napari.layers import Image

from napari_aprrd import api
from napari_aprrd._napari.layers.views import add_above
from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.scaling import Calibration, Normalisation
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model.architecture import Architecture
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.interrupt import Interrupted
from napari_aprrd.denoise_arrays.at_once import denoise_now
from napari_aprrd.denoise_arrays.lazily import lazy_denoise
from napari_aprrd.layers import denoised_layer


def tiny(channels: int = 1, kind: Any = "student-1.00M") -> Denoiser:
    """An untrained student whose output spreads over the range of uint8."""
    torch.manual_seed(channels)
    architecture = Architecture(kind=kind, channels=channels, width=4, depth=2)
    normalisation = Normalisation((0.0,) * channels, (250.0,) * channels)
    model = Denoiser(architecture.build(), architecture, normalisation)
    image = np.random.default_rng(0).uniform(0, 250, (channels, 64, 64)).astype(np.float32)
    raw = model.predict(image, DenoiseConfig(device="cpu")).reshape(channels, -1)
    gain = 30 / raw.std(1)
    offset = 120 - gain * raw.mean(1)
    model.calibration = Calibration(tuple(map(float, gain)), tuple(map(float, offset)))
    return model


LAZY = [
    pytest.param((40, 48), "YX", np.uint16, id="plane"),
    pytest.param((3, 40, 48), "TYX", np.uint8, id="stack"),
    pytest.param((3, 40, 48), "TYX", np.float32, id="float"),
    pytest.param((3, 40, 48), "TYX", ">u2", id="big-endian"),
    pytest.param((2, 40, 48, 4), "TYXS", np.uint8, id="rgba"),
    pytest.param((2, 3, 40, 48), "TCYX", np.uint16, id="channels"),
    pytest.param((2, 40, 3, 48), "TYCX", np.uint16, id="channels between"),
    pytest.param((2, 2, 40, 48), "TZYX", np.float64, id="time and depth"),
]


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array, zarr.array])
@pytest.mark.parametrize(("shape", "axes", "dtype"), LAZY)
def test_a_lazy_array_equals_the_denoised_one(
    shape: tuple[int, ...], axes: str, dtype: Any, wrap: Any
) -> None:
    data = random_pixels(*shape, dtype=dtype)
    model = tiny(ArrayPlanes(data, axes).channels)
    config = DenoiseConfig(device="cpu")
    lazy = lazy_denoise(wrap(data), axes, model, config)
    expected = api.denoise(data, model, config, axes=axes, progress=False)
    assert (lazy.shape, lazy.dtype) == (data.shape, data.dtype.newbyteorder("="))
    got = lazy.compute()
    assert got.dtype == lazy.dtype
    np.testing.assert_array_equal(got, expected)
    assert np.ptp(got[..., :3]) > 0  # or the comparison says nothing


@pytest.mark.parametrize("wrap", [da.from_array, zarr.array])
def test_lazy_arrays_and_layers_give_lazy_ones(wrap: Any) -> None:
    data, model = random_pixels(2, 40, 48), tiny()
    expected = api.denoise(data, model, progress=False, dtype="float32")
    lazy = api.denoise(wrap(data), model, progress=False, dtype="float32")
    layer = api.denoise(Image(da.from_array(data)), model, progress=False)
    assert isinstance(lazy, da.Array)
    assert isinstance(layer.data, da.Array)
    assert lazy.dtype == np.float32
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_a_chunk_is_one_plane_with_all_channels() -> None:
    lazy = lazy_denoise(random_pixels(4, 2, 3, 40, 48), "TZCYX", tiny(3), DenoiseConfig())
    assert lazy.chunks == ((1,) * 4, (1,) * 2, (3,), (40,), (48,))


@pytest.mark.parametrize("kind", ["student-1.00M", "blind-spot"])
def test_tiles_of_a_lazy_plane_have_no_seams_and_wait_each(kind: Any) -> None:
    read: list[tuple[int, ...]] = []

    class Spied:
        shape, dtype, ndim = (2, 310, 270), np.dtype(np.float32), 3
        values = random_pixels(2, 310, 270, dtype=np.float32)

        def __getitem__(self, index: Any) -> Any:
            part = self.values[index]
            read.append(part.shape)
            return part

    model = tiny(kind=kind)
    source, config = Spied(), DenoiseConfig(device="cpu", tile=64)
    lazy = lazy_denoise(source, "TYX", model, config)
    assert len(lazy.chunks[1]) > 2
    assert len(lazy.chunks[2]) > 1
    whole = api.denoise(source.values, model, device="cpu", tile=4096, progress=False)
    np.testing.assert_allclose(lazy.compute(), whole, atol=1e-3)
    read.clear()
    lazy[0, :10, :10].compute()
    assert sum(int(np.prod(shape)) for shape in read) < 310 * 270  # not the whole plane


def test_only_the_planes_looked_at_are_computed() -> None:
    loaded: list[int] = []
    model, data = tiny(), random_pixels(5, 40, 48)

    def spy(block: Any, block_info: Any = None) -> Any:
        loaded.append(block_info[0]["chunk-location"][0])
        return block

    meta = np.empty((0, 0, 0), data.dtype)
    spied = da.from_array(data, chunks=(1, 40, 48)).map_blocks(spy, dtype=data.dtype, meta=meta)
    layer = Image(spied, contrast_limits=(0, 250), scale=(2, 1, 1), visible=False)
    loaded.clear()
    lazy = lazy_denoise(layer.data, "TYX", model, DenoiseConfig(device="cpu"))
    assert loaded == []
    viewer = ViewerModel()
    out = denoised_layer(layer, lazy, {})
    add_above(viewer, out, layer)
    out.visible = True
    assert set(loaded) <= {0, 2}  # a layer starts at its first plane, the viewer in the middle
    viewer.dims.set_point(0, 6)
    assert set(loaded) <= {0, 2, 3}
    expected = api.denoise(data, model, device="cpu", progress=False)
    np.testing.assert_array_equal(np.asarray(out._data_view), expected[3])
    loaded.clear()
    np.testing.assert_array_equal(lazy[4].compute(), expected[4])
    assert loaded == [4]


def test_concurrent_chunks_take_turns_at_the_network() -> None:
    model, inside, most = tiny(), [0], [0]
    guard, forward = threading.Lock(), model.network.forward

    def counted(x: Any) -> Any:
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        out = forward(x)
        with guard:
            inside[0] -= 1
        return out

    model.network.forward = counted  # type: ignore[method-assign]
    one, two = (
        lazy_denoise(random_pixels(4, 40, 48), "TYX", model, DenoiseConfig(device="cpu"))
        for _ in range(2)
    )
    with dask.config.set(scheduler="threads", num_workers=4), ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda lazy: lazy.compute(), (one, two)))
    assert most[0] == 1
    np.testing.assert_array_equal(*results)


def test_two_models_do_not_share_results() -> None:
    data = random_pixels(2, 40, 48)
    one, two = tiny(), tiny()
    lazies = [lazy_denoise(data, "TYX", m, DenoiseConfig(device="cpu")) for m in (one, two)]
    assert lazies[0].name != lazies[1].name


def test_blocks_that_nobody_wants_any_more_are_not_computed() -> None:
    model, cancelled, seen = tiny(), threading.Event(), list[int]()
    config = DenoiseConfig(device="cpu")

    def look(*_: Any) -> None:
        seen.append(1)
        if len(seen) == 2:  # in the middle of a block
            cancelled.set()

    first = next(m for m in model.network.modules() if isinstance(m, torch.nn.Conv2d))
    first.register_forward_pre_hook(look)
    data = random_pixels(4, 40, 48)
    lazy = lazy_denoise(data, "TYX", model, config, is_cancelled=cancelled.is_set)
    np.asarray(lazy[0])
    for plane in (1, 2):
        with pytest.raises(Interrupted):
            np.asarray(lazy[plane])
    assert len(seen) == 2  # the third block was not begun
    cancelled.clear()
    np.asarray(lazy[3])


def test_a_model_for_other_channels_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="channel"):
        lazy_denoise(random_pixels(2, 40, 48), "TYX", tiny(3), DenoiseConfig())


def test_a_lazy_array_does_not_pickle_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pickled = tiny(), []

    def spy(module: Any, protocol: Any) -> Any:
        pickled.append(module)  # no raise: dask would carry on without a word
        return object.__reduce_ex__(module, protocol)

    monkeypatch.setattr(torch.nn.Module, "__reduce_ex__", spy)
    lazy_denoise(random_pixels(2, 40, 48), "TYX", model, DenoiseConfig(device="cpu"))
    assert pickled == []


def test_sources_are_not_read_whole_from_files(tmp_path: Path) -> None:
    stored = zarr.create_array(
        tmp_path / "stack.zarr", shape=(4, 40, 48), chunks=(1, 40, 48), dtype="uint16"
    )
    data = random_pixels(4, 40, 48)
    stored[:] = data
    model = tiny()
    lazy = lazy_denoise(stored, "TYX", model, DenoiseConfig(device="cpu"))
    expected = api.denoise(data[1], model, device="cpu", progress=False)
    np.testing.assert_array_equal(lazy[1].compute(), expected)


STACKS = [
    pytest.param((4, 40, 48), "TYX", "T", 1, {}, id="frames"),
    pytest.param((4, 40, 48), "TYX", "T", 2, {}, id="two on either side"),
    pytest.param((2, 40, 48), "TYX", "T", 3, {}, id="fewer than it sees"),
    pytest.param((40, 48, 3), "YXZ", "Z", 1, {}, id="planes last"),
    pytest.param((2, 3, 2, 40, 48), "TZCYX", "Z", 1, {"channels": 2}, id="slices of frames"),
    pytest.param((3, 2, 2, 40, 48), "TZCYX", "T", 1, {"channels": 2}, id="frames of slices"),
    pytest.param((3, 40, 48, 4), "TYXS", "T", 1, {"channels": 3}, id="colours and alpha"),
    pytest.param((3, 2, 40, 48), "TCYX", "T", 1, {"channels": 2, "separate": True}, id="separate"),
]


def denoised_whole(data: Any, axes: str, model: Denoiser) -> Any:
    made = run(denoise_now(ArrayPlanes(data, axes), model, SMALL_TILES))
    assert made is not None
    return made.data


def alone(model: Denoiser) -> Denoiser:
    """The model without what it knows of stacks."""
    return replace(model, record={})


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array, zarr.array])
@pytest.mark.parametrize(("shape", "axes", "axis", "neighbours", "network"), STACKS)
def test_a_lazy_plane_sees_the_neighbours_that_it_has_in_the_whole_array(
    shape: tuple[int, ...], axes: str, axis: str, neighbours: int, network: Any, wrap: Any
) -> None:
    data = noisy_stack(*shape)
    model = neighbour_denoiser("blind-spot", axis=axis, neighbours=neighbours, **network)
    expected = denoised_whole(data, axes, model)
    lazy = lazy_denoise(wrap(data), axes, model, SMALL_TILES)
    np.testing.assert_array_equal(lazy.compute(), expected)
    assert (denoised_whole(data, axes, alone(model)) != expected).mean() > 0.5


@pytest.mark.parametrize(("shape", "axes"), [((3, 40, 48), "ZYX"), ((1, 40, 48), "TYX")])
def test_a_lazy_image_without_the_stack_of_the_model_is_denoised_alone(
    shape: tuple[int, ...], axes: str
) -> None:
    data, model = noisy_stack(*shape), neighbour_denoiser(neighbours=2)
    expected = denoised_whole(data, axes, alone(model))
    np.testing.assert_array_equal(lazy_denoise(data, axes, model, SMALL_TILES), expected)
    np.testing.assert_array_equal(denoised_whole(data, axes, model), expected)


@pytest.mark.parametrize("kind", ["student-1.00M", "blind-spot"])
def test_tiles_of_a_lazy_stack_see_the_same_part_of_the_neighbours(kind: Any) -> None:
    data, model = noisy_stack(3, 150, 170), neighbour_denoiser(kind)
    lazy = lazy_denoise(data, "TYX", model, SMALL_TILES)
    assert lazy.numblocks[0] == 3
    assert min(lazy.numblocks[1:]) > 1
    np.testing.assert_array_equal(lazy.compute(), denoised_whole(data, "TYX", model))


def test_masked_repeated_and_blank_frames_are_the_same_lazily() -> None:
    data = noisy_stack(7, 40, 48, dtype=np.float32)
    data[2], data[4], data[6, 5:9] = data[1], 0, np.nan
    masked, model = np.ma.masked_greater(data, 150), neighbour_denoiser(neighbours=2)
    expected = denoised_whole(masked, "TYX", model)
    for source in (masked, da.from_array(masked, chunks=(3, 20, 48))):
        got = lazy_denoise(source, "TYX", model, SMALL_TILES).compute()
        np.testing.assert_array_equal(got.mask, masked.mask)
        np.testing.assert_array_equal(got.filled(-1), expected.filled(-1))


def test_a_plane_of_a_stack_needs_its_neighbours_and_no_others() -> None:
    data, model = noisy_stack(9, 40, 48), neighbour_denoiser(neighbours=2)
    loaded: list[int] = []

    class Spied:
        shape, dtype, ndim = data.shape, data.dtype, data.ndim

        def __getitem__(self, index: Any) -> Any:
            loaded.extend(range(*index[0].indices(len(data))))
            return data[index]

    lazy = lazy_denoise(Spied(), "TYX", model, SMALL_TILES)
    assert loaded == []
    for plane, needed in ((4, [2, 3, 4, 5, 6]), (0, [0, 1, 2]), (8, [6, 7, 8])):
        lazy[plane].compute()
        assert sorted(loaded) == needed  # each of them once
        loaded.clear()


def test_a_long_stack_is_never_whole_in_memory() -> None:
    data, model = noisy_stack(40, 40, 48), neighbour_denoiser()
    alive: set[int] = set()
    most = [0]

    def load(block_id: Any = None) -> Any:
        frame = data[block_id[0] : block_id[0] + 1].copy()
        alive.add(id(frame))
        weakref.finalize(frame, alive.discard, id(frame))
        most[0] = max(most[0], len(alive))
        return frame

    source = da.map_blocks(load, chunks=((1,) * 40, (40,), (48,)), dtype=data.dtype, meta=data[:0])
    lazy = lazy_denoise(source, "TYX", model, SMALL_TILES)
    out = np.zeros_like(data)
    with dask.config.set(scheduler="synchronous"):
        da.store(lazy, out)
    np.testing.assert_array_equal(out, denoised_whole(data, "TYX", model))
    assert most[0] < 10
