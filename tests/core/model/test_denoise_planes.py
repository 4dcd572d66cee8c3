"""Denoising all planes of a source, tile by tile."""

from __future__ import annotations

import numpy as np
import pytest

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.planes import Image, MemoryPlanes
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.denoise_planes import denoise

from ..makers import (
    assert_same_pixels,
    drive,
    neighbour_denoiser,
    noisy_image,
    noisy_planes,
    random_denoiser,
)

TILED = DenoiseConfig(tile=64)


class Canvas:
    """Takes tiles; remembers which pixels were written."""

    def __init__(self, planes: MemoryPlanes) -> None:
        shapes = [(planes.channels, *size) for size in planes.sizes]
        self.images = [np.full(shape, np.nan, np.float32) for shape in shapes]

    def write(self, plane: int, place: tuple[slice, slice], tile: Image) -> None:
        assert np.isnan(self.images[plane][:, *place]).all()  # once each
        self.images[plane][:, *place] = tile


@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M"])
def test_planes_of_any_size_are_written_once_and_as_predicted(kind) -> None:
    denoiser = random_denoiser(kind, channels=2)
    planes = noisy_planes((70, 130), (64, 40), (5, 9), channels=2)
    canvas = Canvas(planes)
    done, _ = drive(denoise(denoiser, planes, canvas.write, TILED))
    assert done
    for image, output in zip(planes.images, canvas.images, strict=True):
        assert_same_pixels(output, denoiser.predict(image, TILED))


def test_every_tile_of_all_planes_is_a_step() -> None:
    planes = noisy_planes((70, 130), (64, 40))
    _, reports = drive(denoise(random_denoiser(), planes, Canvas(planes).write, TILED))
    assert {report.stage for report in reports} == {"Denoise"}
    tiles = len(random_denoiser().tiles((70, 130), TILED)) + 1
    assert tiles > 2
    assert [report.step for report in reports] == list(range(1, tiles + 1))
    assert all(report.total == tiles for report in reports)


def test_the_plane_on_screen_comes_first() -> None:
    planes, order = noisy_planes((40, 40), (40, 40), (40, 40), (40, 40)), []
    drive(denoise(random_denoiser(), planes, lambda plane, *_: order.append(plane), first=2))
    assert order == [2, 0, 1, 3]


def test_one_plane_alone_is_as_among_all_of_them() -> None:
    planes = MemoryPlanes(noisy_planes(*[(70, 130)] * 5).images, stack_axes="T")
    model, all_of_them, one = neighbour_denoiser(neighbours=2), Canvas(planes), Canvas(planes)
    drive(denoise(model, planes, all_of_them.write, TILED))
    done, reports = drive(denoise(model, planes, one.write, TILED, first=1, only=True))
    assert done
    assert reports[-1].total == len(model.tiles((70, 130), TILED))
    assert_same_pixels(one.images[1], all_of_them.images[1])
    assert all(np.isnan(one.images[plane]).all() for plane in (0, 2, 3, 4))


def test_stopping_is_heard_at_each_tile() -> None:
    planes = noisy_planes((70, 130), (64, 40))
    canvas = Canvas(planes)
    done, reports = drive(
        denoise(random_denoiser(), planes, canvas.write, TILED), stop_at="Denoise"
    )
    assert not done
    assert len(reports) == 1
    assert np.isfinite(canvas.images[0]).any()
    assert np.isnan(canvas.images[0]).any()
    assert np.isnan(canvas.images[1]).all()


def test_stopping_at_the_last_report_is_done() -> None:
    planes = noisy_planes((40, 40))
    job = denoise(random_denoiser(), planes, Canvas(planes).write)
    assert drive(job, stop_at="Denoise")[0]


def test_other_channels_than_trained_on_are_refused() -> None:
    planes = MemoryPlanes([noisy_image(3, 40, 40)])
    with pytest.raises(UserError, match=r"trained on 1 channel\(s\), the image has 3"):
        drive(denoise(random_denoiser(), planes, Canvas(planes).write))
