"""Remove noise from images without clean reference images: APR-RD.

>>> import napari_aprrd as aprrd
>>> teacher = aprrd.train_apr(images)
>>> student = aprrd.distill_rd(teacher, images)
>>> clean = aprrd.denoise(image, student)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import denoise, distill_rd, inspect_noise, load, methods, train_apr
    from .core.background import CancelledError
    from .core.config import DenoiseConfig, DistillConfig, TrainConfig
    from .core.data.synthetic import noisy_cells
    from .core.errors import DataWarning, UserError
    from .core.model.architecture import OwnArchitecture
    from .core.model.denoiser import Denoiser
    from .core.noise.report import NoiseReport
    from .core.trust.report import TrustReport
    from .files.bioimage_io import export
    from .metrics import evaluate
    from .report.maps import uncertainty
    from .report.trust_report import trust_report

__all__ = [
    "CancelledError",
    "DataWarning",
    "DenoiseConfig",
    "Denoiser",
    "DistillConfig",
    "NoiseReport",
    "OwnArchitecture",
    "TrainConfig",
    "TrustReport",
    "UserError",
    "denoise",
    "distill_rd",
    "evaluate",
    "export",
    "inspect_noise",
    "load",
    "methods",
    "noisy_cells",
    "train_apr",
    "trust_report",
    "uncertainty",
]

# Loaded when first asked for: importing the package imports neither torch, Qt nor napari.
_HOME = {
    **dict.fromkeys(
        ("denoise", "distill_rd", "inspect_noise", "load", "methods", "train_apr"), ".api"
    ),
    **dict.fromkeys(("DenoiseConfig", "DistillConfig", "TrainConfig"), ".core.config"),
    "Denoiser": ".core.model.denoiser",
    "NoiseReport": ".core.noise.report",
    "OwnArchitecture": ".core.model.architecture",
    "TrustReport": ".core.trust.report",
    "CancelledError": ".core.background",
    "DataWarning": ".core.errors",
    "UserError": ".core.errors",
    "evaluate": ".metrics",
    "export": ".files.bioimage_io",
    "noisy_cells": ".core.data.synthetic",
    "trust_report": ".report.trust_report",
    "uncertainty": ".report.maps",
}


if not TYPE_CHECKING:  # a checker would take any misspelt name for an attribute

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
