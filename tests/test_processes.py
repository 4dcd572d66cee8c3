"""Several processes train as one would with their batches together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from core.makers import drive, noisy_planes, same_weights

from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.denoiser import load
from napari_aprrd.core.training import processes as processes_module
from napari_aprrd.core.training.processes import SINGLE, FabricProcesses, Processes
from napari_aprrd.core.training.train import train

SETTINGS = {"width": 4, "depth": 2, "patch": 32, "shift": 4, "hold_out": 0, "precision": "float32"}


@pytest.mark.parametrize("replace", [True, False])
def test_two_processes_learn_what_one_learns_with_twice_the_batch(
    tmp_path: Path, replace: bool
) -> None:
    np.save(tmp_path / "in.npy", np.random.default_rng(0).normal(100, 10, (96, 96)).astype("f4"))
    program = str(Path(sys.executable).with_name("napari-aprrd"))
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    options += ["--replace" if replace else "--no-replace", "--device=cpu", "--steps=30"]

    def teacher(name: str, *more: str) -> torch.nn.Module:
        command = [program, "train", str(tmp_path / "in.npy"), "-o", str(tmp_path / name)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *options, *more],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Wrote") == 1
        return load(tmp_path / name).network

    together = teacher("two.aprrd", "--devices=2", "--batch=2")
    alone = teacher("one.aprrd", "--batch=4")
    other = teacher("half.aprrd", "--batch=2")
    for mine, theirs in zip(together.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0.02, atol=2e-3)
    difference = max(
        float((a - b).detach().abs().max())
        for a, b in zip(alone.parameters(), other.parameters(), strict=True)
    )
    assert difference > 0.01  # the batch matters, so that the comparison says something


class Second(Processes):
    """The second of two, with nobody to talk to."""

    rank, size = 1, 2


def test_each_process_has_its_part_of_a_common_batch() -> None:
    batch = torch.arange(8).view(4, 2)
    assert SINGLE.shard(batch) is batch
    assert Second().shard(batch).tolist() == [[4, 5], [6, 7]]
    teacher, _ = drive(train(noisy_planes(), TrainConfig(steps=2, batch=1, **SETTINGS), Second()))
    assert teacher.record["train"]["steps"] == 2


class Told(Second):
    """Hears from the first process how much of the schedule is done."""

    def __init__(self) -> None:
        self._schedule = iter((0.01, 0.02, 0.03, 1.0))

    def broadcast(self, *values: object) -> object:
        """The first process's values, of a step or of an answer."""
        return (next(self._schedule), False, False) if len(values) == 3 else values


def test_processes_whose_clocks_differ_keep_the_same_weights() -> None:
    fast, slow = (
        drive(train(noisy_planes(), TrainConfig(minutes=m, batch=1, **SETTINGS), Told()))[0]
        for m in (10, 0.001)
    )
    assert same_weights(fast, slow)


def test_more_gpus_than_there_are_is_told() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine may have so many")
    with pytest.raises(UserError, match="Cannot train on 2 x 1 devices"):
        FabricProcesses.launch(2, 1, "cuda")


def test_without_lightning_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(UserError, match=r"napari-aprrd\[distributed\]"):
        processes_module.FabricProcesses.launch(2, 1)
