"""Adam takes the same steps as PyTorch's own, to the bit, and is there at once."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from napari_aprrd.core.training.adam import Adam

WITHOUT_COMPILER = """
import sys
import numpy as np
from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.jobs import run
from napari_aprrd.core.training.train import train
image = np.random.default_rng(0).normal(100, 10, (1, 64, 64)).astype("f4")
config = TrainConfig(steps=2, batch=1, patch=32, width=4, depth=2, device="cpu")
run(train(MemoryPlanes([image]), config))
assert "torch" in sys.modules
assert "torch._dynamo" not in sys.modules
"""


def networks() -> list[nn.Module]:
    """Two that are equal; a part of them gets no gradient."""
    torch.manual_seed(0)
    first = nn.ModuleList([nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3)])
    second = nn.ModuleList([nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3)])
    second.load_state_dict(first.state_dict())
    return [first, second]


def loss(network: nn.Module, step: int) -> Tensor:
    image = torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(step))
    return network[0](image).square().mean()  # type: ignore[index, no-any-return]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("scaled", [False, True])
def test_steps_are_those_of_pytorch(scaled: bool) -> None:
    ours, theirs = networks()
    optimizers = (
        Adam(ours.parameters()),
        torch.optim.Adam(theirs.parameters(), betas=(0.9, 0.999), fused=True),
    )
    scalers = [torch.amp.GradScaler("cpu", init_scale=2.0**8, enabled=scaled) for _ in range(2)]
    for step in range(8):
        for network, optimizer, scaler in zip((ours, theirs), optimizers, scalers, strict=True):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            optimizer.zero_grad(set_to_none=True)
            # The third step overflows where losses are scaled, and is left out.
            factor = torch.inf if scaled and step == 2 else 1.0
            scaler.scale(loss(network, step) * factor).backward()  # type: ignore[no-untyped-call]
            scaler.step(optimizer)  # type: ignore[arg-type]
            scaler.update()
        assert same(ours, theirs)
    moments = [optimizer.state_dict()["state"] for optimizer in optimizers]
    assert moments[0].keys() == moments[1].keys() == {0, 1}
    for number, moment in moments[0].items():
        assert moment.keys() == moments[1][number].keys()
        assert all(torch.equal(moment[name], moments[1][number][name]) for name in moment)


def test_it_goes_on_from_the_state_of_pytorchs_own() -> None:
    """Which checkpoints of earlier versions hold."""
    ours, theirs = networks()
    first = torch.optim.Adam(theirs.parameters(), betas=(0.9, 0.999), fused=True)
    loss(theirs, 0).backward()  # type: ignore[no-untyped-call]
    first.step()
    ours.load_state_dict(theirs.state_dict())
    then = Adam(ours.parameters())
    state = first.state_dict()
    moments = {n: {k: v.clone() for k, v in moment.items()} for n, moment in state["state"].items()}
    then.load_state_dict({**state, "state": moments})
    for network in (ours, theirs):
        network.zero_grad()
        loss(network, 1).backward()  # type: ignore[no-untyped-call]
    first.step()
    then.step()
    assert same(ours, theirs)


def test_training_does_not_wait_for_pytorchs_compiler() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_COMPILER], check=True)
