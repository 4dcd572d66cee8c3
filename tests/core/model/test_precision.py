"""Mixed precision: chosen by trial, the same gradients but for rounding."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from napari_aprrd.core.method.apr import apr_loss, replacer_maps
from napari_aprrd.core.method.networks import BlindSpotNetwork
from napari_aprrd.core.model import trials
from napari_aprrd.core.model.architecture import Architecture
from napari_aprrd.core.model.hardware import Precision, autocast, gradient_scaler
from napari_aprrd.core.model.trials import Trial, pick_precision

CPU = torch.device("cpu")
TEACHER = Architecture(kind="blind-spot", channels=1, width=4, depth=2)
STUDENT = Architecture(kind="student-1.00M", channels=2, width=4, depth=2, neighbours=1)
STEPS = Trial(TEACHER, batch=2, patch=32)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Trials of this file's own: what one test found out is not there for the next.

    Nothing public forgets a trial. Where the whole suite is forced to a precision, its own
    functions come back for these tests.
    """
    for name in ("_seconds", "_is_worth_a_trial"):
        monkeypatch.setattr(trials, name, inspect.unwrap(getattr(trials, name)))
    trials._faster.cache_clear()
    monkeypatch.setenv("NAPARI_APRRD_CACHE", str(tmp_path))
    yield
    trials._faster.cache_clear()


class Trials:
    """Networks that take as long as they are told to, on a processor that can do bfloat16.

    Each pass adds to `used` the precision that it was computed in.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
        self.used: list[str] = []
        self.now = 0.0
        forward = BlindSpotNetwork.forward

        def timed(network: BlindSpotNetwork, *arguments: Any) -> torch.Tensor:
            half = torch.is_autocast_enabled("cpu")
            self.used.append("bfloat16" if half else "float32")
            if self.used[-1] not in seconds:
                raise RuntimeError("not implemented for 'BFloat16'")
            self.now += seconds[self.used[-1]]
            return forward(network, *arguments)

        clock = SimpleNamespace(perf_counter=lambda: self.now)
        monkeypatch.setattr(trials, "time", clock)
        monkeypatch.setattr(BlindSpotNetwork, "forward", timed)
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)


@pytest.mark.parametrize(
    ("float32", "bfloat16", "picked"),
    [(2.0, 1.0, "bfloat16"), (1.0, 2.0, "float32"), (1.05, 1.0, "float32")],
)
def test_auto_takes_the_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, float32: float, bfloat16: float, picked: Precision
) -> None:
    Trials(monkeypatch, float32=float32, bfloat16=bfloat16)
    assert pick_precision(CPU, "auto", STEPS) == picked


@pytest.mark.parametrize(
    ("capability", "units", "tried"),
    [
        ("AVX2", False, set()),
        ("AVX512", False, set()),
        ("AVX512", True, {"float32", "bfloat16"}),
        ("DEFAULT", False, {"float32", "bfloat16"}),
    ],
)
def test_nothing_is_tried_on_a_processor_without_units_for_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capability: str, units: bool, tried: set[str]
) -> None:
    work = Trials(monkeypatch, float32=1.0, bfloat16=1.0)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: units, raising=False)
    assert pick_precision(CPU, "auto", STEPS) == "float32"
    assert set(work.used) == tried
    passes = len(work.used)
    assert pick_precision(CPU, "auto", STEPS) == "float32"
    assert len(work.used) == passes  # it is tried once


def _another_process() -> Precision:
    """What a process that has just started picks."""
    trials._faster.cache_clear()
    return pick_precision(CPU, "auto", STEPS)


def test_the_next_process_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    work = Trials(monkeypatch, float32=2.0, bfloat16=1.0)
    assert _another_process() == "bfloat16"
    passes = len(work.used)
    assert _another_process() == "bfloat16"
    assert len(work.used) == passes
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512_VNNI")
    _another_process()  # on another machine, with the same home
    assert len(work.used) > passes
    assert len(list(tmp_path.rglob("*.json"))) == 2


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"found": 1}', "\0", "[" * 100_000])
def test_a_damaged_cache_is_passed_over_and_mended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    Trials(monkeypatch, float32=2.0, bfloat16=1.0)
    assert _another_process() == "bfloat16"
    (file,) = tmp_path.rglob("*.json")
    whole = file.read_text()
    file.write_text(content)
    assert _another_process() == "bfloat16"
    assert file.read_text() == whole


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Trials(monkeypatch, float32=2.0, bfloat16=1.0)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAPARI_APRRD_CACHE", str(tmp_path / "file" / "below"))
    assert _another_process() == "bfloat16"


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_was_given_is_taken(name: Precision) -> None:
    assert pick_precision(CPU, name, STEPS) == name


@pytest.mark.parametrize(
    "trial", [STEPS, Trial.of_targets(TEACHER), Trial(STUDENT, batch=1, patch=32)], ids=repr
)
def test_the_trial_runs_here_and_leaves_random_numbers_alone(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "_is_worth_a_trial", lambda device: True)
    before = torch.get_rng_state()
    picked = pick_precision(CPU, "auto", trial)
    assert picked in ("float32", "bfloat16")  # which, depends on the processor
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")


def test_where_there_is_no_such_kernel_float32_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Trials(monkeypatch, float32=1.0)
    assert pick_precision(CPU, "auto", STEPS) == "float32"
    assert "bfloat16" in work.used


@pytest.mark.parametrize(("float16", "picked"), [(1.0, "float16"), (2.0, "float32")])
def test_on_a_gpu_without_bfloat16_units_float16_is_tried(
    monkeypatch: pytest.MonkeyPatch, float16: float, picked: Precision
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation

    seconds = {"float32": 2.0, "bfloat16": 0.5, "float16": float16}
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "an older one")
    # There is no such GPU here that a network could be timed on.
    monkeypatch.setattr(trials, "_seconds", lambda device, ways, trial: seconds)
    assert pick_precision(torch.device("cuda"), "auto", STEPS) == picked


def test_float16_is_for_gpus() -> None:
    assert pick_precision(CPU, "float16", STEPS) == "float32"
    assert pick_precision(torch.device("cuda"), "float16", STEPS) == "float16"


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_gradients_are_those_of_float32_but_for_rounding(name: Precision) -> None:
    """Also through f^, which passes the same weights without gradient first."""
    torch.manual_seed(0)
    network = BlindSpotNetwork(1, width=8, depth=2)
    noisy = torch.rand(2, 1, 32, 32)
    maps = replacer_maps(2, 32, 32, window=3, generator=torch.Generator().manual_seed(0))
    found = []
    ways: tuple[Precision, ...] = ("float32", name)
    for way in ways:
        network.zero_grad()
        scaler = gradient_scaler(CPU, way)
        with autocast(CPU, way):
            loss = apr_loss(lambda image: network(image, 3), noisy, maps)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(torch.optim.SGD(network.parameters()))
        found.append(torch.cat([p.grad.flatten() for p in network.parameters()]))  # type: ignore[union-attr]
        assert all(p.dtype == torch.float32 for p in network.parameters())
    assert torch.cosine_similarity(*found, dim=0) > 0.995
    assert float(found[1].norm() / found[0].norm()) == pytest.approx(1, abs=0.05)
