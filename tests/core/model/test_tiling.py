"""Tiles: the plan, the halo, and that tiled prediction equals whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_aprrd.core.config import ALL_SHIFTS, DenoiseConfig
from napari_aprrd.core.model.tiling import round_up, spans

from ..makers import KINDS, NetworkKind, noisy_image, random_denoiser

WHOLE = DenoiseConfig(tile=4096)
TILED = DenoiseConfig(tile=64)


@pytest.mark.parametrize("length", [3, 32, 64, 72, 201, 1024])
@pytest.mark.parametrize(("tile", "halo"), [(64, 41), (60, 0), (4096, 41), (8, 100)])
@pytest.mark.parametrize("border", [0, 16, 3])
def test_spans_partition_the_length_on_the_grid_of_the_pools(
    length: int, tile: int, halo: int, border: int
) -> None:
    found = list(spans(length, tile, halo, 8, border))
    kept = [i for span in found for i in range(span.keep_start, span.keep_stop)]
    assert kept == list(range(length))
    end = round_up(length + 2 * border, 8) - border
    for span in found:
        assert (span.start + border) % 8 == (span.stop + border) % 8 == 0
        assert -border <= span.start <= span.keep_start < span.keep_stop <= span.stop <= end
        assert span.start == -border or span.keep_start - span.start >= halo
        assert span.stop == end or span.stop - span.keep_stop >= halo
        assert span.keep_start % tile == 0  # chunks of a file can be like this
        rest = halo + 8 if span is found[-1] else 0
        assert span.keep_stop - span.keep_start <= tile + rest


def test_a_rest_within_the_halo_is_no_tile_of_its_own() -> None:
    assert [s.keep_stop for s in spans(544, 512, 24, 8, 16)] == [544]
    assert [s.keep_stop for s in spans(544, 512, 16, 8, 16)] == [512, 544]


@pytest.mark.parametrize(("value", "rounded"), [(0, 0), (1, 8), (8, 8), (9, 16)])
def test_rounding_up(value: int, rounded: int) -> None:
    assert round_up(value, 8) == rounded


@pytest.mark.parametrize(
    ("kind", "depth", "size"),
    [
        *itertools.product(KINDS, [2], [(203, 97), (33, 190)]),
        *itertools.product(KINDS, [3], [(231, 109)]),
    ],
)
def test_tiled_prediction_equals_whole(
    kind: NetworkKind, depth: int, size: tuple[int, int]
) -> None:
    denoiser = random_denoiser(kind, channels=2, depth=depth)
    image = noisy_image(2, *size) / 100
    read = lambda rows, columns: image[:, rows, columns]  # noqa: E731
    assert len(list(denoiser.predict_tiles(read, size, WHOLE))) == 1
    assert len(list(denoiser.predict_tiles(read, size, TILED))) >= 3
    whole, tiled = denoiser.predict(image, WHOLE), denoiser.predict(image, TILED)
    assert whole.shape == image.shape
    assert whole.std() > 1e-3
    assert np.abs(tiled - whole).max() < 1e-4 * whole.std()  # rounding, no seams


def test_tiled_targets_equal_whole() -> None:
    denoiser, image = random_denoiser(), noisy_image(1, 101, 131) / 100
    whole, tiled = (denoiser.targets(image, (0, 5), config) for config in (WHOLE, TILED))
    assert np.abs(tiled - whole).max() < 1e-4 * whole.std()


@pytest.mark.parametrize("shift", [20, 32])
def test_tiled_prediction_equals_whole_at_large_shifts(shift: int) -> None:
    denoiser, image = random_denoiser(), noisy_image(1, 203, 97) / 100
    tiled, whole = (
        denoiser.predict(image, DenoiseConfig(shifts=(shift,), tile=tile)) for tile in (64, 4096)
    )
    assert np.abs(tiled - whole).max() < 1e-4 * whole.std()


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_halo_bounds_the_receptive_field(
    kind: NetworkKind, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Mean pools see the same pixels as max pools, and positive weights cancel nothing out:
    # the gradient of an output pixel is positive exactly where the network looks.
    monkeypatch.setattr(functional, "max_pool2d", functional.avg_pool2d)
    denoiser = random_denoiser(kind, width=1, depth=depth)
    network, multiple = denoiser.network.double(), denoiser.architecture.multiple
    shift = max(ALL_SHIFTS)
    halo = denoiser.architecture.halo([shift])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_().add_(0.1)
    side = 2 * round_up(halo + multiple + 16, multiple)
    image = torch.rand(1, 1, side, side, dtype=torch.double, requires_grad=True)
    output = network(image, shift) if kind == "blind-spot" else network(image)
    reach = 0
    for pixel in range(side // 2, side // 2 + multiple):  # each place in the grid of the pools
        (gradient,) = torch.autograd.grad(output[0, 0, pixel, pixel], image, retain_graph=True)
        for axis in (0, 1):
            seen = gradient[0, 0].amax(1 - axis).nonzero()
            reach = max(reach, pixel - int(seen.min()), int(seen.max()) - pixel)
    assert halo - multiple <= reach <= halo  # and the bound is no waste
