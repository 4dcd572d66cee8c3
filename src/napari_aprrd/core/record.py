"""How a model was made: what its file says of settings, data, device and versions."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .config import DistillConfig, TrainConfig
from .devices import pick_device
from .errors import UserError
from .patches import Planes, some_windows

HASHED_WHOLE = 2**25  # pixels in memory: of more, and of lazy sources, a few windows are hashed
WINDOW, WINDOWS = 64, 8


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


def identify(planes: Planes) -> dict[str, str]:
    """What tells these images from others: a hash, and of what.

    Returns
    -------
    dict
        "sha256" of the sizes and of the pixels as float32, "of" which pixels.
    """
    sizes = planes.sizes
    pixels = planes.channels * sum(h * w for h, w in sizes)
    whole = planes.in_memory and pixels <= HASHED_WHOLE
    places = (
        [(plane, slice(0, h), slice(0, w)) for plane, (h, w) in enumerate(sizes)]
        if whole
        else some_windows(planes, WINDOW, WINDOWS)
    )
    digest, read = hashlib.sha256(repr((planes.channels, list(sizes))).encode()), 0
    for place in places:
        try:
            digest.update(planes.read(*place).astype("<f4").tobytes())
        except UserError:  # the work itself says so, or goes on without
            continue
        read += 1
    what = "all pixels" if whole else f"{read} windows of {WINDOW} x {WINDOW} pixels"
    return {"sha256": digest.hexdigest(), "of": what}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
