"""Records of how models and images were made, in JSON types only."""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ..config import DenoiseConfig, DistillConfig, TrainConfig
from ..data.planes import Planes, some_windows
from ..errors import UserError

if TYPE_CHECKING:
    from .denoiser import Denoiser

# Images in memory with more pixels, and lazy sources, are hashed in a few windows only, so that a
# hash neither takes long nor reads a whole file.
HASHED_WHOLE = 2**25
TILE = 512  # pixels, side of the parts that are read at once
WINDOW, WINDOWS = 64, 8  # pixels, and number, of the windows that stand for a large source
_PACKAGES = ("napari-aprrd", "torch", "numpy")


def describe(
    planes: Planes,
    config: TrainConfig | DistillConfig | DenoiseConfig,
    source: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Record settings, data and versions; `source` identifies the input, else the planes do."""
    from .hardware import pick_device  # here, since PyTorch takes long to import

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
    *,
    precision: str = "float32",
) -> dict[str, Any]:
    """Make the record of a denoised image: that of its model, and how the model was used.

    Parameters
    ----------
    denoiser : Denoiser
    planes : Planes
        The noisy source.
    config : DenoiseConfig
    source : dict, optional
        Identifies the input, where it is more than these planes or must not be read now.
    precision : {"float32", "float16"}
        In which the network computed.
    """
    used = {"model": denoiser.fingerprint(), **describe(planes, config, source)}
    used["precision"] = precision
    return {**denoiser.record, "denoise": used}


def was_stopped(record: dict[str, Any]) -> bool:
    """Whether the training or distilling of a model was interrupted before its end."""
    return any(record.get(stage, {}).get("stopped") for stage in ("train", "distill"))


def identify(planes: Planes) -> dict[str, str]:
    """Identify images by a hash, and say which pixels it covers.

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
        except UserError:  # the job itself reports this or continues without the window
            continue
        read += 1
    what = "all pixels" if whole else f"{read} windows of {WINDOW} x {WINDOW} pixels"
    return {"sha256": digest.hexdigest(), "of": what}


def versions() -> dict[str, str]:
    """Versions of Python, of the packages behind the result, and of napari if it is loaded."""
    names = (*_PACKAGES, "napari") if "napari" in sys.modules else _PACKAGES
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
