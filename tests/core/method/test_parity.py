"""The published networks, to 1e-4 in float32."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_aprrd.core.config import ALL_SHIFTS, DenoiseConfig
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.method.networks import BlindSpotNetwork
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.published import import_checkpoint

from .. import naive
from ..makers import random_denoiser, same_weights

Case = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def _bsn(parity: Path) -> Denoiser:
    return import_checkpoint(parity / "bsn_random.pth")


@pytest.fixture
def bsn(_bsn: Denoiser) -> Denoiser:
    return _bsn.copy()  # which a prediction moves to its device


@pytest.fixture(scope="module")
def bsn_case(parity: Path) -> Case:
    return dict(np.load(parity / "bsn_case.npz"))


def padded(case: Case) -> torch.Tensor:
    pad = [(0, 0), (0, 0), (16, 16), (16, 16)]
    return torch.from_numpy(np.pad(case["input"], pad, mode="reflect"))


def agree(ours: np.ndarray, published: np.ndarray) -> bool:
    return bool(np.abs(ours - published).max() < 1e-4) and ours.dtype == np.float32


@torch.no_grad()
def test_the_blind_spot_network_at_every_shift(bsn: Denoiser, bsn_case: Case) -> None:
    for shift in ALL_SHIFTS:
        output = bsn.network(padded(bsn_case), shift).numpy()
        assert agree(output, bsn_case[f"shift{shift}_padded"]), shift


@torch.no_grad()
def test_the_six_targets_of_one_pass(bsn: Denoiser, bsn_case: Case) -> None:
    assert isinstance(bsn.network, BlindSpotNetwork)
    together = bsn.network.all_shifts(padded(bsn_case), ALL_SHIFTS)[0].numpy()
    for shift in ALL_SHIFTS:
        assert agree(together[shift], bsn_case[f"shift{shift}_padded"][0]), shift
    assert agree(together[..., 16:-16, 16:-16], bsn_case["targets_pad16"])


def test_the_targets_of_a_denoiser(bsn: Denoiser, bsn_case: Case) -> None:
    image = bsn_case["input"][0] * np.float32(255)
    assert agree(bsn.targets(image, ALL_SHIFTS, DenoiseConfig()), bsn_case["targets_pad16"])


def test_a_denoiser_gives_the_mean_of_the_targets_in_the_units_of_the_source(
    bsn: Denoiser, bsn_case: Case
) -> None:
    output = bsn.predict(bsn_case["input"][0] * np.float32(255))
    assert agree(output / np.float32(255), bsn_case["targets_pad16"].mean(0))


@torch.no_grad()
def test_the_naive_reference_is_the_published_network_too(bsn: Denoiser, bsn_case: Case) -> None:
    for shift in (0, 3):
        output = naive.blind_spot(bsn.network.state_dict(), padded(bsn_case), shift)
        assert agree(output.numpy(), bsn_case[f"shift{shift}_padded"])


def test_the_student_of_1_00m(parity: Path) -> None:
    student = import_checkpoint(parity / "student_1.00M_sidd_medium.pth")
    assert student.architecture.model_dump() == {
        **{"kind": "student-1.00M", "channels": 3, "width": 48, "depth": 5, "separate": False}
    }
    case = np.load(parity / "student_1.00M_case.npz")
    with torch.no_grad():
        output = student.network(torch.from_numpy(case["input"])).numpy()
    assert agree(output, case["output"])


def test_an_imported_network_is_a_teacher_that_can_be_saved(bsn: Denoiser, tmp_path: Path) -> None:
    from napari_aprrd.core.model.denoiser import load

    assert bsn.is_teacher
    assert bsn.channels == 3
    assert bsn.normalisation.scale == (255.0, 255.0, 255.0)
    bsn.save(tmp_path / "bsn.aprrd")
    assert same_weights(load(tmp_path / "bsn.aprrd"), bsn)


def published_102() -> dict[str, torch.Tensor]:
    """Random weights in the layout of the published student of 1.02M."""
    shapes = {"enc1.conv": (48, 3)}
    shapes |= {f"enc{level}.conv": (48, 48) for level in (2, 3, 4, 5, 6)}
    shapes |= {"dec5_2.conv": (96, 96), "dec5_1.conv": (96, 96)}
    for level in (4, 3, 2):
        shapes |= {f"dec{level}_2.conv": (96, 144), f"dec{level}_1.conv": (96, 96)}
    shapes |= {"dec1_2.conv": (96, 144), "dec1_1": (3, 96)}
    generator, state = torch.Generator().manual_seed(0), {}
    for name, (outputs, inputs) in shapes.items():
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator)
        state[f"{name}.weight"] = weight * math.sqrt(2 / (9 * inputs))
        state[f"{name}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    return state


def test_the_student_of_1_02m(tmp_path: Path) -> None:
    state = published_102()
    assert sum(tensor.numel() for tensor in state.values()) == 1_021_107
    torch.save({"model_state_dict": state}, tmp_path / "student.pth")
    student = import_checkpoint(tmp_path / "student.pth")
    assert student.architecture.model_dump() == {
        **{"kind": "student-1.02M", "channels": 3, "width": 48, "depth": 5, "separate": False}
    }
    restored = student.network.state_dict()
    assert list(restored) == list(state)
    assert all(torch.equal(restored[name], state[name]) for name in state)
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        output = student.network(image)
    assert agree(output.numpy(), naive.student_102(state, image).numpy())


@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M", "student-1.02M"])
def test_smaller_checkpoints_tell_their_size(kind, tmp_path: Path) -> None:
    small = random_denoiser(kind, channels=2, width=6, depth=3)
    torch.save(small.network.state_dict(), tmp_path / "small.pth")
    imported = import_checkpoint(tmp_path / "small.pth")
    assert imported.architecture == small.architecture
    assert same_weights(imported, small)


def test_what_is_no_checkpoint_is_refused_in_one_sentence(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in ("text.pth", "list.pth", "other.pth", "none.pth")}
    paths["text.pth"].write_text("no checkpoint")
    torch.save([1, 2], paths["list.pth"])
    torch.save({"model_state_dict": {"a": torch.zeros(3)}}, paths["other.pth"])
    missing = paths.pop("none.pth")
    for path in paths.values():
        with pytest.raises(UserError, match=r"is not a published APR-RD checkpoint.*\.$"):
            import_checkpoint(path)
    with pytest.raises(UserError, match=r"^There is no file .*none\.pth\.$"):
        import_checkpoint(missing)
    content = paths["list.pth"].read_bytes()
    paths["list.pth"].write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"list\.pth is damaged or incomplete"):
        import_checkpoint(paths["list.pth"])


class Evil:
    """Would run code when unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("evil"),))


def test_a_checkpoint_cannot_run_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model_state_dict": Evil()}, "evil.pth")
    with pytest.raises(UserError):
        import_checkpoint("evil.pth")
    assert not Path("evil").exists()
