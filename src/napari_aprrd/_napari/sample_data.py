"""Sample data: noisy stacks of synthetic cells, with the truth as a hidden layer."""

from __future__ import annotations

from typing import Any

from ..core.data.synthetic import NoiseKind, noisy_cells
from ..layers import KEY_TRUTH

LayerData = tuple[Any, dict[str, Any], str]


def white_noise() -> list[LayerData]:
    """Cells with noise that is independent from pixel to pixel."""
    return _sample("white", "cells, white noise")


def correlated_noise() -> list[LayerData]:
    """Cells with noise that is correlated between neighbours, as after demosaicing."""
    return _sample("blobby", "cells, correlated noise")


def _sample(kind: NoiseKind, name: str) -> list[LayerData]:
    noisy, truth = noisy_cells(kind=kind)
    shared = {
        "scale": (1.0, 0.1, 0.1),
        "units": ("s", "um", "um"),
        "axis_labels": ("t", "y", "x"),
        "contrast_limits": (float(truth.min()), float(truth.max())),
    }
    about = {"name": f"{name}, truth", "visible": False, "metadata": {KEY_TRUTH: True}}
    return [
        (truth, {**about, **shared}, "image"),
        (noisy, {"name": name, **shared}, "image"),
    ]
