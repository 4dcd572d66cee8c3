"""What trials found out, kept in the user's cache, so that the next process need not try again.

There is one small file for each trial, so that processes never wait for each other or undo what
another one wrote. Files that are damaged, of another version or cannot be written are passed over.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_cache_path

from ..atomic_files import write_atomically
from ..errors import UserError
from .provenance import versions

logger = logging.getLogger(__name__)
VARIABLE = "NAPARI_APRRD_CACHE"
_SETTINGS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "NAPARI_APRRD_PLAIN")


def folder() -> Path:
    """The cache: the folder that the variable names, else the system's place for caches."""
    chosen = os.environ.get(VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser()
    return user_cache_path("napari-aprrd", appauthor=False)


def circumstances(device: torch.device) -> dict[str, Any]:
    """What else the speed of some work depends on: machine and versions, as JSON types."""
    known = {name: versions()[name] for name in ("napari-aprrd", "torch")}
    if device.type == "cuda":
        return {**known, "device": torch.cuda.get_device_name(device)}
    if device.type != "cpu":
        return {**known, "device": device.type, "machine": platform.platform()}
    return {
        **known,
        "device": _processor(),
        "units": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        **{name: os.environ[name] for name in _SETTINGS if name in os.environ},
    }


def recall(work: dict[str, Any]) -> str | None:
    """What was found out about some work, described in JSON types; None where nothing was."""
    try:
        kept = json.loads(_file(work).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):  # none yet, unreadable or damaged
        return None
    # Two descriptions could have the same name of a file, however unlikely.
    if not isinstance(kept, dict) or kept.get("work") != work:
        return None
    found = kept.get("found")
    return found if isinstance(found, str) else None


def keep(work: dict[str, Any], found: str) -> None:
    """Keep what was found out; where that is not possible, it is found out again next time."""
    path, content = _file(work), json.dumps({"work": work, "found": found}, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda temporary: temporary.write_text(content, "utf-8"))
    except (OSError, UserError) as error:
        logger.debug("Not kept: %s", error)


def _file(work: dict[str, Any]) -> Path:
    name = hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()[:32]
    return folder() / "trials" / f"{name}.json"


def _processor() -> str:
    """Name of the processor, as precisely as the system tells."""
    try:  # Linux names it only here
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
