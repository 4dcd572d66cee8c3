"""The words for plots and maps, of the page and of napari: what is shown, and what is good."""

from __future__ import annotations

from typing import NamedTuple


class Plot(NamedTuple):
    """The question that a plot answers, what its axes say, and how it looks if all is well."""

    title: str
    left: str
    bottom: str
    good: str


CORRELATION = Plot(
    "Was it noise that was removed?",
    "correlation",
    "distance (pixels)",
    "Good: the solid lines (what was removed) follow the dashed lines (the noise).",
)
BIAS = Plot(
    "Is brightness kept?",
    "removed",
    "brightness of the result",
    "Good: the line stays near 0, far within the dashed lines (the strength of the noise).",
)
VARIANCE = Plot(
    "Is structure kept?",
    "removed",
    "width of detail (pixels)",
    "Good: the line stays near the dashed line (as much as in flat places). Far above it, "
    "structure was removed with the noise.",
)
PLOTS = (CORRELATION, BIAS, VARIANCE)

RESIDUAL = "Input minus output: should look like noise, without structure."
REMOVED = "Bright where more was removed than noise: structure may be lost there."
LEFT = "Bright where noise is still in the output."
UNCERTAINTY = (
    "Bright where the image says little about a pixel: what the teacher predicts from different "
    "neighbours disagrees there."
)
