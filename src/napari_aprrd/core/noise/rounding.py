"""What rounding to whole numbers would cost a denoised image, judged by the noisy one."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..data.constant import constant_areas
from ..data.planes import Planes, fill_invalid, some_windows
from ..errors import UserError

WINDOW, WINDOWS = 256, 8  # pixels, and number: seconds at most, however large the image is
_SMOOTH = 2.0  # pixels: a Gaussian mean over about 50 pixels stands for the denoised image
# Rounding has an error of 1 / sqrt(12). It matters where that is a tenth of what is left in an
# image of a few grey levels, and the noise is too weak to leave as large an error in the result.
_LEVELS, _CONTRAST, _NOISE = 20, 10 / np.sqrt(12), 3.0
_BLACK = 0.5  # share of the intensity that is lost from which on the result counts as black

Loss = Literal["", "detail", "black"]
WORDS: dict[Loss, str] = {
    "": "",
    "detail": "The values are so small that rounding to whole numbers costs detail",
    "black": "The values are so small that rounding to whole numbers leaves hardly any of them",
}


def loss_by_rounding(planes: Planes) -> Loss:
    """Judge by a few windows whether whole numbers can hold the denoised image.

    Returns
    -------
    {"", "detail", "black"}
        "black" where rounding loses most of the intensity of all channels, "detail" where it costs
        a good part of the contrast of one.
    """
    windows = []
    for place in some_windows(planes, WINDOW, WINDOWS):
        with suppress(UserError):  # the job itself reports this
            windows.append(planes.read(*place))
    bright = ((np.abs(window) >= _LEVELS).mean(axis=(1, 2)).min() > 0.5 for window in windows)
    if all(bright):  # as in most images; what follows takes three times as long
        return ""
    found: list[list[NDArray[np.float32]]] = [[] for _ in range(planes.channels)]
    for window in windows:
        varied = np.isfinite(window) & ~constant_areas(window)
        smooth = ndimage.gaussian_filter(fill_invalid(window), (0, _SMOOTH, _SMOOTH))
        for pairs, *parts in zip(found, smooth, window, varied, strict=True):
            mean, noisy, mask = parts
            pairs.append(np.stack([mean[mask], noisy[mask]]))
    losses = [_loss(*np.concatenate(pairs, axis=1)) for pairs in found if _has_pixels(pairs)]
    if losses and all(loss == "black" for loss in losses):
        return "black"
    return "detail" if any(losses) else ""


def _has_pixels(pairs: list[NDArray[np.float32]]) -> bool:
    return any(pair.size for pair in pairs)


def _loss(smooth: NDArray[np.float32], noisy: NDArray[np.float32]) -> Loss:
    """The loss of one channel."""
    whole = np.abs(smooth).sum(dtype=np.float64)
    if np.abs(np.rint(smooth)).sum(dtype=np.float64) < (1 - _BLACK) * whole:
        return "black"
    few = np.percentile(np.abs(noisy), 99.9) < _LEVELS
    weak = few and smooth.std() < _CONTRAST and (noisy - smooth).std() < _NOISE
    return "detail" if weak else ""
