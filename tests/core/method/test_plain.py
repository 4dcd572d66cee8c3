"""NAPARI_APRRD_PLAIN=1: ordinary PyTorch operations, the same values and gradients."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor

from napari_aprrd.core.method import plain, upconv, upward
from napari_aprrd.core.method.networks import BlindSpotNetwork
from napari_aprrd.core.method.students import Student

from ..makers import DEVICE


def values_and_gradients(size: tuple[int, int]) -> list[Tensor]:
    """Outputs of both networks, and the gradients of their weights."""
    torch.manual_seed(0)
    teacher, student = BlindSpotNetwork(1, 4, 2).to(DEVICE), Student(1, 4, 2).to(DEVICE)
    image = torch.randn(2, 1, *size).to(DEVICE)
    outputs = [teacher(image, 3), teacher.all_shifts(image, (0, 2)), student(image)]
    torch.stack([output.square().mean() for output in outputs]).sum().backward()
    weights = [*teacher.parameters(), *student.parameters()]
    return [output.detach() for output in outputs] + [w.grad for w in weights if w.grad is not None]


@pytest.mark.parametrize("size", [(16, 16), (8, 20)])
def test_the_plain_path_gives_the_same(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = values_and_gradients(size)
    with monkeypatch.context() as patched:
        patched.setenv("NAPARI_APRRD_PLAIN", "1")
        importlib.reload(plain)  # which reads the environment once
        by_hand = (upconv._ConvUpsampled, upward._ShiftedLeakyReLU, upward._Gather)
        for function in by_hand:
            patched.setattr(function, "forward", None)  # none of them is called
        slow = values_and_gradients(size)
    importlib.reload(plain)
    assert len(fast) == len(slow) > 20
    for one, other in zip(fast, slow, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
