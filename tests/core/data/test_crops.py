"""Crops of sources that are slow to read: bounded memory, a chunk that fails is forgiven."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

from napari_aprrd.core.data import crops as reading
from napari_aprrd.core.data.crops import CropSampler, held_out_pixels
from napari_aprrd.core.data.planes import Image
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.errors import UserError

IDENTITY = Normalisation((0.0,), (1.0,))


class Slow:
    """Endless planes whose pixels say where they are; `broken` ones cannot be read."""

    channels, in_memory = 1, False

    def __init__(self, planes: int = 10_000, side: int = 2000) -> None:
        self.sizes = [(side, side)] * planes
        self.reads: list[tuple[int, int, int]] = []
        self.broken: Any = lambda plane: False
        self.threads: set[str] = set()

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        self.threads.add(threading.current_thread().name)
        self.reads.append((plane, rows.start, columns.start))
        if self.broken(plane):
            raise UserError("this chunk is gone")
        side = self.sizes[0][1]
        y, x = np.mgrid[rows, columns]
        return (y * side + x).astype(np.float32)[None] + plane / len(self.sizes)


def sampler(planes: Slow, **settings: Any) -> CropSampler:
    return CropSampler(planes, IDENTITY, **{"batch": 4, "patch": 32, "seed": 0, **settings})


def test_hundreds_of_crops_need_few_windows() -> None:
    planes = Slow()
    crops = sampler(planes)
    for _ in range(200):
        crops.draw()
    assert len(planes.reads) <= reading.FIRST + 800 // reading.REUSE + 2
    assert len(crops._source._windows) <= reading.WINDOWS  # type: ignore[union-attr]
    assert len(set(planes.reads)) == len(planes.reads)  # new ones all the time
    assert threading.current_thread().name not in planes.threads  # read while training goes on


def test_crops_of_windows_are_what_the_source_holds() -> None:
    planes = Slow(planes=1, side=1000)
    crops = sampler(planes, batch=20, hold_out=0.3).draw()
    values = crops.values.long()
    rows, columns = values // 1000, values % 1000
    assert int(rows.max() - rows.min()) > 200  # from all over
    whole = held_out_pixels(0, slice(0, 1000), slice(0, 1000), share=0.3)
    np.testing.assert_array_equal(crops.held_out, whole[rows, columns])
    span = rows.amax((1, 2, 3)) - rows.amin((1, 2, 3))
    assert (span == 31).all()


def test_the_seed_alone_decides_the_crops_of_a_slow_source() -> None:
    def draw(seed: int) -> torch.Tensor:
        crops = sampler(Slow(), seed=seed)
        return torch.stack([crops.draw().values for _ in range(50)])

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_chunks_that_cannot_be_read_are_left_out() -> None:
    planes = Slow()
    planes.broken = lambda plane: plane % 3 == 0
    crops = sampler(planes)
    for _ in range(100):
        crops.draw()
    assert any(plane % 3 == 0 for plane, *_ in planes.reads)


def test_a_source_that_is_gone_is_told() -> None:
    planes = Slow()
    planes.broken = lambda plane: True
    with pytest.raises(UserError, match="this chunk is gone"):
        sampler(planes).draw()
    assert len(planes.reads) <= reading.MOST_FAILURES + 1


def test_planes_smaller_than_a_window_are_read_whole() -> None:
    planes = Slow(planes=5, side=100)
    crops = sampler(planes, batch=8).draw().values
    assert crops.shape == (8, 1, 32, 32)
    assert all(place[1:] == (0, 0) for place in planes.reads)
