"""The plugin's settings in napari's preferences."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def _get(name: str, default: Any) -> Any:
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings("napari-aprrd").defaults, name, default)
    except (ImportError, KeyError, AttributeError, ValueError):  # not run as a plugin
        return default


def default_device() -> str:
    """Device to compute on where the form says "auto"."""
    return str(_get("device", "auto"))


def default_preset() -> str:
    """Preset that the widgets start with."""
    return str(_get("preset", "balanced"))


def model_folder() -> Path:
    """Folder that the dialogs for models open in."""
    return Path(_get("model_folder", "") or Path.home())
