"""Sample data: what napari makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_aprrd._napari import sample_data

SAMPLES = [
    pytest.param(sample_data.white_noise, "cells, white noise", id="white"),
    pytest.param(sample_data.correlated_noise, "cells, correlated noise", id="correlated"),
]


def layers_of(sample: Callable[[], list[Any]]) -> dict[str, Image]:
    viewer = ViewerModel()
    for layer_data in sample():
        viewer.add_layer(Layer.create(*layer_data))
    return {layer.name: layer for layer in viewer.layers}


def correlation(noisy: Image, truth: Image) -> float:
    """Lag-1 correlation of the noise along x."""
    noise = noisy.data.astype(np.float64) - truth.data
    return float((noise[..., 1:] * noise[..., :-1]).mean() / noise.var())


@pytest.mark.parametrize(("sample", "name"), SAMPLES)
def test_a_noisy_stack_comes_with_its_hidden_truth(sample: Any, name: str) -> None:
    layers = layers_of(sample)
    truth_name = next(n for n in layers if n.endswith("truth"))
    assert set(layers) == {name, truth_name}
    assert truth_name.startswith(name)
    noisy, truth = layers[name], layers[truth_name]
    assert noisy.data.dtype == np.uint16
    assert noisy.data.shape == truth.data.shape == (4, 256, 256)
    assert noisy.visible
    assert not truth.visible
    assert noisy.contrast_limits == truth.contrast_limits


@pytest.mark.parametrize(("sample", "name"), SAMPLES)
def test_layers_have_axes_and_a_pixel_size(sample: Any, name: str) -> None:
    for layer in layers_of(sample).values():
        assert layer.axis_labels == ("t", "y", "x")
        np.testing.assert_allclose(layer.scale, (1, 0.1, 0.1))
        assert [str(unit) for unit in layer.units] == ["second", "micrometer", "micrometer"]


@pytest.mark.parametrize(("sample", "name"), SAMPLES)
def test_the_truth_is_the_mean_of_the_noise(sample: Any, name: str) -> None:
    layers = layers_of(sample)
    truth = next(layer for n, layer in layers.items() if n.endswith("truth"))
    error = layers[name].data.astype(np.float64) - truth.data
    assert abs(error.mean()) < 0.02 * error.std()


def test_the_noise_is_as_the_names_say() -> None:
    white, blobby = (list(layers_of(p.values[0]).values()) for p in SAMPLES)
    by_truth = [sorted(pair, key=lambda layer: "truth" in layer.name) for pair in (white, blobby)]
    assert abs(correlation(*by_truth[0])) < 0.02
    assert correlation(*by_truth[1]) > 0.4
