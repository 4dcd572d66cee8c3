"""What planes share: their noise, and their scene, which may move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from ..data.planes import Image, fill_invalid
from .artefacts import SIDE, grain_correlations, tiles
from .autocorrelation import Array, detrended, shared_by
from .beside import FAR, REACH, Beside

LAGS = (*range(1, REACH + 1), FAR)
# Orders of the differences that make up the fine grain. Structure reaches into the lower one, and
# the little noise that is left in the higher one of blobby noise may not be like the rest: the
# smaller correlation of the two is taken.
_ORDERS = (2, 4)
# Correlation of the noise between planes from which on it counts as shared. Of stacks with
# independent noise, the fixed pattern of one camera had the most, 0.06, and what structure leaves
# was up to 0.03; a tomogram, whose slices share coarser noise, has 0.09 to 0.11.
SHARED = 0.08
_FEWEST, _FEWEST_COARSE = 8, 100  # blocks that tell something
_GRAIN = 4900  # variance of white noise after differences of order 4 along both axes, relative
# Variance of blocks, relative to what their finest grain lets expect, up to which there is little
# but noise in them: the tomogram has 1.0, dense texture under little noise 3 and more.
_MOSTLY_NOISE = 1.5
_CALM = 0.25  # share of the blocks that vary least, in which structure is rare, but noise is not
_BLUR = 2.0  # pixels, sigma of the blur after which the scene is compared
_STRUCTURE = 0.2  # share of what is left after the blur that must be structure, not noise
_ALIGNED = 0.6  # correlation of two windows, after the shift that fits best, that tells the shift
_BETTER = 0.05  # share of what a shift leaves that it must remove: noise makes shifts as well
_PARTS = 4  # of a pixel, to which shifts are found


def noise_correlation(windows: list[Beside]) -> dict[int, float]:
    """Correlation of the noise between planes, by lag, less the error of its measurement.

    It is that of the fine grain, which holds hardly any structure, as the median over blocks, most
    of which hold none. Slices that were reconstructed together share only coarser noise: where
    the lag of 1 stands out from what lags of 2 and 3 let expect, in blocks that hold little but
    noise too, that is taken.

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
        pairs = [(w.centre, w.others[o]) for w in windows for o in (-lag, lag) if o in w.others]
        fine = [_middle([grain_correlations(*pair, order) for pair in pairs]) for order in _ORDERS]
        known = [value for value in fine if value is not None]
        if known:
            found[lag] = min(known, key=abs)
    alone = _next_only(windows, 1.0)
    evenly = _next_only(windows, _CALM) > alone / 2
    if alone > SHARED and evenly and _mostly_noise(windows):
        found[1] = max(found.get(1, 0.0), alone)
    return found


def _middle(found: list[Array]) -> float | None:
    """Median of what was found in blocks, less its standard error."""
    values = np.concatenate(found) if found else np.empty(0)
    if values.size < _FEWEST:
        return None
    error = np.sqrt(np.pi / 2 / values.size) * values.std()
    median = float(np.median(values))
    return float(np.sign(median) * max(abs(median) - error, 0)) + 0.0  # 0, not -0


def _next_only(windows: list[Beside], share: float) -> float:
    """What the correlation at the lag of 1 exceeds that at 2 and 3 by, in the calmest blocks."""
    by_lag = []
    for lag in (1, 2, 3):
        pairs = [(w.centre, w.others[o]) for w in windows for o in (-lag, lag) if o in w.others]
        by_lag.append(np.concatenate([np.empty(0), *(_coarse(*pair, share) for pair in pairs)]))
    if min(values.size for values in by_lag) < _FEWEST_COARSE:
        return 0.0
    first, second, third = map(np.median, by_lag)
    return float(first - 2 * second + third)


def _coarse(first: Image, second: Image, share: float) -> Array:
    """Correlation of two images in those blocks that vary least, without smooth structure."""
    a, b = _blocks(first), _blocks(second)
    kept = np.isfinite(a).all((1, 2)) & np.isfinite(b).all((1, 2))
    a, b = detrended(a[kept]), detrended(b[kept])
    calm = np.argsort(a.var((1, 2)) + b.var((1, 2)))[: int(np.ceil(share * len(a)))]
    scale = (a.std((1, 2)) * b.std((1, 2)))[calm]
    return np.asarray((a * b).mean((1, 2))[calm][scale > 0] / scale[scale > 0])


def _blocks(image: Image) -> Array:
    return tiles(image.astype(np.float64), SIDE)


def _mostly_noise(windows: list[Beside]) -> bool:
    """Whether blocks vary hardly more than the finest grain in them lets expect of white noise."""
    blocks = np.concatenate([_blocks(window.centre) for window in windows])
    blocks = blocks[np.isfinite(blocks).all((1, 2))]
    fine = np.diff(np.diff(blocks, 4, axis=1), 4, axis=2)
    varies, expected = detrended(blocks).var((1, 2)), (fine**2).mean((1, 2)) / _GRAIN
    return bool(np.median(varies) < _MOSTLY_NOISE * np.median(expected))


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
    left = noise * shared_by(correlation) / (4 * np.pi * _BLUR**2)
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
    for pair, weight in zip(pairs, power, strict=True):
        a, b = (image * np.outer(*(np.hanning(n) for n in image.shape)) for image in pair)
        size = np.sqrt((a**2).sum() * (b**2).sum())
        if size == 0:
            continue
        shift, missed, _ = phase_cross_correlation(a, b, upsample_factor=_PARTS, normalization=None)
        aligned = float(np.sqrt(max(1 - missed**2, 0)))
        if aligned > _ALIGNED:
            moves = aligned - (a * b).sum() / size > _BETTER * (1 - aligned)
            lengths.append(float(np.hypot(*shift)) if moves else 0.0)
            weights.append(weight)
    if sum(weights) < sum(power) / 2:
        return None
    order = np.argsort(lengths)
    half = int(np.searchsorted(np.cumsum(np.array(weights)[order]), sum(weights) / 2))
    return float(lengths[order[half]])
