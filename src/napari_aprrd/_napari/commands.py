"""The commands in napari's menus and palette."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error

from ..core.errors import UserError
from ..layers import layer_array
from . import dialogs, docks
from .layers.choice import doubt
from .layers.source import learn_axes
from .layers.views import image_layers
from .models.choice import models_for
from .work.denoising import Denoising
from .work.lazy_denoising import add_lazily, is_too_large

if TYPE_CHECKING:
    import napari

PLUGIN = "napari-aprrd"
ALL_THE_SAME = "Denoise all the same"


def denoise_layer(viewer: napari.viewer.Viewer) -> None:
    """Denoise the selected image layers with the chosen model."""
    denoise_layers(viewer, image_layers(viewer.layers.selection))


def denoise_layer_lazily(viewer: napari.viewer.Viewer) -> None:
    """Denoise of the selected image layers what is displayed, when it is displayed."""
    denoise_layers(viewer, image_layers(viewer.layers.selection), lazily=True)


def check_result(viewer: napari.viewer.Viewer) -> None:
    """Check whether the selected denoised layer can be trusted."""
    open_widget(viewer, "Trust report").check()


def open_widget(viewer: Any, name: str) -> Any:
    """Show one of the plugin's widgets; there is one of each, among tabs in one place."""

    def make() -> Any:
        from npe2 import PluginManager

        manifest = PluginManager.instance().get_manifest(PLUGIN)
        widgets = manifest.contributions.widgets or []
        (found,) = (widget for widget in widgets if widget.display_name == name)
        return found.get_callable()(napari_viewer=viewer)

    return docks.open_dock(viewer, name, make)


def denoise_layers(viewer: Any, layers: Sequence[Any], *, lazily: bool = False) -> None:
    """Ask what there is to ask, then denoise all of these layers or none."""
    try:
        if not layers:
            raise UserError("Select the image layers to denoise in the layer list first.")
        for layer in layers:
            learn_axes(layer)
            layer_array(layer)  # raises where there are no numbers
        if not is_meant(viewer, layers):
            return
        models = models_for(viewer, layers, lambda: open_widget(viewer, "Train APR"))
    except UserError as error:
        show_error(str(error))
        return
    for layer, model in zip(layers, models or [], strict=False):
        if lazily or is_too_large(layer_array(layer)):
            add_lazily(viewer, layer, model)
        else:
            Denoising(viewer, layer, model)


def is_meant(viewer: Any, layers: Sequence[Any]) -> bool:
    """Ask once about all layers that are odd to denoise."""
    doubts = " ".join(filter(None, map(doubt, layers)))
    if not doubts:
        return True
    return dialogs.ask(viewer, "Denoise layer", doubts, [ALL_THE_SAME]) == ALL_THE_SAME
