"""How a model was made: what its file says of settings, data, device and versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .config import DistillConfig, TrainConfig
from .devices import pick_device
from .patches import Planes


def describe(planes: Planes, config: TrainConfig | DistillConfig) -> dict[str, Any]:
    """Settings, data and versions; JSON types only."""
    sizes = planes.sizes
    return {
        "config": config.model_dump(mode="json"),
        "planes": len(sizes),
        "megapixels": round(sum(h * w for h, w in sizes) / 1e6, 3),
        "device": str(pick_device(config.device)),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("napari-aprrd", "torch", "numpy")},
        },
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
