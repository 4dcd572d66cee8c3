"""Choosing a device, on fakes."""

from __future__ import annotations

import pytest
import torch

from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.hardware import pick_device
from napari_aprrd.core.training.estimate import describe_device

Patch = pytest.MonkeyPatch


def pretend(monkeypatch: Patch, *, gpus: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Fake {device}")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("gpus", "mps", "picked"),
    [(0, False, "cpu"), (1, False, "cuda"), (0, True, "mps"), (2, True, "cuda")],
)
def test_auto_takes_the_fastest(monkeypatch: Patch, gpus: int, mps: bool, picked: str) -> None:
    pretend(monkeypatch, gpus=gpus, mps=mps)
    assert pick_device() == pick_device("auto") == torch.device(picked)


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:0", "cuda:1", "mps"])
def test_a_device_that_is_there_is_taken_by_name(monkeypatch: Patch, name: str) -> None:
    pretend(monkeypatch, gpus=2, mps=True)
    assert pick_device(name) == torch.device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_refused_with_advice(monkeypatch: Patch, name: str) -> None:
    pretend(monkeypatch)
    with pytest.raises(UserError, match=f"'{name}' is not available.*'auto' or 'cpu'"):
        pick_device(name)


def test_a_gpu_beyond_the_last_is_refused(monkeypatch: Patch) -> None:
    pretend(monkeypatch, gpus=2)
    with pytest.raises(UserError, match=r"no device 'cuda:2': 2 GPU\(s\) found"):
        pick_device("cuda:2")


@pytest.mark.parametrize(
    ("gpus", "mps", "words"), [(1, False, "GPU (Fake cuda)"), (0, True, "Apple GPU")]
)
def test_gpus_are_described(monkeypatch: Patch, gpus: int, mps: bool, words: str) -> None:
    pretend(monkeypatch, gpus=gpus, mps=mps)
    assert describe_device().startswith(words)


@pytest.mark.parametrize(("cores", "words"), [(1, "CPU, 1 core"), (8, "CPU, 8 cores")])
def test_a_cpu_is_described_with_its_cores(monkeypatch: Patch, cores: int, words: str) -> None:
    pretend(monkeypatch)
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    assert describe_device() == words
