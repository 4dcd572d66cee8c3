"""Restores lost detail in the targets of distillation: recharging by measurement.

Where the residual (noisy minus output) varies more than the noise does there, it holds signal: of
a saturated spot, of a texture finer than the blind spot. As much of it is added back as noise does
not explain. In the method's spirit this is recharging, but only where there is something to
recharge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..data.planes import Image
from ..noise.sure import noise_variance

# 6 pixels, 1.6 times and 3 standard deviations are worse: docs/experiments.md#not-kept.
_NEARBY = 3.0  # pixels: standard deviation of the window in which the residual is averaged
_SURE = 2.0  # times the variance of the noise: less may be random, or an error in that variance
_HOT = 4.0  # standard deviations at which a pixel's residual is cut, since it may be a hot pixel


@dataclass
class Share:
    """Share of the pixels whose detail was restored, over all images seen so far."""

    changed: int = 0
    seen: int = 0

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        return self.changed / self.seen if self.seen else 0.0

    @property
    def sentence(self) -> str:
        """The same for users."""
        return f"Recharged by measurement: {100 * self.value:.2g} % of the pixels got detail back."


def restore_detail(targets: Image, noisy: Image, recharged: Share | None = None) -> Image:
    """Add to all targets what their mean has lost: recharging by measurement.

    Parameters
    ----------
    targets : ndarray, shape (j, C, H, W)
    noisy : ndarray, shape (C, H, W)
        In the units of the targets. Where it is not finite nothing changes.
    recharged : Share, optional
        Counts the pixels that change.

    Returns
    -------
    ndarray, shape (j, C, H, W), float32
    """
    excess, residual = lost_detail(targets.mean(axis=0), noisy)
    if recharged is not None:
        recharged.changed += int(np.count_nonzero(excess))
        recharged.seen += excess.size
    return np.asarray(targets + np.float32(excess * residual))


def lost_detail(mean: NDArray[Any], noisy: Image) -> tuple[NDArray[Any], NDArray[Any]]:
    """Share of the residual that noise does not explain, and the residual, both (C, H, W).

    Parameters
    ----------
    mean : ndarray, shape (C, H, W)
        Of the targets.
    noisy : ndarray, shape (C, H, W)
        Where it is not finite, the residual is zero.
    """
    finite = np.where(np.isfinite(noisy), noisy, np.nan)
    variance = noise_variance(finite, mean)
    residual = np.nan_to_num(finite - mean)
    squares = np.minimum(residual**2, _HOT**2 * variance)
    around = ndimage.gaussian_filter(squares, (0, _NEARBY, _NEARBY))
    noise = np.divide(_SURE * variance, around, out=np.ones_like(around), where=around > 0)
    return np.clip(1 - noise, 0, 1), residual
