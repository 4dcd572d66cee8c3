"""Autocorrelation of the noise in small blocks, corrected for detrending.

A least-squares polynomial models the structure of a block. Subtracting it removes some noise as
well, which biases the autocorrelation. The bias is known exactly, so it is undone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# Pixels. At lag 4 the noise of microscopes is correlated by 0.11 at most, see
# docs/benchmarks-diary.md#noise-report.
LAGS = 4
_DEGREE = 3  # of the polynomial: 10 terms for the 256 pixels of a block, enough for a smooth slope
Array = NDArray[np.float64]
Lag = tuple[int, int]  # (y, x), pixels
HALF_PLANE: tuple[Lag, ...] = tuple(
    (y, x) for y in range(LAGS + 1) for x in range(-LAGS, LAGS + 1) if (y, x) >= (0, 0)
)


def detrended(blocks: Array) -> Array:
    """Blocks (N, b, b) minus their least-squares polynomial."""
    basis = _basis(blocks.shape[-1])
    flat = blocks.reshape(len(blocks), len(basis))
    return np.asarray((flat - flat @ basis @ basis.T).reshape(blocks.shape))


def variances(blocks: Array) -> tuple[Array, Array]:
    """Variance of blocks (N, b, b): of their least-squares polynomial, and of the rest."""
    basis = _basis(blocks.shape[-1])
    flat = blocks.reshape(len(blocks), len(basis))
    flat = flat - flat.mean()  # so that nothing is lost to rounding
    explained = (flat @ basis) ** 2 / len(basis)  # the first polynomial is constant
    smooth = explained[:, 1:].sum(axis=1)
    rough = np.einsum("ij,ij->i", flat, flat) / len(basis) - explained[:, 0] - smooth
    return smooth, np.maximum(rough, 0)


def autocovariance(noise: Array) -> dict[Lag, float]:
    """Covariance of the noise at each lag, from detrended blocks with equal weights.

    Parameters
    ----------
    noise : array, (N, b, b)

    Returns
    -------
    dict
        Covariance by lag, for the lags of `HALF_PLANE`, in units of the variance after detrending.
    """
    side = noise.shape[-1]
    noise = noise / noise.std(axis=(1, 2), keepdims=True)
    spectrum = np.mean(np.abs(np.fft.rfft2(noise, (2 * side, 2 * side))) ** 2, axis=0)
    measured = _at_lags(np.fft.irfft2(spectrum)) / _pairs(side)
    true = np.linalg.solve(_effect_of_detrending(side), measured)
    return {lag: float(value) for lag, value in zip(HALF_PLANE, true, strict=True)}


def spread_of_variance(covariance: Mapping[Lag, float], pixels: int) -> float:
    """Relative standard deviation of the variance of so many pixels, from block to block."""
    power = sum((1 + (lag != (0, 0))) * value**2 for lag, value in covariance.items())
    return math.sqrt(2 * power / covariance[0, 0] ** 2 / pixels)


def shared_by(correlation: Mapping[str, Sequence[float]]) -> float:
    """Number of pixels that share the noise of one: the sum of its correlation, 1 if white."""
    return math.prod(1 + 2 * sum(max(c, 0.0) for c in correlation[axis]) for axis in "xy")


def noise_field(
    shape: tuple[int, ...], correlation: Mapping[str, Sequence[float]], rng: np.random.Generator
) -> Array:
    """Draw noise (H, W) of variance 1, correlated along x and y as in a noise report."""
    along = []
    for length, axis in zip(shape, "yx", strict=True):
        line = np.zeros(length)
        lags = min(len(correlation[axis]), (length - 1) // 2)
        line[1 : lags + 1] = correlation[axis][:lags]
        line += np.roll(line[::-1], 1)
        line[0] = 1
        along.append(np.fft.fft(line).real)
    power = np.clip(np.outer(*along), 0, None)
    white = np.fft.fft2(rng.standard_normal(shape))
    return np.asarray(np.fft.ifft2(white * np.sqrt(power / power.mean())).real)


@functools.cache
def _basis(side: int) -> Array:
    """Orthonormal polynomials of a block, (side ** 2, K)."""
    axis = np.linspace(-1, 1, side)
    y, x = (a.ravel() for a in np.meshgrid(axis, axis, indexing="ij"))
    degrees = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    return np.linalg.qr(np.stack([y**i * x**j for i, j in degrees], axis=1))[0]


@functools.cache
def _effect_of_detrending(side: int) -> Array:
    """Matrix M with E[measured] = M @ true, both at the lags of `HALF_PLANE`.

    With S_m the sum of the shifts by m and -m, P the projection on the basis B and Q = I - P,
    noise of autocorrelation r has residuals of covariance sum_m r_m Q S_m Q, and
    Q S Q = S - P S - S P + P S P, all of which are products of few images.
    """
    images = _basis(side).T.reshape(-1, side, side)  # (K, b, b)
    shape = (2 * side, 2 * side)
    columns = []
    for i, (y, x) in enumerate(HALF_PLANE):
        moved = _moved(images, y, x)
        if (y, x) != (0, 0):
            moved = moved + _moved(images, -y, -x)
        inner = np.tensordot(images, moved, axes=((1, 2), (1, 2)))  # B^T S B
        b, s, p = (
            np.fft.rfft2(a, shape) for a in (images, moved, np.tensordot(inner, images, (1, 0)))
        )
        products = (b.conj() * (p - s) - s.conj() * b).sum(axis=0)
        column = _at_lags(np.fft.irfft2(products, shape)) / _pairs(side)
        column[i] += 1
        columns.append(column)
    return np.stack(columns, axis=1)


def _moved(images: Array, y: int, x: int) -> Array:
    """Shift images by (-y, -x) pixels, with zeros beyond their edges."""
    side = images.shape[-1]
    padded = np.pad(images, ((0, 0), (LAGS, LAGS), (LAGS, LAGS)))
    return padded[:, LAGS + y : LAGS + y + side, LAGS + x : LAGS + x + side]


def _at_lags(circular: Array) -> Array:
    return np.array([circular[lag] for lag in HALF_PLANE])


def _pairs(side: int) -> Array:
    """Number of pairs of pixels in a block at each lag."""
    return np.array([(side - y) * (side - abs(x)) for y, x in HALF_PLANE], np.float64)
