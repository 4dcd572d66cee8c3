"""Denoising as on a GPU, here on the CPU: the numbers of the plain path, tile by tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.curve import Curve
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.scaling import Calibration, Normalisation
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.jobs import Progress
from napari_aprrd.core.model import denoise_planes, device_pipeline, tile_network
from napari_aprrd.core.model.denoise_planes import denoise
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.device_pipeline import Clean, Pipeline, carefully
from napari_aprrd.core.model.half_precision import HowComputed, passes
from napari_aprrd.core.model.scales import RAW
from napari_aprrd.core.model.tiling import PlaneTile

from ..makers import drive, neighbour_denoiser, noisy_image, random_denoiser

TILED = DenoiseConfig(tile=64, device="cpu")
WHOLE = DenoiseConfig(device="cpu")


class RawPlanes(MemoryPlanes):
    """Planes in memory that can be read in their own type."""

    @property
    def raw_type(self) -> np.dtype[Any]:
        return np.dtype(self.images[0].dtype).newbyteorder("=")

    def read_raw(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
        return self.images[plane][:, rows, columns]


def raw_planes(*sizes: tuple[int, int], dtype: Any = np.uint16, channels: int = 1) -> RawPlanes:
    images = [noisy_image(channels, *size, seed=i) for i, size in enumerate(sizes)]
    return RawPlanes([image.astype(dtype) for image in images], stack_axes="T")


def calibrated(denoiser: Denoiser) -> Denoiser:
    """With the units of `noisy_image`, and a calibration that has a curve."""
    count = denoiser.channels
    denoiser.normalisation = Normalisation((100.3,) * count, (29.7,) * count)
    curves = (Curve((80.0, 101.0, 130.0), (3.0, -2.0, 5.0)), Curve((), ()), Curve((90.0,), (1.0,)))
    denoiser.calibration = Calibration((1.1,) * count, (-3.3,) * count, curves[:count])
    return denoiser


def units_of(denoiser: Denoiser, planes: MemoryPlanes, config: DenoiseConfig) -> list[PlaneTile]:
    return [
        PlaneTile(plane, *tile)
        for plane, size in enumerate(planes.sizes)
        for tile in denoiser.tiles(size, config)
    ]


def rounded(tile: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return tile
    limits = np.iinfo(dtype)
    return np.rint(np.nan_to_num(tile.astype(float))).clip(limits.min, limits.max).astype(dtype)


def both_ways(
    monkeypatch: pytest.MonkeyPatch,
    denoiser: Denoiser,
    planes: MemoryPlanes,
    config: DenoiseConfig = TILED,
    dtype: Any = np.float32,
) -> tuple[list[Clean], list[NDArray[Any]], list[PlaneTile]]:
    """Tiles of the pipeline and of the plain path, and the units that the former left to it."""
    dtype, units, careful = np.dtype(dtype), units_of(denoiser, planes, config), []

    def counted(*args: Any) -> Clean:
        careful.append(args[2])
        return carefully(*args)

    plain = [rounded(carefully(denoiser, planes, u, config).got(), dtype) for u in units]
    with monkeypatch.context() as patched:
        patched.setattr(device_pipeline, "carefully", counted)
        piped = list(Pipeline(denoiser, planes, config, dtype, HowComputed()).run(units))
    assert [clean.unit for clean in piped] == units
    return piped, plain, careful


def assert_equal(piped: list[Clean], plain: list[NDArray[Any]], **tolerance: Any) -> None:
    for clean, expected in zip(piped, plain, strict=True):
        found = rounded(clean.got(), expected.dtype)
        np.testing.assert_allclose(found, expected, **tolerance)


@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M"])
@pytest.mark.parametrize("dtype", sorted(RAW, key=str), ids=str)
def test_it_gives_the_numbers_of_the_plain_path(monkeypatch, kind, dtype) -> None:
    denoiser = calibrated(random_denoiser(kind, channels=3))
    planes = raw_planes((70, 200), (70, 200), (64, 40), dtype=dtype, channels=3)
    piped, plain, careful = both_ways(monkeypatch, denoiser, planes, dtype=dtype)
    assert not careful
    assert all(clean.got().dtype == dtype for clean in piped)
    # Batches, and other strides, may add up in another order: by far less than a grey level.
    assert_equal(piped, plain, rtol=1e-5, atol=1e-3 if dtype.kind == "f" else 1)


@pytest.mark.parametrize("source", [np.float64, np.int32, ">u2", bool])
def test_other_types_are_read_as_numbers(monkeypatch, source) -> None:
    planes = raw_planes((70, 130))
    planes = RawPlanes(
        [(planes.images[0] > 100 if source is bool else planes.images[0]).astype(source)]
    )
    piped, plain, _ = both_ways(monkeypatch, calibrated(random_denoiser()), planes)
    assert_equal(piped, plain, rtol=1e-5, atol=1e-3)


def test_values_beyond_the_type_are_clipped(monkeypatch) -> None:
    denoiser = random_denoiser("student-1.00M")
    denoiser.calibration = Calibration((1e5,), (100.0,))
    planes = RawPlanes([noisy_image(1, 70, 130).astype(np.uint16)])
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        piped, plain, careful = both_ways(monkeypatch, denoiser, planes, dtype=dtype)
        assert not careful
        ends = {int(v) for clean in piped for v in (clean.got().min(), clean.got().max())}
        assert ends & {0, 255, -128, 127, 65535, -32768, 32767}
        assert_equal(piped, plain, atol=1)


def test_pixels_that_are_not_finite_stay(monkeypatch) -> None:
    planes = raw_planes((90, 130), dtype=np.float32, channels=2)
    image = planes.images[0]
    image[0, 3:9, 5:30], image[1, 40, 50], image[1, 41, 50] = np.nan, np.inf, -np.inf
    piped, plain, careful = both_ways(monkeypatch, calibrated(random_denoiser(channels=2)), planes)
    assert not careful
    assert_equal(piped, plain, rtol=1e-5, atol=1e-3)
    assert any(np.isnan(clean.got()).any() for clean in piped)


def test_channels_that_were_not_learnt_stay(monkeypatch) -> None:
    denoiser = random_denoiser(channels=2)
    denoiser.normalisation = Normalisation((100.0, 0.0), (30.0, 1.0), not_learnt=(1,))
    planes = raw_planes((70, 130), channels=2)
    piped, plain, careful = both_ways(monkeypatch, denoiser, planes, dtype=np.uint16)
    assert not careful
    assert_equal(piped, plain, atol=1)
    np.testing.assert_array_equal(
        piped[0].got()[1], planes.images[0][1, :, : piped[0].got().shape[2]]
    )


def test_tiles_with_constant_areas_are_computed_with_care(monkeypatch) -> None:
    planes = raw_planes((64, 64), (64, 64), (64, 64), (64, 64))
    planes.images[1][:, :20] = 0  # a border
    planes.images[2][:] = 7  # an empty plane
    planes.images[3][:] = np.random.default_rng(0).poisson(0.4, (1, 64, 64))  # a dark one
    piped, plain, careful = both_ways(monkeypatch, calibrated(random_denoiser()), planes, WHOLE)
    assert [unit.plane for unit in careful] == [1, 2]
    assert_equal(piped, plain, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M"])
@pytest.mark.parametrize("neighbours", [1, 2])
def test_neighbours_are_read_once_and_seen_by_all(monkeypatch, kind, neighbours) -> None:
    denoiser = neighbour_denoiser(kind, neighbours=neighbours, channels=2)
    planes = raw_planes(*[(70, 130)] * 6, channels=2)
    reads: list[Any] = []
    read_raw = RawPlanes.read_raw

    def counted(self: RawPlanes, *place: Any) -> Any:
        reads.append(str(place))
        return read_raw(self, *place)

    monkeypatch.setattr(RawPlanes, "read_raw", counted)
    piped, plain, careful = both_ways(monkeypatch, denoiser, planes)
    assert not careful
    assert_equal(piped, plain, rtol=1e-5, atol=1e-3)
    assert len(reads) == len(set(reads)) == len(piped)


def test_a_repeated_frame_is_no_neighbour(monkeypatch) -> None:
    planes = raw_planes(*[(64, 64)] * 5)
    planes.images[3][:] = planes.images[2]
    piped, plain, careful = both_ways(monkeypatch, neighbour_denoiser(), planes, WHOLE)
    assert {unit.plane for unit in careful} == {2, 3}
    assert_equal(piped, plain, rtol=1e-5, atol=1e-3)


def test_a_plane_without_neighbours_is_denoised_alone(monkeypatch) -> None:
    piped, plain, _ = both_ways(monkeypatch, neighbour_denoiser(), raw_planes((64, 64)), WHOLE)
    assert_equal(piped, plain)


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (9, 40)])
def test_tiny_planes(monkeypatch, size) -> None:
    piped, plain, _ = both_ways(monkeypatch, random_denoiser(), raw_planes(size), WHOLE)
    assert_equal(piped, plain, rtol=1e-5, atol=1e-3)


def test_small_planes_are_computed_together(monkeypatch) -> None:
    planes, batches = raw_planes(*[(40, 40)] * 7, (64, 40), (40, 40)), []
    call = tile_network.TileNetwork.__call__

    def counted(self: Any, raw: torch.Tensor, geometry: Any) -> Any:
        batches.append(len(raw))
        return call(self, raw, geometry)

    monkeypatch.setattr(tile_network.TileNetwork, "__call__", counted)
    monkeypatch.setattr(device_pipeline, "BATCH", 4 * 72 * 72)
    piped, plain, careful = both_ways(monkeypatch, random_denoiser(), planes, WHOLE)
    assert not careful
    assert batches == [4, 3, 1, 1]
    assert_equal(piped, plain, rtol=1e-5, atol=1e-3)


def test_where_memory_runs_out_tiles_are_computed_one_by_one(monkeypatch) -> None:
    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tile_network.TileNetwork, "__call__", full)
    planes = raw_planes((70, 130), (70, 130))
    piped, plain, careful = both_ways(monkeypatch, random_denoiser(), planes)
    assert len(careful) == len(piped)
    assert_equal(piped, plain)


def test_a_tile_that_cannot_be_read_fails_alone(monkeypatch) -> None:
    class Torn(RawPlanes):
        def read_raw(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
            if plane == 1:
                raise UserError("Plane 1 cannot be read.")
            return super().read_raw(plane, rows, columns)

    planes, denoiser = Torn(raw_planes(*[(40, 40)] * 4).images), random_denoiser()
    units = units_of(denoiser, planes, WHOLE)
    piped = list(Pipeline(denoiser, planes, WHOLE, np.dtype("u2"), HowComputed()).run(units))
    assert [str(clean.failure or "") for clean in piped] == ["", "Plane 1 cannot be read.", "", ""]
    with pytest.raises(UserError, match="Plane 1"):
        piped[1].got()


def test_no_more_is_read_than_a_few_tiles_ahead(monkeypatch) -> None:
    reads: list[int] = []

    class Counted(RawPlanes):
        def read_raw(self, plane: int, rows: slice, columns: slice) -> NDArray[Any]:
            reads.append(plane)
            return super().read_raw(plane, rows, columns)

    monkeypatch.setattr(device_pipeline, "BATCH", 1)
    planes, denoiser = Counted(raw_planes(*[(40, 40)] * 40).images), random_denoiser()
    units = units_of(denoiser, planes, WHOLE)
    running = Pipeline(denoiser, planes, WHOLE, np.dtype("u2"), HowComputed()).run(units)
    for done, _ in enumerate(running, start=1):
        assert len(reads) <= done + 2 * device_pipeline.AHEAD
        if done == 10:
            running.close()
    assert len(reads) < 20


def test_masks_that_a_source_did_not_announce_are_heeded(monkeypatch) -> None:
    class Masked(RawPlanes):
        raw_type = np.dtype(np.uint16)

    planes = Masked(raw_planes((64, 64), dtype=np.float32).images)
    planes.images[0][0, 5, 5] = np.nan
    piped, plain, careful = both_ways(monkeypatch, random_denoiser(), planes, WHOLE)
    assert len(careful) == 1
    assert_equal(piped, plain)


def test_half_precision_is_tried_once_and_told(monkeypatch) -> None:
    planes = raw_planes(*[(64, 64)] * 4)
    denoiser, how = calibrated(random_denoiser("student-1.00M")), HowComputed(undecided=True)
    monkeypatch.setattr(device_pipeline, "BATCH", 1)
    units = units_of(denoiser, planes, WHOLE)
    exact = [carefully(denoiser, planes, unit, WHOLE).got() for unit in units]
    piped = list(Pipeline(denoiser, planes, WHOLE, np.dtype("f4"), how).run(units))
    assert how.precision == "float16"
    assert how.difference is not None
    assert 0 < how.difference < 0.01
    assert "float16" in how.note
    np.testing.assert_allclose(piped[0].got(), exact[0], rtol=1e-5)  # the one it was tried on
    for clean, expected in zip(piped[1:], exact[1:], strict=True):
        assert 0 < np.abs(clean.got() - expected).max() < 0.5
    assert next(denoiser.network.parameters()).dtype == torch.float32
    again = HowComputed.from_text(how.as_text())
    assert (again.precision, again.note) == ("float16", how.note)


@pytest.mark.parametrize(("error", "good"), [(0.005, True), (0.02, False), (float("nan"), False)])
def test_half_precision_must_not_be_seen_in_the_noise(error, good) -> None:
    noisy = torch.randn(1, 2, 100, 100, generator=torch.Generator().manual_seed(0))
    exact, how = torch.zeros_like(noisy), HowComputed(undecided=True)
    assert passes(noisy, exact, exact + error, how) is good
    assert how.precision == ("float16" if good else "float32")
    assert how.is_tried
    assert not how.undecided
    assert how.note


@pytest.mark.parametrize("text", ["", "{", "[]", '{"precision": "float16"}'])
def test_a_damaged_note_on_precision_is_nothing(text) -> None:
    assert HowComputed.from_text(text) == HowComputed()


def test_a_job_says_once_that_it_computes_in_half_precision(monkeypatch) -> None:
    monkeypatch.setattr(denoise_planes, "_is_piped", lambda denoiser: True)
    monkeypatch.setattr(device_pipeline, "is_worth_a_trial", lambda *_: True)
    planes, written = raw_planes(*[(64, 64)] * 4), []
    denoiser = calibrated(random_denoiser("student-1.00M"))

    def write(plane: int, place: Any, tile: NDArray[Any]) -> None:
        written.append((plane, tile.dtype, tile.shape))

    job = denoise(denoiser, planes, write, WHOLE, first=2, dtype=np.dtype(np.uint16))
    done, reports = drive(job)
    assert done
    assert written == [(plane, np.uint16, (1, 64, 64)) for plane in (2, 0, 1, 3)]
    assert [report.step for report in reports] == [1, 2, 3, 4]
    told: list[Progress] = [report for report in reports if report.note]
    assert len(told) == 1
    assert told[0].expert
    assert "float16" in told[0].note


def test_nothing_is_written_after_a_stop(monkeypatch) -> None:
    monkeypatch.setattr(denoise_planes, "_is_piped", lambda denoiser: True)
    planes, written = raw_planes(*[(64, 64)] * 6), []
    job = denoise(random_denoiser(), planes, lambda plane, *_: written.append(plane), WHOLE)
    done, _ = drive(job, stop_at="Denoise")
    assert not done
    assert written == [0]
