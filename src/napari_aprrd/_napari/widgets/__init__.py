"""The widgets, which only arrange and connect."""

from .denoise import DenoiseWidget
from .distill import DistillWidget
from .train import TrainWidget
from .trust import TrustWidget

__all__ = ["DenoiseWidget", "DistillWidget", "TrainWidget", "TrustWidget"]
