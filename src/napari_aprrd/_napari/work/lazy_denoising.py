"""Denoising of what is on screen, when it is on screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info

from ...axes import ArrayPlanes
from ...core.config import DenoiseConfig
from ...layers import denoised_layer, layer_axes, layer_planes
from ..layers.views import show_result
from ..preferences import default_device
from .denoising import Comparison
from .lazy import LazyLayer, render_in_the_background
from .workers import Run

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.jobs import Job
    from ...core.model.denoiser import Denoiser


def add_lazily(viewer: ViewerModel, layer: Any, model: Denoiser) -> None:
    """Add a denoised layer that computes the tiles and the resolution that are on screen.

    The result of a layer in several resolutions has as many, each denoised by itself.
    """
    if not render_in_the_background(viewer):
        return
    if layer.multiscale and layer.ndim == 2:
        Overview(viewer, layer, model)
    else:
        _add(viewer, layer, model)


class Overview:
    """Denoises the lowest resolution in the background, then adds the layer.

    napari computes this resolution of a 2-D layer while its window stands still.
    """

    running: set[Overview] = set()  # noqa: RUF012  keeps them alive until they end

    def __init__(self, viewer: ViewerModel, layer: Any, model: Denoiser) -> None:
        self._arguments = viewer, layer, model
        self.running.add(self)
        self._run = Run(
            _denoise(model, ArrayPlanes(layer.data[-1], layer_axes(layer))),
            f"Denoise {layer.name}",
            on_report=lambda _: None,
            on_result=self._on_result,
            on_end=lambda: self.running.discard(self),
        )

    def _on_result(self, lowest: Any) -> None:
        viewer, layer, _ = self._arguments
        if lowest is not None and layer in viewer.layers:
            _add(*self._arguments, lowest)


def _denoise(model: Denoiser, planes: ArrayPlanes) -> Job[Any]:
    from ...denoise_arrays.at_once import denoise_now

    made = yield from denoise_now(planes, model, DenoiseConfig(device=default_device()))
    return made.data if made is not None else None


def _add(viewer: ViewerModel, layer: Any, model: Denoiser, lowest: Any = None) -> None:
    """Add the layer; its lowest resolution may be there already."""
    from ...denoise_arrays.lazily import denoise_lazily

    watch, axes = LazyLayer(viewer), layer_axes(layer)
    config = DenoiseConfig(device=default_device())
    made = [
        denoise_lazily(ArrayPlanes(data, axes), model, config, is_cancelled=watch.is_cancelled)
        for data in (layer.data if layer.multiscale else [layer.data])
    ]
    data = [level.data for level in made]
    if lowest is not None:
        data[-1] = lowest
    result = denoised_layer(layer, data if layer.multiscale else data[0], made[0].record())
    show_info("Computing what is on screen…")
    show_result(viewer, result, layer)
    watch.begin(result)
    Comparison(layer.name, model, layer_planes(layer))


def is_too_large(data: Any) -> bool:
    """Whether the result of a lazy source would not fit into memory."""
    import torch

    from ...core.model.hardware import SHARE, free_bytes
    from ...denoise_arrays.lazily import is_lazy

    size = data.dtype.itemsize * math.prod(data.shape)
    return is_lazy(data) and size > SHARE * free_bytes(torch.device("cpu"))
