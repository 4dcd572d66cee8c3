"""Dask workers denoise files: the same pixels, a model sent once, killed workers forgiven."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import succeed
from core.makers import (
    SMALL_TILES,
    neighbour_denoiser,
    noisy_stack,
    random_denoiser,
    random_pixels,
)

from napari_aprrd import api
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.jobs import run
from napari_aprrd.files import dask_workers as cluster
from napari_aprrd.files import denoise_file as stream
from napari_aprrd.files.formats import read_picture


@pytest.fixture(scope="module")
def two_workers() -> Iterator[cluster.Cluster]:
    with cluster.connect(workers=2) as found:
        assert found is not None
        yield found


@pytest.fixture
def stack(tmp_path: Path) -> np.ndarray[Any, Any]:
    data = random_pixels(12, 150, 170)
    np.save(tmp_path / "in.npy", data)
    return data


@pytest.mark.parametrize("name", ["out.npy", "out.zarr"])
def test_workers_give_the_pixels_of_one_process(
    tmp_path: Path, stack: np.ndarray[Any, Any], two_workers: cluster.Cluster, name: str
) -> None:
    model, picture = random_denoiser("student-1.00M"), read_picture(tmp_path / "in.npy")
    target = tmp_path / name
    assert run(stream.denoise_file(picture, target, model, SMALL_TILES, cluster=two_workers))
    expected = api.denoise(stack, model, SMALL_TILES, progress=False)
    written = np.asarray(read_picture(target).data).astype(int)
    assert abs(written - expected).max() <= 1  # other numbers of threads round differently
    assert (written == expected).mean() > 0.99


def test_workers_see_the_neighbours_of_a_plane(
    tmp_path: Path, two_workers: cluster.Cluster
) -> None:
    data, model = noisy_stack(5, 150, 90), neighbour_denoiser(neighbours=2)
    np.save(tmp_path / "in.npy", data)
    picture, target = read_picture(tmp_path / "in.npy"), tmp_path / "out.npy"
    assert run(stream.denoise_file(picture, target, model, SMALL_TILES, cluster=two_workers))
    expected = api.denoise(data, model, SMALL_TILES, progress=False)
    written = np.load(target).astype(int)
    assert abs(written - expected).max() <= 1
    assert (written == expected).mean() > 0.99


def test_the_command_finds_a_cluster_by_its_address(
    tmp_path: Path, stack: np.ndarray[Any, Any], two_workers: cluster.Cluster
) -> None:
    model = random_denoiser("student-1.00M")
    model.save(tmp_path / "model.aprrd")
    address = two_workers.client.scheduler.address
    arguments = ["denoise", tmp_path / "in.npy", "-o", tmp_path / "out.npy", "--tile", 64]
    arguments += ["--model", tmp_path / "model.aprrd", "--scheduler", address, "--device", "cpu"]
    succeed(*arguments)
    expected = api.denoise(stack, model, SMALL_TILES, progress=False).astype(int)
    assert abs(np.load(tmp_path / "out.npy").astype(int) - expected).max() <= 1
    assert len(two_workers.client.nthreads()) == 2  # they live on


def test_a_killed_worker_costs_nothing_but_time(
    tmp_path: Path, stack: np.ndarray[Any, Any], two_workers: cluster.Cluster
) -> None:
    model, picture = random_denoiser("student-1.00M"), read_picture(tmp_path / "in.npy")
    target = tmp_path / "out.npy"
    pids = two_workers.client.run(os.getpid)
    job = stream.denoise_file(picture, target, model, SMALL_TILES, cluster=two_workers)
    for _ in range(5):
        next(job)
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    assert run(job)
    written = np.load(target).astype(int)
    expected = api.denoise(stack, model, SMALL_TILES, progress=False)
    assert abs(written - expected).max() <= 1


def test_what_a_worker_cannot_read_is_told(
    tmp_path: Path, stack: np.ndarray[Any, Any], two_workers: cluster.Cluster
) -> None:
    model, picture = random_denoiser("student-1.00M"), read_picture(tmp_path / "in.npy")
    job = stream.denoise_file(picture, tmp_path / "o.npy", model, SMALL_TILES, cluster=two_workers)
    (tmp_path / "in.npy").rename(tmp_path / "gone.npy")
    with pytest.raises(UserError, match="There is no file"):
        run(job)


def test_nobody_at_the_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with pytest.raises(UserError, match="No Dask scheduler answers at"):  # noqa: SIM117
        with cluster.connect("tcp://127.0.0.1:1"):
            pass


@pytest.mark.parametrize(
    ("worker", "gpus", "device", "expected"),
    [
        (0, 2, "auto", "cuda:0"),
        (3, 2, "auto", "cuda:1"),
        ("SLURMCluster-5", 4, "auto", "cuda:1"),
        (1, 1, "auto", "auto"),
        (1, 0, "auto", "auto"),
        (1, 2, "cpu", "cpu"),
        ("tcp://host:1", 2, "auto", "auto"),
    ],
)
def test_each_worker_has_a_gpu_of_its_own(
    monkeypatch: pytest.MonkeyPatch, worker: Any, gpus: int, device: str, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert cluster.device_for(worker, device) == expected
