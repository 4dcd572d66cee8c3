"""The widgets, which only arrange and connect."""

from .distill import DistillWidget
from .train import TrainWidget
from .trust import TrustWidget

__all__ = ["DistillWidget", "TrainWidget", "TrustWidget"]
