"""What neighbouring planes of a stack have in common: their scene, or their noise too."""

from __future__ import annotations

from pydantic import Field

from ..config import Config


class StackReport(Config):
    """What neighbouring planes have in common, measured on the noisy images alone."""

    axis: str = Field(description="Letter of the axis along which planes are neighbours.")
    neighbours: int = Field(description="Neighbours on either side that are worth using; 0: none.")
    sentence: str = Field("", description="What follows, in plain words.")
