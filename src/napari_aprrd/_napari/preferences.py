"""The plugin's settings in napari's preferences, and what the widgets remember by themselves."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_data_path

from ..core.atomic_files import write_atomically
from ..core.errors import UserError

logger = logging.getLogger(__name__)
PLUGIN = "napari-aprrd"
DATA = user_data_path(PLUGIN, appauthor=False)  # all that the widgets write without being asked
T = TypeVar("T")


def default_device() -> str:
    """Device that the forms start with."""
    return str(_get("device", "auto"))


def default_preset() -> str:
    """Preset that the widgets start with."""
    return str(_get("preset", "balanced"))


def model_folder() -> Path:
    """Folder of models, among them those that are kept automatically; it may not exist yet."""
    chosen = str(_get("model_folder", "")).strip()
    return Path(chosen).expanduser() if chosen else DATA / "models"


def choose_model_folder(folder: Path) -> None:
    """Write the folder of models into napari's preferences.

    Raises
    ------
    UserError
        If napari does not know the plugin's settings.
    """
    settings = _settings()
    if settings is None:
        raise UserError("napari has no preferences of this plugin; update napari to 0.9 or later.")
    settings.model_folder = str(folder)


def remembered(name: str, default: T) -> T:
    """What was remembered under a name, in this or an earlier session, if it is of that type."""
    value = _read().get(name, default)
    numbers = {int, float}  # JSON writes 2.0 as a person may write 2
    alike = type(value) is type(default) or {type(value), type(default)} == numbers
    return value if alike else default


def remember(name: str, value: Any) -> None:
    """Remember a value, of JSON types, for later sessions.

    Where it cannot be written, for example in a home that is read-only, it is not remembered: a
    choice that has to be made again is no reason to disturb anybody.
    """
    values = _read()
    if name in values and values[name] == value:
        return
    content = json.dumps({**values, name: value}, indent=1)
    try:
        DATA.mkdir(parents=True, exist_ok=True)
        write_atomically(_file(), lambda temporary: temporary.write_text(content, "utf-8"))
    except (OSError, UserError) as error:
        logger.debug("Not remembered: %s", error)


def _file() -> Path:
    return DATA / "remembered.json"


def _read() -> dict[str, Any]:
    try:
        values = json.loads(_file().read_text("utf-8"))
    except (OSError, ValueError, RecursionError):  # none yet, unreadable or damaged
        return {}
    return values if isinstance(values, dict) else {}


def _get(name: str, default: Any) -> Any:
    return getattr(_settings(), name, default)


def _settings() -> Any:
    """The plugin's settings; None if it is not installed as a plugin, or in an older napari."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(PLUGIN).defaults
    except (ImportError, KeyError, AttributeError, ValueError):
        return None
