"""What the lists, menus and questions say about a model of the session."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.model.provenance import was_stopped
from . import store as model_store

if TYPE_CHECKING:
    from ...core.model.denoiser import Denoiser
    from .session import Entry


def short(entry: Entry) -> str:
    """One line; what is asked most often comes first, since a narrow list cuts its end."""
    model = entry.model
    noise = model.record.get("noise")
    stopped = " (stopped)" if was_stopped(model.record) else ""
    parts = [
        kind(model),
        _where(entry),
        when(entry.made),
        _images(model, known=entry.name),
        _channels(model),
        f"noise {noise['sigma']:.3g}" if noise else "",
        f"{_counted(_stage(model).get('steps'), 'step')}{stopped}",
    ]
    return " · ".join(filter(None, parts))


def long(entry: Entry) -> str:
    """All that its record says, a line for each."""
    model, stage = entry.model, _stage(entry.model)
    config = stage.get("config", {})
    lines = [
        entry.name,
        f"{summary(model).capitalize()}.",
        _learnt(stage, model),
        _beside(model),
        f"Quality {config['preset']}, on {stage['device']}." if "preset" in config else "",
        _versions(stage.get("versions", {})),
        f"Made {when(entry.made)}.",
        f"Saved as {entry.path}." if entry.path and entry.is_saved else "",
        f"Autosaved as {entry.kept}; save it to keep it for good." if entry.is_kept else "",
        "" if entry.is_saved or entry.is_kept else "It is not saved and ends with napari.",
    ]
    return "\n".join(filter(None, lines))


def summary(model: Denoiser) -> str:
    """The kind of a model and what it was trained on."""
    images = _images(model)
    trained = f", trained on {images}" if images else ""
    return f"{kind(model)}{trained}, for {_counted(model.channels, 'channel')}"


def when(moment: datetime) -> str:
    """A moment as people say it: "today 14:03"."""
    day, today = moment.date(), date.today()
    clock = f"{moment:%H:%M}"
    if day == today:
        return f"today {clock}"
    if day == today - timedelta(days=1):
        return f"yesterday {clock}"
    return f"{day.day} {moment:%B} {clock if day.year == today.year else day.year}"


def of_file(path: Path) -> str:
    """A file in a menu: its name, where it lies and when it was written."""
    place = "autosaved" if model_store.is_copy(path) else f"in {path.parent.name or '/'}"
    return f"{path.stem} ({place}, {when(datetime.fromtimestamp(model_store.modified(path)))})"


def kind(model: Denoiser) -> str:
    """What it is, in the method's word."""
    return "teacher" if model.is_teacher else "student"


def _stage(model: Denoiser) -> dict[str, Any]:
    """The part of the record that says how this model was made."""
    stage: dict[str, Any] = model.record.get("train" if model.is_teacher else "distill", {})
    return stage


def _where(entry: Entry) -> str:
    if entry.path is not None and entry.is_saved:
        return f"saved as {entry.path.name}" if entry.path.stem != entry.name else "saved"
    return "autosaved" if entry.is_kept else "not saved"


def _images(model: Denoiser, known: str = "") -> str:
    """What it learnt from, without the name of the images where that is known already."""
    stage = _stage(model)
    planes, images = _counted(stage.get("planes"), "plane"), stage.get("images", "")
    images = "" if images in known else images
    return f"{planes} of {images}" if planes and images else planes or images


def _channels(model: Denoiser) -> str:
    return _counted(model.channels, "channel") if model.channels != 1 else ""


def _learnt(stage: dict[str, Any], model: Denoiser) -> str:
    noise = model.record.get("noise")
    steps = _counted(stage.get("steps"), "step")
    parts = [
        steps,
        f"{stage['seconds']:.0f} s" if "seconds" in stage else "",
        "stopped before its end" if was_stopped(model.record) else "",
        f"noise of standard deviation {noise['sigma']:.3g} in the units of the images"
        if noise
        else "",
    ]
    said = ", ".join(filter(None, parts))
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _beside(model: Denoiser) -> str:
    if not model.neighbours:
        return ""
    planes = _counted(model.neighbours, "neighbouring plane")
    return f"It sees {planes} on either side, along axis {model.stack_axis}."


def _versions(versions: dict[str, str]) -> str:
    return f"Made with {', '.join(f'{n} {v}' for n, v in versions.items())}." if versions else ""


def _counted(number: int | None, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}" if number is not None else ""
