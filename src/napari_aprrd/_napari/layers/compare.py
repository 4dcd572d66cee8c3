"""Before and after: a source and its denoised layer, one in place of the other, or split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .views import current_plane, preview_layer, shows_planes

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...axes import ArrayPlanes


class Comparison:
    """Shows a source in place of its denoised layer, or beside it.

    Parameters
    ----------
    viewer : ViewerModel
    source, result : Image
    planes : ArrayPlanes
        Of the source, or of the part of it that was denoised.
    part : Image
        A layer with these planes; the source itself, or a part of it.
    """

    def __init__(
        self, viewer: ViewerModel, source: Any, result: Any, part: Any, planes: ArrayPlanes
    ) -> None:
        self._viewer, self._source, self._result = viewer, source, result
        self._part, self._planes = part, planes
        self._before: tuple[bool, bool] | None = None
        self._cover: Any = None
        self._plane: tuple[int, Any] = (-1, None)
        self._share = 0.0
        viewer.dims.events.current_step.connect(self._update)

    @property
    def is_possible(self) -> bool:
        """Whether both layers are still there."""
        return {self._source, self._result} <= set(self._viewer.layers)

    @property
    def can_split(self) -> bool:
        """Whether the canvas shows planes that can be split, and reading them takes no time."""
        return self._planes.in_memory and shows_planes(self._viewer, self._part)

    def hold(self, before: bool) -> None:
        """Show the source as long as a button is held."""
        if before and self._before is None and self.is_possible:
            self._before = self._source.visible, self._result.visible
            self._source.visible, self._result.visible = True, False
        elif not before and self._before is not None:
            self._source.visible, self._result.visible = self._before
            self._before = None

    def split(self, share: float) -> None:
        """Cover so much of the result's width with the source; 0 covers nothing."""
        self._share = share
        self._update()

    def close(self) -> None:
        """Leave both layers as they are without comparison."""
        self.hold(False)
        self.split(0)
        self._viewer.dims.events.current_step.disconnect(self._update)

    def _update(self, event: object = None) -> None:
        if self._share == 0 or not self.is_possible or not self.can_split:
            self._remove_cover()
            return
        cover = self._covering()
        if self._cover in self._viewer.layers and self._cover is not None:
            self._cover.data = cover.data
        else:
            self._cover = cover
            selected = set(self._viewer.layers.selection)
            self._viewer.layers.append(cover)
            self._viewer.layers.selection = selected

    def _covering(self) -> Any:
        """The left part of the source's plane on screen, as a layer."""
        index = current_plane(self._part, self._viewer.dims.point, self._viewer.dims.units)
        height, width = self._planes.sizes[index]
        if self._plane[0] != index:
            whole = slice(0, height), slice(0, width)
            self._plane = index, self._planes.read(index, *whole)
        columns = slice(0, max(round(width * self._share), 1))
        image = self._plane[1][:, :, columns]
        return preview_layer(self._part, (slice(0, height), columns), image, "before | after")

    def _remove_cover(self) -> None:
        if self._cover is not None and self._cover in self._viewer.layers:
            self._viewer.layers.remove(self._cover)
        self._cover = None
