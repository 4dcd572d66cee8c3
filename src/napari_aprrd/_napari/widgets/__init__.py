"""The widgets, which only arrange and connect."""

from .denoise_files import DenoiseFilesWidget
from .distill import DistillWidget
from .train import TrainWidget
from .trust import TrustWidget

__all__ = ["DenoiseFilesWidget", "DistillWidget", "TrainWidget", "TrustWidget"]
