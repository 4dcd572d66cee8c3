"""A model in one line, for consoles."""

from __future__ import annotations

from typing import Any


def in_short(kind: str, channels: int, record: dict[str, Any]) -> str:
    """Say in one line what a model is and what it learnt from.

    Parameters
    ----------
    kind : str
        "teacher" or "student".
    channels : int
    record : dict
        Its own; what it does not say is left out.
    """
    parts = [_count(channels, "channel"), *_learning(kind, record), *_data(record)]
    return f"<{kind}: {', '.join(parts)}>"


def _learning(kind: str, record: dict[str, Any]) -> list[str]:
    if "imported" in record:
        return ["published weights"]
    stage = record.get("train" if kind == "teacher" else "distill", {})
    if "steps" not in stage:
        return ["not trained"]
    early = ", stopped early" if stage.get("stopped") else ""
    return [_count(stage["steps"], "step") + early]


def _data(record: dict[str, Any]) -> list[str]:
    parts = []
    if "sigma" in record.get("noise", {}):
        parts.append(f"noise {record['noise']['sigma']:.3g}")
    train = record.get("train", {})
    if "planes" in train:
        parts.append(f"learnt from {_count(train['planes'], 'plane')}")
    if "megapixels" in train:
        parts.append(f"{train['megapixels']:g} megapixels")
    return parts


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
