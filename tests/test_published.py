"""Published checkpoints, from the file to a layer in napari."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import succeed
from core.makers import KINDS, noisy_image, random_denoiser
from napari.components import ViewerModel

import napari_aprrd as aprrd

PUBLISHED = "student_1.00M_sidd_medium.pth"


def imported(checkpoint: Path, folder: Path) -> aprrd.Denoiser:
    """The model file that the command line makes."""
    out = folder / "model.aprrd"
    succeed("import", checkpoint, "-o", out)
    return aprrd.load(out)


def photo() -> np.ndarray:
    return np.moveaxis(noisy_image(3, 48, 64), 0, -1).round().astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_an_imported_checkpoint_denoises_an_rgb_layer(kind, tmp_path: Path) -> None:
    state = random_denoiser(kind, channels=3).network.state_dict()
    torch.save({"model_state_dict": state}, tmp_path / "published.pth")
    model = imported(tmp_path / "published.pth", tmp_path)
    layer = ViewerModel().add_image(photo(), name="photo", scale=(2, 2))
    clean = aprrd.denoise(layer, model, progress=False)
    assert clean.rgb
    assert (clean.name, tuple(clean.scale)) == ("photo denoised", (2, 2))
    assert clean.data.dtype == np.uint8
    expected = model.predict(np.moveaxis(photo(), -1, 0).astype(np.float32))
    expected = np.moveaxis(expected, 0, -1).round().clip(0, 255)
    np.testing.assert_allclose(clean.data, expected, atol=1)


def test_weights_that_are_stored_alone_are_read_too(tmp_path: Path) -> None:
    """As other methods publish students of the same layout, TM-BSN for one."""
    state = random_denoiser("student-1.02M", channels=3).network.state_dict()
    torch.save(state, tmp_path / "alone.pth")
    read = imported(tmp_path / "alone.pth", tmp_path).network.state_dict()
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], weight) for name, weight in state.items())


def test_the_published_student_removes_noise_from_a_layer(tmp_path: Path, parity: Path) -> None:
    layer = ViewerModel().add_image(photo())
    clean = aprrd.denoise(layer, imported(parity / PUBLISHED, tmp_path), progress=False)
    truth = np.moveaxis(noisy_image(3, 48, 64, noise=0), 0, -1)
    before, after = (aprrd.evaluate(image, truth, rgb=True) for image in (photo(), clean.data))
    assert after.psnr > before.psnr + 3
