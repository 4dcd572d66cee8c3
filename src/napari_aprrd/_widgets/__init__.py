"""The widgets: they only arrange."""

from .distill import DistillWidget
from .train import TrainWidget

__all__ = ["DistillWidget", "TrainWidget"]
