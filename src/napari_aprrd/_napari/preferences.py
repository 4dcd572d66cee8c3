"""The plugin's settings in napari's preferences."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def _get(name: str, default: Any) -> Any:
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings("napari-aprrd").defaults, name, default)
    except (
        ImportError,
        KeyError,
        AttributeError,
        ValueError,
    ):  # not installed as a plugin, or an older napari
        return default


def default_device() -> str:
    """Device that the forms start with."""
    return str(_get("device", "auto"))


def default_preset() -> str:
    """Preset that the widgets start with."""
    return str(_get("preset", "balanced"))


def model_folder() -> Path:
    """Folder in which the dialogs for models open."""
    return Path(_get("model_folder", "") or Path.home())
