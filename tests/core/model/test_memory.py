"""Tiles follow the free memory, and shrink where it runs out all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model import denoiser as denoiser_module
from napari_aprrd.core.model.hardware import SHARE, SMALLEST, is_out_of_memory, plan_tile

from ..makers import noisy_image, random_denoiser


def test_the_tile_is_the_largest_that_fits() -> None:
    largest, halo, bytes_per_pixel = 1024, 38, 100

    def tile_for(free: float) -> int:
        return plan_tile(largest, halo, bytes_per_pixel, int(free))

    assert tile_for(1e12) == largest
    assert tile_for(1) == SMALLEST
    for tile in (1024, 512, 256):
        needed = (tile + 2 * halo) ** 2 * bytes_per_pixel / SHARE
        assert tile_for(1.001 * needed) == tile
        assert tile_for(0.999 * needed) == tile // 2


def test_a_machine_short_of_memory_gets_small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_denoiser()
    assert model.fitted(DenoiseConfig(device="cpu")).tile == DenoiseConfig().tile
    monkeypatch.setattr(denoiser_module, "free_bytes", lambda device: 10**7)
    assert model.fitted(DenoiseConfig(device="cpu")).tile < DenoiseConfig().tile


def test_the_default_tile_of_a_cuda_gpu_is_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoiser_module, "pick_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(denoiser_module, "free_bytes", lambda device: 10**12)
    model = random_denoiser()
    assert model.fitted(DenoiseConfig()).tile == 2 * DenoiseConfig().tile
    assert model.fitted(DenoiseConfig(tile=512)).tile == 512
    monkeypatch.setattr(denoiser_module, "free_bytes", lambda device: 10**7)
    assert model.fitted(DenoiseConfig()).tile < 512


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        RuntimeError("MPS backend out of memory"),
    ],
)
@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M"])
def test_a_tile_for_which_memory_runs_out_is_computed_in_parts(
    kind: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, image = random_denoiser(kind), noisy_image(1, 300, 280) / 100
    whole = model.predict(image, DenoiseConfig(tile=4096, device="cpu"))
    inner: Any = model.network.unet if kind == "blind-spot" else model.network
    forward, refused = inner.forward, []

    def greedy(x: Any) -> Any:
        if x.shape[-1] > 250:
            refused.append(x.shape)
            raise error
        return forward(x)

    monkeypatch.setattr(inner, "forward", greedy)
    parts = model.predict(image, DenoiseConfig(tile=4096, device="cpu"))
    assert refused
    assert np.abs(parts - whole).max() < 1e-4 * whole.std()


def test_no_memory_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_denoiser("student-1.00M")

    def greedy(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(model.network, "forward", greedy)
    with pytest.raises(UserError, match="not enough memory"):
        model.predict(noisy_image(1, 200, 200), DenoiseConfig(device="cpu"))


def test_other_errors_are_no_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))
