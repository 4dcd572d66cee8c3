"""Give lost detail back to the targets of distillation.

Where the residual (noisy minus output) varies more than the noise does there, it holds signal: of
a saturated spot, of a texture finer than the blind spot. As much of it goes back as noise does not
explain. In the method's spirit this is recharging, but only where there is something to recharge.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .patches import Image
from .sure import noise_variance

_NEARBY = 3.0  # pixels, standard deviation of the surroundings
_SURE = 2.0  # times the variance of the noise that may be chance, or an error in that variance
_HOT = 4.0  # standard deviations beyond which a single pixel counts no more: it may be a hot one


def give_back(targets: Image, noisy: Image) -> Image:
    """Add to all targets what their mean has lost.

    Parameters
    ----------
    targets : ndarray, shape (j, C, H, W)
    noisy : ndarray, shape (C, H, W)
        In the units of the targets. Where it is not finite nothing changes.

    Returns
    -------
    ndarray, shape (j, C, H, W), float32
    """
    mean = targets.mean(axis=0)
    finite = np.where(np.isfinite(noisy), noisy, np.nan)
    variance = noise_variance(finite, mean)
    residual = np.nan_to_num(finite - mean)
    squares = np.minimum(residual**2, _HOT**2 * variance)
    around = ndimage.gaussian_filter(squares, (0, _NEARBY, _NEARBY))
    lost = np.divide(_SURE * variance, around, out=np.ones_like(around), where=around > 0)
    return np.asarray(targets + np.float32(np.clip(1 - lost, 0, 1) * residual))
