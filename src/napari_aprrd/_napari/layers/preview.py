"""Live preview: a layer with the plane on screen, denoised with the present weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...layers import layer_planes
from ..work.previews import Preview, View
from .taking_away import take_away
from .views import current_plane, preview_layer, shown, shows_planes

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.data.neighbours import Amid

SIDE = 512  # pixels, largest side of a view, to keep previews quick


class LivePreview:
    """Keeps one preview layer on top of the layer list, in place of what is trained on.

    It covers the layers below, whatever their blending, so that nothing is summed with it.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Image
        The source.
    amid : Amid, optional
        Of a layer of one plane: the planes beside it, which a model sees as well.
    """

    def __init__(self, viewer: ViewerModel, layer: Any, amid: Amid | None = None) -> None:
        self._viewer, self._source, self._amid = viewer, layer, amid
        self._layer: Any = None
        self._dismissed = False
        self._is_away = False  # because the canvas shows something else
        self._view: View | None = None
        self._update_view()
        for change in self._changes():
            change.connect(self._update_view)

    @property
    def why_hidden(self) -> str:
        """Why there is no preview on the canvas, in one sentence; empty where there is one."""
        if self._dismissed:
            return "The preview was removed."
        if not shows_planes(self._viewer, self._source):
            return (
                "No preview now: it needs the flat view of rows and columns, and the canvas shows "
                "a volume or the image from another side."
            )
        return ""

    @property
    def about(self) -> str:
        """What the canvas shows of the job, in one sentence; empty before there is a preview."""
        return self.why_hidden or (
            "On screen: a preview, not yet the result." if self._layer else ""
        )

    def view(self) -> View | None:
        """Return the view to preview, or None; called in the job's thread."""
        return None if self._dismissed else self._view

    def show(self, preview: Preview) -> None:
        """Show a preview, unless the user has removed the preview layer."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self._dismissed = True
        if self.why_hidden:
            return
        window = (preview.view.rows, preview.view.columns)
        if self._layer is None:
            name = f"{self._source.name} preview"
            self._layer = preview_layer(self._source, window, preview.image, name)
            selected = set(self._viewer.layers.selection)
            self._viewer.layers.append(self._layer)
            self._viewer.layers.selection = selected
        else:
            self._layer.data = shown(self._source, preview.image)

    def close(self) -> None:
        """Remove the layer and disconnect from the viewer."""
        self._dismissed = True
        for change in self._changes():
            change.disconnect(self._update_view)
        if self._layer is not None:
            take_away(self._viewer, self._layer)

    def _changes(self) -> tuple[Any, ...]:
        events = self._viewer.dims.events
        return events.current_step, events.order, events.ndisplay

    def _update_view(self, event: object = None) -> None:
        flat = shows_planes(self._viewer, self._source)
        self._view = view_of(self._viewer, self._source, self._amid) if flat else None
        if self._layer is not None and self._is_away is flat:
            self._layer.visible, self._is_away = flat, not flat


def view_of(viewer: ViewerModel, layer: Any, amid: Amid | None = None) -> View:
    """The middle of the layer's plane on screen, or of its only one, amid those beside it.

    Raises
    ------
    UserError
        If it is not an image layer, or contains no numbers.
    """
    planes, plane = amid or (
        layer_planes(layer),
        current_plane(layer, viewer.dims.point, viewer.dims.units),
    )
    rows, columns = (_middle(n) for n in planes.sizes[plane])
    return View(planes, plane, rows, columns)


def _middle(length: int) -> slice:
    start = max(length - SIDE, 0) // 2
    return slice(start, min(start + SIDE, length))
