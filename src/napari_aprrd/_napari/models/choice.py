"""Which model denoises which layer: the chosen one, or the one that a question settles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...core.errors import UserError
from ...layers import layer_planes
from .. import dialogs
from .session import session

if TYPE_CHECKING:
    from ...core.model.denoiser import Denoiser

TRAIN, LOAD = "Train one", "Load one…"
TITLE = "Denoise layer"


def why_unfit(model: Denoiser, layer: Any) -> str:
    """Say in one sentence why a model cannot denoise a layer; "" if it can.

    Whether their intensities and noise are alike takes a look at the pixels: see
    `core.trust.domain_shift.misfit`.

    Raises
    ------
    UserError
        If the layer is no image.
    """
    channels = layer_planes(layer).channels
    if channels == model.channels:
        return ""
    kind = "in colour" if layer.rgb else f"of {_counted(channels)}"
    return (
        f"The model was trained on images of {_counted(model.channels)}, and {layer.name!r} is "
        f"{kind}{f' ({_counted(channels)})' if layer.rgb else ''}."
    )


def model_for(
    viewer: Any, layer: Any, train: Callable[[], object] | None = None
) -> Denoiser | None:
    """The chosen model if it fits a layer, else what the user answers; None for no model.

    What the user answers is the chosen model from then on.

    Parameters
    ----------
    viewer : Viewer
    layer : Image
    train : callable, optional
        Opens the widget that trains; without it, training is not offered.

    Raises
    ------
    UserError
        If the layer is no image, or a file that was chosen cannot be read.
    """
    name = _name_for(viewer, layer, train)
    if name:
        session.choose(name)
    return session[name] if name else None


def models_for(
    viewer: Any, layers: Sequence[Any], train: Callable[[], object] | None = None
) -> list[Denoiser] | None:
    """Models for several layers; layers with the same number of channels ask only once.

    Returns
    -------
    list of Denoiser or None
        One for each layer; None if one of them has none.

    Raises
    ------
    UserError
        As for `model_for`.
    """
    if len({layer_planes(layer).channels for layer in layers}) == 1:
        model = model_for(viewer, layers[0], train)
        return [model] * len(layers) if model is not None else None
    found: dict[int, str] = {}
    for layer in layers:
        channels = layer_planes(layer).channels
        if channels not in found:
            found[channels] = _name_for(viewer, layer, train)
        if not found[channels]:
            return None
    return [session[found[layer_planes(layer).channels]] for layer in layers]


def _name_for(viewer: Any, layer: Any, train: Callable[[], object] | None) -> str:
    """Name of the chosen model if it fits, else of the one that the user answers; "" for none."""
    chosen, reason = session.chosen, f"There is no model yet that could denoise {layer.name!r}."
    if chosen:
        unfit = why_unfit(session[chosen], layer)
        if not unfit:
            return chosen
        reason = unfit.replace("The model", f"The chosen model {chosen!r}", 1)
    fitting = session.fitting(layer_planes(layer).channels)[-1:]  # the newest of the best
    use = {f"Use {name!r}": name for name in fitting}
    answers = [*use, *([TRAIN] if train is not None else []), LOAD]
    answer = dialogs.ask(viewer, TITLE, reason, answers)
    if answer == TRAIN and train is not None:
        train()
    if answer == LOAD:
        return _loaded(viewer, layer)
    return use.get(answer, "")


def _loaded(viewer: Any, layer: Any) -> str:
    """Name of the model of a file that the user chooses; "" for none."""
    path = dialogs.open_file(viewer, "Load model")
    if path is None:
        return ""
    name = session.load(path)
    unfit = why_unfit(session[name], layer)
    if unfit:
        raise UserError(unfit.replace("The model", path.name, 1))
    return name


def _counted(channels: int) -> str:
    return f"{channels} channel{'s' * (channels != 1)}"
