"""A model on images it never saw: a warning in the shell, in Python and in the viewer."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from command_line import call, succeed
from core.trust.test_domain_shift import model_of, scene
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

import napari_aprrd as aprrd
from napari_aprrd._napari import commands
from napari_aprrd._napari.models.session import session
from napari_aprrd._napari.work.denoising import Comparison, Denoising
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.files.formats import read_picture

DARK = np.rint(scene()[0] / 16).clip(0, 255).astype(np.uint8)
BRIGHT = scene()[0]
SAID = "16 times darker than those this model learnt from"


@pytest.fixture
def model() -> Denoiser:
    return model_of(scene(seed=1))


def told_by(*arguments: str | Path) -> str:
    """Standard error of a command that goes well."""
    result = call(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stderr


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
def test_python_warns_once_for_each_image(model: Denoiser, wrap: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aprrd.denoise([wrap(BRIGHT), wrap(DARK)], model, progress=False)
    (warning,) = caught
    assert warning.category is aprrd.DataWarning
    assert SAID in str(warning.message)


def test_the_shell_warns_once_for_each_file(tmp_path: Path, model: Denoiser) -> None:
    model.save(tmp_path / "m.aprrd")
    for name, image in (("dark", DARK), ("bright", BRIGHT)):
        np.save(tmp_path / f"{name}.npy", image)
    files = (tmp_path / "dark.npy", tmp_path / "bright.npy")
    told = told_by("denoise", *files, "-o", tmp_path / "out", "--model", tmp_path / "m.aprrd")
    assert told.count(f"{files[0]}: These images are {SAID}") == 1
    assert str(files[1]) not in told


@pytest.mark.usefixtures("nothing_in_the_background")
@pytest.mark.parametrize("lazily", [False, True])
def test_the_viewer_warns_once_for_each_layer(qtbot: Any, model: Denoiser, lazily: bool) -> None:
    viewer = ViewerModel()
    session.add("cells", model)
    layers = [viewer.add_image(DARK, name="dark"), viewer.add_image(BRIGHT, name="bright")]
    viewer.layers.selection = set(layers)
    with notification_manager:
        notification_manager.records.clear()
        (commands.denoise_layer_lazily if lazily else commands.denoise_layer)(viewer)
        running = (Comparison if lazily else Denoising).running
        qtbot.waitUntil(lambda: not running, timeout=30_000)
        told = [str(record.message) for record in notification_manager.records]
    assert sum(SAID in message for message in told) == 1
    assert not any("rounding" in message for message in told)
    assert "dark denoised" in viewer.layers


@pytest.mark.usefixtures("nothing_in_the_background")
@pytest.mark.parametrize("lazily", [False, True])
def test_the_viewer_says_that_a_layer_of_photons_needs_float32(
    qtbot: Any, model: Denoiser, lazily: bool
) -> None:
    viewer = ViewerModel()
    session.add("cells", model)
    photons = (np.random.default_rng(0).random((96, 96)) < 0.1).astype(np.uint8)
    viewer.layers.selection = {viewer.add_image(photons, name="photons")}
    with notification_manager:
        notification_manager.records.clear()
        (commands.denoise_layer_lazily if lazily else commands.denoise_layer)(viewer)
        running = (Comparison if lazily else Denoising).running
        qtbot.waitUntil(lambda: not running, timeout=30_000)
        told = [str(record.message) for record in notification_manager.records]
    assert sum("convert the layer to float32 first" in message for message in told) == 1


@pytest.mark.parametrize("suffix", [".npy", ".zarr", ".tif"])
def test_the_intensities_of_the_image_can_be_used_instead(
    tmp_path: Path, model: Denoiser, suffix: str
) -> None:
    """From Python, lazily and from the shell alike; the record says so."""
    model.save(tmp_path / "m.aprrd")
    np.save(tmp_path / "a.npy", DARK)
    expected = aprrd.denoise(DARK, model, progress=False, normalise="image")
    lazy = aprrd.denoise(da.from_array(DARK), model, normalise="image")
    np.testing.assert_array_equal(lazy, expected)
    out = tmp_path / f"out{suffix}"
    options = ("--model", tmp_path / "m.aprrd", "--normalise", "image")
    assert SAID not in told_by("denoise", tmp_path / "a.npy", "-o", out, *options)
    np.testing.assert_array_equal(read_picture(out).data, expected)
    if suffix != ".npy":
        assert (
            json.loads(succeed("info", out, "--json"))["denoise"]["config"]["normalise"] == "image"
        )


def test_a_stopped_job_in_the_background_has_no_result_and_says_so(model: Denoiser) -> None:
    handle = aprrd.denoise(np.stack([BRIGHT] * 200), model, background=True)
    handle.stop()
    with pytest.raises(aprrd.CancelledError, match="stopped before its end: there is no result"):
        handle.result(60)
