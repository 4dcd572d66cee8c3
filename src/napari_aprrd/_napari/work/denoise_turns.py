"""The layers that the "Denoise" dock works on, one after the other, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...core.errors import UserError
from ...layers import denoised_layer, layer_array, layer_planes
from ..layers.compare import Comparison
from ..layers.maps import maps_of
from ..layers.parts import Part, Scope, part_on_screen
from ..layers.preview import LivePreview
from ..layers.taking_away import take_away
from ..layers.views import current_plane, show_result
from ..models.session import session
from ..preferences import default_device
from .lazy_denoising import add_lazily, is_too_large
from .one_button import Made, Wish, fulfil

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.model.denoiser import Denoiser
    from ..widgets.run.run_panel import RunPanel


@dataclass(frozen=True)
class Turn:
    """One layer to denoise.

    Parameters
    ----------
    layer : Image
    scope : {"everything", "plane", "region"}
    model : str or None
        Name of the model in the session; None to learn one.
    instead_of : Outcome, optional
        An earlier result, of a part, which is removed when the new one is there.
    """

    layer: Any
    scope: Scope
    model: str | None
    instead_of: Outcome | None = None


@dataclass(frozen=True)
class Outcome:
    """A result, and what it was made from.

    Parameters
    ----------
    turn : Turn
    part : Image
        The layer whose pixels were denoised: the turn's own, or a part of it.
    result : Image
    model : str
        Name of the model in the session.
    made : tuple of str
        Names of all models that were made for it.
    """

    turn: Turn
    part: Any
    result: Any
    model: str
    made: tuple[str, ...]

    def comparison(self, viewer: ViewerModel) -> Comparison:
        """Before and after."""
        planes = layer_planes(self.part)
        return Comparison(viewer, self.turn.layer, self.result, self.part, planes)

    def undo(self, viewer: ViewerModel) -> None:
        """Remove the result with its maps and forget its models; the source is shown as before."""
        for layer in (*maps_of(viewer, self.result), self.result):
            take_away(viewer, layer)
        if self.turn.layer in viewer.layers:
            viewer.layers.selection = {self.turn.layer}
        for name in self.made:
            if name in session:
                session.remove(name)


class Turns:
    """Layers to denoise in turn, with one bar for all.

    Parameters
    ----------
    viewer : ViewerModel
    turns : list of Turn
    minutes : float
        Time for learning from each layer.
    denoising : float
        Seconds that denoising a layer will take, as far as known.
    """

    def __init__(
        self, viewer: ViewerModel, turns: list[Turn], minutes: float, denoising: float
    ) -> None:
        self._viewer, self._waiting = viewer, list(turns)
        self._minutes, self._seconds = minutes, denoising
        self._total = len(turns)
        self._made_last = True
        self.outcomes: list[Outcome] = []

    @cached_property
    def _bar(self) -> Any:
        from ...core.jobs import OneBar

        return OneBar()

    @property
    def is_going_on(self) -> bool:
        """Whether there is another layer; not after one was cancelled."""
        return bool(self._waiting) and self._made_last

    def begin(self, panel: RunPanel) -> None:
        """Start with the next layer.

        Raises
        ------
        UserError
            If its pixels cannot be learnt from, or the model is gone.
        """
        self._made_last = False
        turn = self._waiting.pop(0)
        if turn.model is not None and turn.model not in session:
            raise UserError(f"The model {turn.model!r} is gone: learn from the image again.")
        part = part_on_screen(self._viewer, turn.layer, turn.scope)
        preview = LivePreview(self._viewer, *part)
        job = fulfil(self._wish(turn, part), self._bar, 1 / self._total, preview.view)
        number = self._total - len(self._waiting)
        title = f"Denoise {turn.layer.name}" + (f" ({number} of {self._total})" * (self._total > 1))
        panel.start(
            job,
            title,
            lambda made: self._on_made(turn, part.layer, made),
            preview,
            learns=turn.model is None,
        )

    def _wish(self, turn: Turn, part: Part) -> Wish:
        dims, layer = self._viewer.dims, part.layer
        time = 60 * self._minutes + self._seconds
        return Wish(
            layer_planes(layer),
            self._minutes,
            default_device(),
            first=current_plane(layer, dims.point, dims.units),
            amid=part.amid,
            model=session[turn.model] if turn.model else None,
            shapes=[level.shape for level in layer.data] if layer.multiscale else [],
            lazily=is_too_large(layer_array(layer)),
            denoising=min(max(self._seconds / time, 0.02), 0.9),
        )

    def _on_made(self, turn: Turn, part: Any, made: Made | None) -> None:
        if made is None:
            return
        self._made_last = True
        names = []
        if made.learnt is not None:
            names.append(_added(turn.layer.name, "teacher", made.learnt.teacher))
            if made.learnt.student is not None:
                names.append(_added(turn.layer.name, "student", made.learnt.student))
        model = names[-1] if names else turn.model or ""
        if made.data is None:
            add_lazily(self._viewer, turn.layer, session[model])
            return
        result = denoised_layer(part, made.data, made.record)
        if part is not turn.layer:
            result.name = f"{turn.layer.name} denoised ({turn.scope})"
        show_result(self._viewer, result, turn.layer)
        if turn.instead_of is not None:
            names = [*turn.instead_of.made, *names]
            if turn.instead_of.result in self._viewer.layers.selection:
                self._viewer.layers.selection = {result}
            take_away(self._viewer, turn.instead_of.result)
        self.outcomes.append(Outcome(turn, part, result, model, tuple(names)))


def _added(layer: str, kind: str, model: Denoiser) -> str:
    return session.add(f"{layer} {kind}", model, images=layer)
