"""The words for plots and maps, of the page and of napari: what is shown, and what is good."""

from __future__ import annotations

from typing import NamedTuple


class Plot(NamedTuple):
    """What the axes of a plot say, and how it is read."""

    left: str
    bottom: str
    explanation: str


CORRELATION = Plot(
    "likeness",
    "distance (pixels)",
    "How much neighbouring pixels are alike, in what was removed (solid) and in the noise "
    "(dashed). Good: each solid line follows its dashed line.",
)
BIAS = Plot(
    "removed brightness",
    "brightness of the result",
    "Brightness that was removed on average, from dark to bright places. Good: close to 0, far "
    "within the dashed lines, which show how strong the noise is.",
)
VARIANCE = Plot(
    "removed (flat places: 1)",
    "width of detail (pixels)",
    "How much was removed at structure, compared with flat places. Good: close to the dashed "
    "line; far above it, structure was removed with the noise.",
)
PLOTS = (CORRELATION, BIAS, VARIANCE)

RESIDUAL = "Input minus output: should look like noise, without structure."
REMOVED = "Bright where more was removed than noise: structure may be lost there."
LEFT = "Bright where noise is still in the output."
UNCERTAINTY = (
    "Bright where the image says little about a pixel: what the teacher predicts from different "
    "neighbours disagrees there."
)
