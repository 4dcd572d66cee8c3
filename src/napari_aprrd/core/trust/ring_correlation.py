"""Fourier ring correlation: the finest detail on which independent halves of a film agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.planes import Planes, fill_invalid

Array = NDArray[np.float64]
SIDE, MOST = 512, 16  # pixels of the window, and most frames that are read, to keep it quick
_THRESHOLD = 1 / 7  # correlation at the resolution limit, the convention of microscopy
_SMALLEST = 32  # pixels; smaller windows have too few frequencies in each ring


def resolution(planes: Planes, frames: Sequence[int]) -> float | None:
    """Smallest detail on which the even and the odd frames agree.

    Parameters
    ----------
    planes : Planes
    frames : sequence of int
        Numbers of the planes that show the same scene over time.

    Returns
    -------
    float or None
        Period in pixels, 2 at best; None where there are too few or too small frames.
    """
    frames = frames[: min(MOST, len(frames) // 2 * 2)]
    size = planes.sizes[frames[0]] if frames else (0, 0)
    if len(frames) < 2 or min(size) < _SMALLEST:
        return None
    side = min(*size, SIDE)
    rows, columns = (slice((n - side) // 2, (n - side) // 2 + side) for n in size)
    images = [fill_invalid(planes.read(f, rows, columns)).mean(0, dtype=np.float64) for f in frames]
    halves = [np.mean(images[start::2], axis=0) for start in (0, 1)]
    curve = ring_correlation(*halves)
    below = np.flatnonzero(curve < _THRESHOLD)
    return side / float(below[0]) if below.size and below[0] else 2.0


def ring_correlation(first: Array, second: Array) -> Array:
    """Correlation of two square images at 0, 1, 2 .. n / 2 periods per image; 1 at 0."""
    n = len(first)
    # Without a window, the jump between opposite edges would add correlation at all frequencies.
    window = np.outer(np.hanning(n), np.hanning(n))
    a, b = (np.fft.rfft2((image - image.mean()) * window) for image in (first, second))
    ring = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]) * n
    ring = np.rint(ring).astype(int).ravel()
    together, power_a, power_b = (
        np.bincount(ring, weights.ravel())
        for weights in ((a * b.conj()).real, abs(a) ** 2, abs(b) ** 2)
    )
    curve = together / np.maximum(np.sqrt(power_a * power_b), 1e-12)
    curve[0] = 1.0
    return np.asarray(curve[: n // 2 + 1])
