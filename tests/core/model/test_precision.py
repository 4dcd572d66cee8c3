"""Mixed precision: chosen by trial, the same gradients but for rounding."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import torch

from napari_aprrd.core.method.apr import apr_loss, replacer_maps
from napari_aprrd.core.method.networks import BlindSpotNetwork
from napari_aprrd.core.model import hardware as precision
from napari_aprrd.core.model.hardware import Precision, autocast, gradient_scaler, pick_precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    precision._faster.cache_clear()
    yield
    precision._faster.cache_clear()


def pretend(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    monkeypatch.setattr(precision, "_seconds", lambda device, name, blind_spot: seconds[name])
    monkeypatch.setattr(precision, "_is_worth_a_trial", lambda device: True)


@pytest.mark.parametrize(
    ("float32", "bfloat16", "picked"),
    [(2.0, 1.0, "bfloat16"), (1.0, 2.0, "float32"), (1.05, 1.0, "float32")],
)
def test_auto_takes_the_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, float32: float, bfloat16: float, picked: Precision
) -> None:
    pretend(monkeypatch, float32=float32, bfloat16=bfloat16)
    assert pick_precision(CPU, "auto", blind_spot=True) == picked


@pytest.mark.parametrize(("capability", "trials"), [("AVX2", 0), ("AVX512", 2)])
def test_nothing_is_tried_on_a_processor_without_units_for_bfloat16(
    monkeypatch: pytest.MonkeyPatch, capability: str, trials: int
) -> None:
    tried: list[Precision] = []

    def seconds(device: torch.device, name: Precision, blind_spot: bool) -> float:
        tried.append(name)
        return 1.0

    monkeypatch.setattr(precision, "_seconds", seconds)
    own = inspect.unwrap(precision._is_worth_a_trial)  # also where the suite forces a precision
    monkeypatch.setattr(precision, "_is_worth_a_trial", own)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert pick_precision(CPU, "auto", blind_spot=True) == "float32"
    assert len(tried) == trials


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_was_given_is_taken(name: Precision) -> None:
    assert pick_precision(CPU, name, blind_spot=False) == name


@pytest.mark.parametrize("blind_spot", [False, True])
def test_the_trial_runs_here(blind_spot: bool) -> None:
    assert pick_precision(CPU, "auto", blind_spot=blind_spot) in ("float32", "bfloat16")


def test_where_there_is_no_such_kernel_float32_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(device: torch.device, name: Precision, blind_spot: bool) -> float:
        raise RuntimeError("not implemented for 'BFloat16'")

    monkeypatch.setattr(precision, "_seconds", seconds)
    monkeypatch.setattr(precision, "_is_worth_a_trial", lambda device: True)
    assert pick_precision(CPU, "auto", blind_spot=True) == "float32"


@pytest.mark.parametrize(("float16", "picked"), [(1.0, "float16"), (2.0, "float32")])
def test_on_a_gpu_without_bfloat16_units_float16_is_tried(
    monkeypatch: pytest.MonkeyPatch, float16: float, picked: Precision
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    pretend(monkeypatch, float32=2.0, bfloat16=0.5, float16=float16)
    assert pick_precision(torch.device("cuda"), "auto", blind_spot=True) == picked


def test_float16_is_for_gpus() -> None:
    assert pick_precision(CPU, "float16", blind_spot=True) == "float32"
    assert pick_precision(torch.device("cuda"), "float16", blind_spot=True) == "float16"


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
