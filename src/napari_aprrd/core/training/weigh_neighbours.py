"""Joins a teacher's outputs with and without neighbouring planes, place by place, by measurement.

Where a scene stands still, the output with neighbours is the better one; where something moved or
lit up, it may show what the neighbours show. Both outputs are blind to the noise of the pixel, so
the noisy pixels tell how far to go from one to the other: by the least squares of
y - alone = w (with - alone) around each pixel, drawn towards the weight of the whole image where
the two outputs hardly differ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..data.planes import Image
from ..noise.sure import noise_variance

# Pixels: standard deviation of the surroundings. 2 and 3 are worse by up to 0.1 dB on moving
# lysosomes: docs/experiments.md#kept.
_NEARBY = 4.0
# Pixels of independent noise that the weight of the whole image counts as, a thousandth of the
# surroundings.
_PRIOR = 0.1
_NO_DIFFERENCE = 1e-12


def weigh_neighbours(
    beside: Image,
    alone: Image,
    blind: NDArray[np.bool_],
    noisy: Image,
    shared: float = 1.0,
) -> Image:
    """Join outputs with neighbours and without.

    Parameters
    ----------
    beside, alone : ndarray, shape (j, C, H, W)
        Outputs at j shifts, with neighbours and without.
    blind : ndarray, shape (j,), bool
        Which of the outputs are blind to the noise of each pixel.
    noisy : ndarray, shape (C, H, W)
        In the units of the outputs. Where it is not finite it has no say.
    shared : float
        Number of pixels that share the noise of one, 1 for white noise.

    Returns
    -------
    ndarray, shape (j, C, H, W), float32
    """
    without, difference = alone[blind].mean(0), (beside - alone)[blind].mean(0)
    finite = np.where(np.isfinite(noisy), noisy, np.nan)
    variance = noise_variance(finite, without + difference / 2)
    residual = np.nan_to_num(finite - without)
    agreement, power = residual * difference, np.where(np.isnan(finite), 0, difference**2)
    whole = agreement.sum((1, 2)) / np.maximum(power.sum((1, 2)), _NO_DIFFERENCE)
    prior = _PRIOR * shared * variance
    around = (0, _NEARBY, _NEARBY)
    agreement, power = (ndimage.gaussian_filter(x, around) for x in (agreement, power))
    weight = agreement + prior * whole.clip(0, 1)[:, None, None]
    weight = (weight / np.maximum(power + prior, _NO_DIFFERENCE)).clip(0, 1)
    return np.asarray(alone + weight * (beside - alone), np.float32)
