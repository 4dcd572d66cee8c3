"""The commands in napari's menus and palette."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info, show_warning

from ..core.config import DenoiseConfig
from ..core.errors import UserError
from ..layers import denoised_layer, layer_array, layer_planes
from .layer_source import learn_axes
from .model_choice import models_for
from .views import add_above, image_layers
from .workers import Run

if TYPE_CHECKING:
    import napari
    from napari.components import ViewerModel

    from ..axes import ArrayPlanes
    from ..core.jobs import Job, Progress
    from ..core.model.denoiser import Denoiser


PLUGIN = "napari-aprrd"


def denoise_layer(viewer: napari.viewer.Viewer) -> None:
    """Denoise the selected image layers with the chosen model."""
    _denoise_selected(viewer, lazily=False)


def denoise_layer_lazily(viewer: napari.viewer.Viewer) -> None:
    """Denoise the selected image layers plane by plane, as planes are displayed."""
    _denoise_selected(viewer, lazily=True)


def check_result(viewer: napari.viewer.Viewer) -> None:
    """Check whether the selected denoised layer can be trusted."""
    open_widget(viewer, "Trust report").check()


def open_widget(viewer: Any, name: str) -> Any:
    """Open one of the plugin's widgets."""
    return viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)[1]


def _denoise_selected(viewer: ViewerModel, *, lazily: bool) -> None:
    try:
        layers = image_layers(viewer.layers.selection)
        if not layers:
            raise UserError("Select the image layers to denoise in the layer list first.")
        for layer in layers:
            learn_axes(layer)
        models = models_for(viewer, layers, lambda: open_widget(viewer, "Train APR")) or []
        for layer, model in zip(layers, models, strict=False):  # none if the user cancelled
            if lazily or _is_too_large(layer_array(layer)):
                _add_lazily(viewer, layer, model)
            else:
                Denoising(viewer, layer, model)
    except UserError as error:
        show_error(str(error))


def _is_too_large(data: Any) -> bool:
    """Whether the result of a lazy source would not fit into memory."""
    import torch

    from ..core.model.hardware import SHARE, free_bytes
    from ..denoise_arrays import is_lazy

    size = data.dtype.itemsize * math.prod(data.shape)
    return is_lazy(data) and size > SHARE * free_bytes(torch.device("cpu"))


def _add_lazily(viewer: ViewerModel, layer: Any, model: Denoiser) -> None:
    from ..denoise_arrays import denoise_lazily

    planes = layer_planes(layer)
    lazy = denoise_lazily(planes, model, DenoiseConfig())
    render_in_the_background()
    add_above(viewer, denoised_layer(layer, lazy.data, lazy.record()), layer)
    Comparison(layer.name, model, planes)


def _compare(model: Denoiser, planes: ArrayPlanes) -> Job[None]:
    """Report if the planes differ from those of the training, or rounding harms the result."""
    from ..core.jobs import Progress
    from ..core.noise.rounding import WORDS
    from ..core.trust.domain_shift import misfit
    from ..denoise_arrays import rounding_loss

    loss = rounding_loss(planes, DenoiseConfig())
    costs = f"{WORDS[loss]}: convert the layer to float32 first." if loss else ""
    for said in filter(None, (misfit(model, planes), costs)):
        yield Progress("Denoise", 0, len(planes.sizes), 0.0, note=said)


def _warn(report: Progress) -> None:
    if report.note:
        show_warning(report.note)


def render_in_the_background() -> None:
    """Let napari compute lazy layers in a thread, so that its window never freezes."""
    from napari.settings import get_settings

    experimental = get_settings().experimental
    if not experimental.async_:
        experimental.async_ = True
        show_info(
            "napari now renders in the background, so that it stays responsive "
            "(Preferences > Experimental > Render Images Asynchronously)."
        )


class Comparison:
    """Compares a layer with a model's training images, in the background."""

    running: set[Comparison] = set()  # noqa: RUF012  keeps them alive until they end

    def __init__(self, name: str, model: Denoiser, planes: ArrayPlanes) -> None:
        self.running.add(self)
        self._run = Run(
            _compare(model, planes),
            f"Compare {name}",
            on_report=_warn,
            on_result=lambda _: None,
            on_end=lambda: self.running.discard(self),
        )


class Denoising:
    """Denoises one layer in the background; the activity dock shows and cancels it."""

    running: set[Denoising] = set()  # noqa: RUF012  keeps them alive until they end

    def __init__(self, viewer: ViewerModel, layer: Any, model: Denoiser) -> None:
        self._viewer, self._layer = viewer, layer
        self.running.add(self)
        self._run = Run(
            _denoise(model, layer_planes(layer)),
            f"Denoise {layer.name}",
            on_report=_warn,
            on_result=self._on_result,
            on_end=lambda: self.running.discard(self),
        )

    def _on_result(self, result: tuple[Any, dict[str, Any]] | None) -> None:
        if result is not None:
            add_above(self._viewer, denoised_layer(self._layer, *result), self._layer)


def _denoise(model: Denoiser, planes: ArrayPlanes) -> Job[tuple[Any, dict[str, Any]] | None]:
    """Denoise: the image and how it was made, or None when stopped before."""
    from ..denoise_arrays import denoise_now

    yield from _compare(model, planes)
    made = yield from denoise_now(planes, model, DenoiseConfig())
    # Made here, in the job's thread, since hashing takes a while.
    return (made.data, made.record()) if made is not None else None
