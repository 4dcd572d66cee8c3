"""Model files: what is saved comes back; what is damaged is refused in one sentence."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_aprrd.core.data.curve import Curve
from napari_aprrd.core.data.scaling import Calibration, Normalisation
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model import published
from napari_aprrd.core.model.denoiser import Denoiser, load
from napari_aprrd.core.model.model_file import FORMAT, KEY
from napari_aprrd.core.model.published import import_checkpoint

from ..makers import (
    KINDS,
    NetworkKind,
    assert_same_pixels,
    neighbour_denoiser,
    noisy_image,
    random_denoiser,
    same_weights,
)

Weights = dict[str, Tensor]


@pytest.fixture
def denoiser() -> Denoiser:
    made = random_denoiser(channels=2, width=2)
    made.normalisation = Normalisation((100.1, 50.0), (60.0, 1 / 3))
    made.calibration = Calibration((1.1, 0.9), (-3.0, 0.1))
    made.record = {"train": {"seed": 3, "note": "µm, “quoted”", "nothing": None}}
    return made


@pytest.fixture
def path(denoiser: Denoiser, tmp_path: Path) -> Path:
    denoiser.save(tmp_path / "cells.aprrd")
    return tmp_path / "cells.aprrd"


def assert_refused(path: Path, words: str = ".") -> None:
    """One sentence for the user, and no other exception."""
    with pytest.raises(UserError, match=words) as caught:
        load(path)
    message = str(caught.value).replace(str(path), "FILE")
    assert re.fullmatch(r"[^\n]+[^.\n]\.", message), message
    assert ". " not in message, message


def rewrite(
    path: Path,
    *,
    header: Callable[[dict[str, Any]], Any] = lambda header: header,
    weights: Callable[[Weights], Weights] = lambda weights: weights,
) -> None:
    """Change a model file's header or weights."""
    with safe_open(path, framework="pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = json.loads(file.metadata()[KEY])
    text = header(text)
    save_file(weights(stored), path, {KEY: text if isinstance(text, str) else json.dumps(text)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_model_predicts_the_same_to_the_bit(kind: NetworkKind, tmp_path: Path) -> None:
    denoiser, image = random_denoiser(kind, channels=2), noisy_image(2, 40, 50) / 100
    denoiser.calibration = Calibration((1.1, 0.9), (-3.0, 0.1))
    denoiser.save(tmp_path / "model.aprrd")
    loaded = load(tmp_path / "model.aprrd")
    assert same_weights(loaded, denoiser)
    assert_same_pixels(loaded.predict(image), denoiser.predict(image))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_stacks_comes_back_with_its_neighbours(
    kind: NetworkKind, tmp_path: Path
) -> None:
    denoiser = neighbour_denoiser(kind, axis="Z", neighbours=2, channels=2)
    denoiser.save(tmp_path / "model.aprrd")
    loaded = load(tmp_path / "model.aprrd")
    assert (loaded.neighbours, loaded.stack_axis) == (2, "Z")
    window = np.concatenate([noisy_image(2, 40, 50, seed=seed) for seed in range(5)])
    output = loaded.predict(window)
    assert output.shape == (2, 40, 50)
    assert_same_pixels(output, denoiser.predict(window))
    assert (output != denoiser.predict(window[:2])).mean() > 0.9


def test_only_models_of_stacks_need_a_version_that_knows_neighbours() -> None:
    assert neighbour_denoiser().header()["format"] == 4
    header = random_denoiser().header()
    assert header["format"] < 4
    assert "neighbours" not in header["architecture"]  # older versions refuse unknown names


def test_everything_around_the_network_comes_back(path: Path, denoiser: Denoiser) -> None:
    loaded = load(path)
    assert loaded.architecture == denoiser.architecture
    assert loaded.normalisation == denoiser.normalisation
    assert loaded.calibration == denoiser.calibration
    assert loaded.record == denoiser.record
    denoiser.calibration = None
    denoiser.save(str(path))  # over the old file, named by a str
    assert load(str(path)).calibration is None


def test_a_curve_comes_back_and_older_versions_refuse_it(path: Path, denoiser: Denoiser) -> None:
    assert denoiser.header()["format"] == 1  # without a curve all is as it was
    assert "curve" not in denoiser.header()["calibration"]
    curves = (Curve((0.0, 1.5), (0.1, -0.2)), Curve((), ()))
    denoiser.calibration = Calibration((1.1, 0.9), (-3.0, 0.1), curves)
    denoiser.save(path)
    assert denoiser.header()["format"] == 2
    assert load(path).calibration == denoiser.calibration
    image = noisy_image(2, 32, 32)
    assert_same_pixels(load(path).predict(image), denoiser.predict(image))


def test_a_loaded_model_can_be_trained_on(path: Path) -> None:
    network = load(path).network
    network(torch.rand(1, 2, 16, 16), 1).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_loading_and_saving_leave_the_random_numbers_alone(path: Path) -> None:
    state = torch.get_rng_state()
    load(path).save(path)
    assert torch.equal(torch.get_rng_state(), state)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.aprrd", "There is no file")
    assert_refused(tmp_path, "is a folder, not a napari-aprrd model")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x02}q\x00.", b"\xff" * 100])
def test_files_that_are_something_else_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.aprrd").write_bytes(content)
    assert_refused(tmp_path / "other.aprrd", "not a napari-aprrd model")


@pytest.mark.parametrize("metadata", [None, {"other": "{}"}])
def test_foreign_safetensors_are_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.aprrd", metadata)
    assert_refused(tmp_path / "foreign.aprrd", "safetensors file, but not a napari-aprrd model")


def test_files_truncated_anywhere_are_refused(path: Path) -> None:
    content = path.read_bytes()
    steps = range(0, len(content), len(content) // 100)
    for length in {*range(12), *steps, len(content) - 1}:
        path.write_bytes(content[:length])
        assert_refused(path)


def test_newer_formats_are_refused(path: Path) -> None:
    rewrite(path, header=lambda header: {"format": FORMAT + 1, "all else": "new"})
    assert_refused(path, "newer")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_numbers_are_refused(path: Path, value: float) -> None:
    rewrite(path, weights=lambda w: {**w, "nin_C.bias": torch.tensor([0.5, value])})
    assert_refused(path, "not numbers")


@pytest.mark.parametrize(
    "weights",
    [
        lambda w: {**w, "nin_C.bias": torch.zeros(3)},
        lambda w: {**w, "more": torch.zeros(3)},
        lambda w: {name: w[name] for name in w if name != "nin_C.bias"},
    ],
)
def test_weights_that_do_not_fit_the_network_are_refused(path: Path, weights) -> None:
    rewrite(path, weights=weights)
    assert_refused(path, "weights do not fit")


@pytest.mark.parametrize(
    "type_", [torch.int32, torch.uint8, torch.float16, torch.bfloat16, torch.float64]
)
def test_weights_of_another_type_are_refused_or_converted(path: Path, type_: torch.dtype) -> None:
    rewrite(path, weights=lambda w: {name: tensor.to(type_) for name, tensor in w.items()})
    if type_.is_floating_point:
        assert np.isfinite(load(path).predict(noisy_image(2, 40, 40))).all()
    else:
        assert_refused(path)


def without(key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda header: {name: value for name, value in header.items() if name != key}


def replaced(key: str, **changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda header: {**header, key: {**header[key], **changes}}


@pytest.mark.parametrize(
    "header",
    [
        *(without(key) for key in ("format", "architecture", "normalisation", "record")),
        *(replaced("normalisation", scale=scale) for scale in ([1.0], [1.0] * 3, [1.0, 0.0], [])),
        replaced("normalisation", offset=[float("nan"), 0.0]),
        *(replaced("calibration", **{k: [1.0]}) for k in ("gain", "offset")),
        *(
            replaced("calibration", curve=curve)
            for curve in ([[[0.0], [1.0]]], [[[0.0], []]] * 2, [[[1.0, 1.0], [0.0, 0.0]]] * 2)
        ),
        *(replaced("architecture", channels=c) for c in (0, -1, 3, 10**9, "two")),
        *(replaced("architecture", **c) for c in ({"kind": "other"}, {"depth": 60}, {"width": 3})),
        *(lambda _, text=text: text for text in ("", "no JSON", "[]", "3", "[" * 100_000)),
        lambda header: {**header, "format": "one"},
        lambda header: {**header, "format": 0},
        lambda header: {**header, "unknown": 1},
    ],
)
def test_damaged_headers_are_refused(path: Path, header) -> None:
    rewrite(path, header=header)
    assert_refused(path, "damaged")


def test_a_header_with_an_endless_number_is_refused(path: Path) -> None:
    rewrite(path, header=lambda header: '{"format": ' + "1" * 5000 + "}")
    assert_refused(path)


@pytest.mark.parametrize("whole_file", [True, False])
def test_random_damage_is_refused_or_harmless(path: Path, whole_file: bool) -> None:
    content = np.frombuffer(path.read_bytes(), np.uint8)
    header_end = 8 + int.from_bytes(content[:8].tobytes(), "little")
    rng, refused = np.random.default_rng(0), 0
    for _ in range(150):
        damaged = content.copy()
        places = rng.integers(len(content) if whole_file else header_end, size=rng.integers(1, 4))
        damaged[places] = rng.integers(256, size=len(places))
        path.write_bytes(damaged.tobytes())
        try:
            load(path)
        except UserError:
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("length", [2**63, 2**40, 2**23, 0])
def test_headers_that_claim_an_absurd_size_are_not_even_read(path: Path, length: int) -> None:
    content = path.read_bytes()
    path.write_bytes(length.to_bytes(8, "little") + content[8:])
    assert_refused(path, "not a napari-aprrd model|damaged or incomplete")
    with path.open("r+b") as file:  # a file, sparse on disk, as large as it claims
        file.truncate(2**24)
    assert_refused(path, "not a napari-aprrd model|damaged or incomplete")


def test_tensors_that_claim_an_absurd_size_are_not_allocated(path: Path) -> None:
    rewrite(path, header=replaced("architecture", width=512, depth=8))
    assert_refused(path, "do not fit its network")


class _Trap:
    """Pickled, it would leave a file behind when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def assert_not_imported(path: Path, words: str = "not a published APR-RD checkpoint") -> None:
    with pytest.raises(UserError, match=words):
        import_checkpoint(path)


def test_importing_executes_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "trap sprang"
    torch.save({"model_state_dict": _Trap(mark)}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(_Trap(mark)))
    for name in ("zip.pth", "plain.pth"):
        assert_not_imported(tmp_path / name)
    assert not mark.exists()


def test_zip_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was opened"))
    monkeypatch.setattr(published, "LARGEST_CHECKPOINT", 2**24)
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data/0", bytes(2**24 + 1))
    assert (tmp_path / "bomb.pth").stat().st_size < 2**16
    assert_not_imported(tmp_path / "bomb.pth", "too large")


def test_checkpoints_are_checked_like_model_files(tmp_path: Path) -> None:
    state = random_denoiser().network.state_dict()
    torch.save({"model_state_dict": state}, tmp_path / "good.pth")
    image = noisy_image(1, 40, 40)
    assert np.isfinite(import_checkpoint(tmp_path / "good.pth").predict(image)).all()
    strange = {
        "wrong shape": {**state, "nin_C.bias": torch.zeros(7)},
        "endless": {**state, "nin_C.bias": torch.zeros(1, dtype=torch.half).expand(10**12)},
        "no tensor": {**state, "nin_C.bias": "text"},
        "list": [1, 2],
        "empty": {},
    }
    for name, content in strange.items():
        torch.save(content, tmp_path / f"{name}.pth")
        assert_not_imported(tmp_path / f"{name}.pth")
    torch.save({**state, "nin_C.bias": torch.tensor([np.nan])}, tmp_path / "nan.pth")
    assert_not_imported(tmp_path / "nan.pth", "not numbers")
