"""Denoising of a layer in the background, shown and cancelled in the activity dock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning

from ...core.config import DenoiseConfig
from ...layers import denoised_layer, layer_planes, levels
from ..layers.views import current_plane, show_result
from ..preferences import default_device
from .workers import Run

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...axes import ArrayPlanes
    from ...core.data.neighbours import Amid
    from ...core.jobs import Job, Progress
    from ...core.model.denoiser import Denoiser


class Denoising:
    """Denoises one layer, the plane on screen first, and adds the result to the viewer.

    Parameters
    ----------
    viewer : ViewerModel
    layer : Image
    model : Denoiser
    plane : int, optional
        The plane to begin with, instead of the one on screen.
    on_report : callable, optional
        Receives each `Progress`; its steps are tiles.
    on_result : callable, optional
        Receives the new layer.
    on_end : callable, optional
        Called when nothing more comes, for whatever reason.
    """

    running: set[Denoising] = set()  # noqa: RUF012  keeps them alive until they end

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Any,
        model: Denoiser,
        *,
        plane: int | None = None,
        on_report: Callable[[Progress], None] = lambda report: None,
        on_result: Callable[[Any], None] = lambda layer: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._viewer, self._layer, self._started = viewer, layer, time.monotonic()
        self._callbacks = on_report, on_result, on_end
        if plane is None:
            plane = current_plane(layer, viewer.dims.point, viewer.dims.units)
        shapes = [level.shape for level in layer.data] if layer.multiscale else []
        self.running.add(self)
        viewer.layers.events.removed.connect(self._on_removed)
        self._run = Run(
            _denoise(model, layer_planes(layer), plane, shapes),
            f"Denoise {layer.name}",
            on_report=self._on_report,
            on_result=self._on_result,
            on_end=self._on_end,
        )

    def cancel(self) -> None:
        """End without a result, also in the middle of a plane."""
        self._run.cancel()

    def _on_report(self, report: Progress) -> None:
        warn(report)
        self._callbacks[0](report)

    def _on_result(self, made: tuple[Any, dict[str, Any]] | None) -> None:
        if made is None:
            return
        result = denoised_layer(self._layer, *made)
        show_result(self._viewer, result, self._layer)
        show_info(shortly(self._layer.name, time.monotonic() - self._started))
        self._callbacks[1](result)

    def _on_end(self) -> None:
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self.running.discard(self)
        self._callbacks[2]()

    def _on_removed(self, event: object = None) -> None:
        """Without any layer the viewer was emptied or closed: nobody waits for the result."""
        if not self._viewer.layers:
            self.cancel()


class Comparison:
    """Compares a layer with a model's training images, in the background."""

    running: set[Comparison] = set()  # noqa: RUF012  keeps them alive until they end

    def __init__(self, name: str, model: Denoiser, planes: ArrayPlanes) -> None:
        self.running.add(self)
        self._run = Run(
            remarks(planes, model),
            f"Compare {name}",
            on_report=warn,
            on_result=lambda _: None,
            on_end=lambda: self.running.discard(self),
        )


def warn(report: Progress) -> None:
    """Show what a report says that the user must know."""
    if report.note:
        show_warning(report.note)


def shortly(name: str, seconds: float) -> str:
    """A note of 60 characters at most, since napari's box cuts longer ones."""
    took = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    rest = f"Denoised  in {took}."
    kept = 60 - len(rest)
    return rest.replace("  ", f" {name if len(name) <= kept else f'{name[: kept - 1]}…'} ")


def remarks(
    planes: ArrayPlanes, model: Denoiser | None = None, amid: Amid | None = None
) -> Job[None]:
    """Report if rounding harms the result, or what a model sees differs from what it knows.

    That is the planes, or the one amid others.
    """
    from ...core.jobs import Progress
    from ...core.noise.rounding import WORDS
    from ...core.trust.domain_shift import misfit, missing_neighbours
    from ...denoise_arrays.at_once import rounding_loss

    loss = rounding_loss(planes, DenoiseConfig())
    costs = f"{WORDS[loss]}: convert the layer to float32 first." if loss else ""
    of_model = (misfit, missing_neighbours)
    seen = planes if amid is None else amid.planes
    known = [about(model, seen) for about in of_model] if model is not None else []
    for said in filter(None, (*known, costs)):
        yield Progress("Denoise", 0, len(planes.sizes), 0.0, note=said)


def _denoise(
    model: Denoiser, planes: ArrayPlanes, first: int, shapes: list[Any]
) -> Job[tuple[Any, dict[str, Any]] | None]:
    """Denoise: the image in the resolutions of its source, and how it was made.

    None when it was stopped before the end.
    """
    from ...denoise_arrays.at_once import denoise_now

    yield from remarks(planes, model)
    config = DenoiseConfig(device=default_device())
    made = yield from denoise_now(planes, model, config, first=first)
    if made is None:
        return None
    # Made here, in the job's thread, since hashing and averaging take a while.
    return levels(made.data, shapes) if shapes else made.data, made.record()
