"""The widgets, which only arrange and connect."""

from .denoise import DenoiseWidget
from .denoise_files import DenoiseFilesWidget
from .distill import DistillWidget
from .train import TrainWidget
from .trust import TrustWidget

__all__ = ["DenoiseFilesWidget", "DenoiseWidget", "DistillWidget", "TrainWidget", "TrustWidget"]
