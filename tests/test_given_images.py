"""What Python's functions learn from where they get lists of layers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.makers import THREE_STEPS, noisy_stack, random_denoiser
from napari.components import ViewerModel

import napari_aprrd as aprrd
from napari_aprrd.core.errors import DataWarning, UserError
from napari_aprrd.given.images import as_planes
from napari_aprrd.layers import KEY_TRUTH, denoised_layer


@pytest.fixture
def viewer() -> ViewerModel:
    """A noisy image, its denoised one, a hidden image, points and the sample's truth."""
    viewer = ViewerModel()
    cells = viewer.add_image(noisy_stack(64, 64), name="cells")
    clean = noisy_stack(64, 64, seed=1)
    viewer.add_layer(denoised_layer(cells, clean, random_denoiser().record))
    viewer.add_image(noisy_stack(64, 64, seed=2), name="other", visible=False)
    viewer.add_points(np.zeros((1, 2)), name="marks")
    viewer.add_image(clean, name="truth", metadata={KEY_TRUTH: True})
    return viewer


def pixels_of(images: Any) -> list[float]:
    planes = as_planes(images)
    return [
        float(planes.read(n, slice(0, 1), slice(0, 1))[0, 0, 0]) for n in range(len(planes.sizes))
    ]


def test_all_layers_of_a_viewer_are_those_with_noisy_images(viewer: ViewerModel) -> None:
    with pytest.warns(DataWarning, match="left out") as heard:
        assert pixels_of(viewer.layers) == [viewer.layers["cells"].data[0, 0]]
    (said,) = (str(warning.message) for warning in heard)
    for name, why in [
        ("cells denoised", "denoised already"),
        ("other", "hidden"),
        ("marks", "not an image"),
        ("truth", "the clean truth"),
    ]:
        assert f"'{name}' ({why})" in said


def test_hidden_layers_that_were_chosen_are_learnt_from(viewer: ViewerModel) -> None:
    chosen = [viewer.layers["cells"], viewer.layers["other"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pixels_of(chosen) == [layer.data[0, 0] for layer in chosen]


def test_a_source_whose_result_is_shown_in_its_place_is_learnt_from(viewer: ViewerModel) -> None:
    viewer.layers["cells"].visible = False
    with pytest.warns(DataWarning, match="left out"):
        assert pixels_of(viewer.layers) == [viewer.layers["cells"].data[0, 0]]


def test_where_no_layer_is_noisy_nothing_is_learnt(viewer: ViewerModel) -> None:
    for name in ("cells", "other"):
        viewer.layers.remove(name)
    with pytest.raises(UserError, match=r"None of these layers is a noisy image: 'cells denoised'"):
        aprrd.train_apr(viewer.layers, **THREE_STEPS)


def test_the_warning_points_at_the_line_of_the_user(viewer: ViewerModel) -> None:
    with pytest.warns(DataWarning, match="left out") as heard:
        aprrd.train_apr(viewer.layers, **THREE_STEPS, progress=False)
    assert [warning.filename for warning in heard if "left out" in str(warning.message)] == [
        __file__
    ]


def test_without_a_model_only_noisy_layers_are_learnt_from_and_denoised(
    viewer: ViewerModel, tiny_presets: Any
) -> None:
    tiny_presets(3)
    with pytest.warns(DataWarning, match="left out") as heard:
        (result,) = aprrd.denoise(viewer.layers, progress=False)
    assert result.name == "cells denoised"
    assert [warning.filename for warning in heard] == [__file__]


def test_layers_that_show_no_image_are_refused_by_name(viewer: ViewerModel) -> None:
    with pytest.raises(UserError, match="'marks' is not an image layer"):
        aprrd.train_apr(viewer.layers["marks"], **THREE_STEPS)


@pytest.mark.parametrize("name", ["nothing", Path("nothing"), ["nothing"]])
def test_a_name_is_no_image(name: Any) -> None:
    with pytest.raises(UserError, match=r"read a file first: .*read_picture\('nothing'\)"):
        aprrd.train_apr(name, **THREE_STEPS)
