"""What planes share: their noise, and their scene, which may move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from ..data.planes import Image, fill_invalid
from .artefacts import SIDE, grain_correlations, tiles
from .autocorrelation import Array, detrended
from .beside import FAR, REACH, Beside

LAGS = (*range(1, REACH + 1), FAR)
# Orders of the differences that make up the fine grain. Structure reaches into the lower one, and
# the little noise that is left in the higher one of blobby noise may not be like the rest: the
# smaller correlation of the two is taken.
_ORDERS = (2, 4)
# Correlation of coarser noise that only the next plane shares, from which on it counts. Structure
# that moves or fades gave up to 0.04, a tomogram 0.10.
_NEXT_ONLY = 0.07
_BLUR = 2.0  # pixels, sigma of the blur after which the scene is compared
_ALIGNED = 0.6  # correlation of two windows, after the shift that fits best, that tells the shift
_PARTS = 4  # of a pixel, to which shifts are found
_STRUCTURE = 0.2  # share of what is left after the blur that must be structure, not noise


def noise_correlation(windows: list[Beside]) -> dict[int, float]:
    """Correlation of the noise between planes, by lag.

    It is that of the fine grain, which holds hardly any structure, as the median over blocks, most
    of which hold none. Slices that were reconstructed together share only coarser noise: where
    the lag of 1 stands out from what lags of 2 and 3 let expect, as no structure does, that is
    taken.

    Parameters
    ----------
    windows : list of Beside

    Returns
    -------
    dict of int to float
        For those of the lags 1, 2, 3 and 10 that there are.
    """
    found = {}
    for lag in LAGS:
        by_order = [_median(windows, lag, order) for order in _ORDERS]
        known = [value for value in by_order if value is not None]
        if known:
            found[lag] = min(known, key=abs)
    coarse = [_median(windows, lag, 0) for lag in (1, 2, 3)]
    if 1 in found and None not in coarse:
        first, second, third = (value or 0.0 for value in coarse)
        alone = first - 2 * second + third
        found[1] = alone if alone > max(found[1], _NEXT_ONLY) else found[1]
    return found


def _median(windows: list[Beside], lag: int, order: int) -> float | None:
    """Median over blocks of the correlation at a lag; order 0 stands for detrended blocks."""
    pairs = [(w.centre, w.others[o]) for w in windows for o in (-lag, lag) if o in w.others]
    found = [grain_correlations(*pair, order) if order else _coarse(*pair) for pair in pairs]
    together = np.concatenate(found) if found else np.empty(0)
    return float(np.median(together)) if together.size else None


def _coarse(first: Image, second: Image) -> Array:
    """Correlation of two images in blocks without their smooth structure."""
    a, b = (tiles(image.astype(np.float64), SIDE) for image in (first, second))
    kept = np.isfinite(a).all((1, 2)) & np.isfinite(b).all((1, 2))
    a, b = detrended(a[kept]), detrended(b[kept])
    scale = np.sqrt((a**2).mean((1, 2)) * (b**2).mean((1, 2)))
    return np.asarray((a * b).mean((1, 2))[scale > 0] / scale[scale > 0])


def shared_scene(
    windows: list[Beside], noise: float, correlation: Mapping[str, Sequence[float]]
) -> tuple[float, float | None]:
    """Share of the coarse structure that next planes have in common, and how far it moves.

    Parameters
    ----------
    windows : list of Beside
    noise : float
        Variance of the noise.
    correlation : mapping of str to sequence of float
        Of the noise along x and y, as in a noise report.

    Returns
    -------
    same : float
        From 0 to 1, at the same place.
    motion : float or None
        Pixels; None where the planes are too different to tell.
    """
    pairs = [(w.centre, w.others[o]) for w in windows for o in (1, -1) if o in w.others]
    blurred = [(_blurred(a), _blurred(b)) for a, b in pairs]
    area = np.prod([1 + 2 * sum(correlation[axis]) for axis in "xy"])  # pixels of a blob
    left = noise * max(float(area), 0) / (4 * np.pi * _BLUR**2)
    common = [float((a * b).mean()) for a, b in blurred]
    power = [float(np.sqrt((a**2).mean() * (b**2).mean())) for a, b in blurred]
    structure = sum(power) - left * len(power)
    if structure < _STRUCTURE * sum(power):
        return 0.0, None
    return float(np.clip(sum(common) / structure, 0, 1)), _motion(blurred, power)


def _blurred(image: Image) -> Array:
    smooth = ndimage.gaussian_filter(fill_invalid(image[None])[0].astype(np.float64), _BLUR)
    return np.asarray(smooth - smooth.mean())


def _motion(pairs: list[tuple[Array, Array]], power: list[float]) -> float | None:
    """Median length of the shifts between windows, weighted by the structure in them."""
    from skimage.registration import phase_cross_correlation  # takes its time to import

    lengths: list[float] = []
    weights: list[float] = []
    for (a, b), weight in zip(pairs, power, strict=True):
        taper = np.outer(*(np.hanning(n) for n in a.shape))
        shift, missed, _ = phase_cross_correlation(
            taper * a, taper * b, upsample_factor=_PARTS, normalization=None
        )
        if 1 - missed**2 > _ALIGNED**2:
            lengths.append(float(np.hypot(*shift)))
            weights.append(weight)
    if sum(weights) < sum(power) / 2:
        return None
    order = np.argsort(lengths)
    half = int(np.searchsorted(np.cumsum(np.array(weights)[order]), sum(weights) / 2))
    return float(lengths[order[half]])
