"""How models and images were made: settings, data, device and versions, in JSON types only."""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..config import DenoiseConfig, DistillConfig, TrainConfig
from ..data.planes import Planes, some_windows
from ..errors import UserError
from .denoiser import Denoiser
from .hardware import pick_device

HASHED_WHOLE = 2**25  # pixels in memory: of more, and of lazy sources, a few windows are hashed
TILE = 512  # pixels: side of what is read at once
WINDOW, WINDOWS = 64, 8
_PACKAGES = ("napari-aprrd", "torch", "numpy")


def describe(
    planes: Planes,
    config: TrainConfig | DistillConfig | DenoiseConfig,
    source: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Settings, data and versions; `source` identifies planes that shall not be read now."""
    sizes = planes.sizes
    return {
        "config": config.model_dump(mode="json"),
        "planes": len(sizes),
        "megapixels": round(sum(h * w for h, w in sizes) / 1e6, 3),
        "input": source or identify(planes),
        "device": str(pick_device(config.device)),
        "versions": versions(),
    }


def of_output(
    denoiser: Denoiser,
    planes: Planes,
    config: DenoiseConfig,
    source: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The record of a denoised image: that of its model, and how it was used.

    Parameters
    ----------
    denoiser : Denoiser
    planes : Planes
        The noisy source.
    config : DenoiseConfig
    source : dict, optional
        Identifies planes that shall not be read now.
    """
    used = {"model": denoiser.fingerprint(), **describe(planes, config, source)}
    return {**denoiser.record, "denoise": used}


def was_stopped(record: dict[str, Any]) -> bool:
    """Whether the training or distilling of a model was interrupted before its end."""
    return any(record.get(stage, {}).get("stopped") for stage in ("train", "distill"))


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
    places = some_windows(planes, TILE, pixels) if whole else some_windows(planes, WINDOW, WINDOWS)
    digest, read = hashlib.sha256(repr((planes.channels, list(sizes))).encode()), 0
    for place in places:
        try:
            digest.update(planes.read(*place).astype("<f4").tobytes())
        except UserError:  # the work itself says so, or goes on without
            continue
        read += 1
    what = "all pixels" if whole else f"{read} windows of {WINDOW} x {WINDOW} pixels"
    return {"sha256": digest.hexdigest(), "of": what}


def versions() -> dict[str, str]:
    """Of Python and of the packages that made the result; of napari where it was at work."""
    names = (*_PACKAGES, "napari") if "napari" in sys.modules else _PACKAGES
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
