"""Noise for clean images, made on the device: what cameras and detectors do to light.

Each window gets noise of random strength, dependence on light and correlation: independent, blobby
(correlated to all sides), along lines, or both. Some is as strong as the image itself; some cameras
count single photons, and some cut off what is below their black level.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

REACH = 6  # pixels: half of a kernel's length, less the one in its middle
WHITE = 0.4  # share of the batches whose noise is independent from pixel to pixel
WEAKEST, STRONG, STRONGEST = 0.007, 0.6, 1.3  # of twice the deviation of the image
VERY_STRONG = 0.12  # share of the windows with noise from STRONG to STRONGEST
COUNTED, CUT = 0.12, 0.15  # shares of the windows: photons are counted; the dark end is cut off


class Exposure(NamedTuple):
    """Noisy windows, and a shift of the blind spot that suits their noise."""

    noisy: Tensor
    shift: int


def exposed(rng: np.random.Generator, generator: torch.Generator, clean: Tensor) -> Exposure:
    """Add noise to windows (N, P, H, W) of P planes each, on their device."""
    count, white = len(clean), bool(rng.random() < WHITE)
    drawn = [_log_uniform(rng, WEAKEST, STRONG, count), _log_uniform(rng, 0.3, 100, count)]
    very = rng.random(count) < VERY_STRONG
    drawn[0][very] = _log_uniform(rng, STRONG, STRONGEST, int(very.sum()))
    drawn += [rng.uniform(size=count), rng.random(count) < COUNTED * white / WHITE]
    # Most of what is cut off is cut at 0; the rest up to where half of the light is.
    level = np.where(rng.random(count) < 0.6, 0.0, rng.uniform(0, 1, count))
    drawn += [np.where(rng.random(count) < CUT, level, -np.inf)]
    table = torch.from_numpy(np.array(drawn, np.float32)).to(clean.device)
    strength, photons, by_light, counted, cut = table[:, :, None, None, None]
    mean = clean.mean((1, 2, 3), keepdim=True).clamp(min=0.02)
    light = clean / mean
    deviation = strength * 2 * (clean.std((1, 2, 3), keepdim=True) + 0.03)
    unit = torch.randn(clean.shape, generator=generator, device=clean.device)
    if not white:
        unit = correlated(rng, unit)
    noisy = clean + deviation * (by_light * light + 1 - by_light).sqrt() * unit
    if white:
        arriving = torch.poisson(light * photons, generator=generator) / photons * mean
        noisy = torch.where(counted > 0, arriving, noisy)
    shift = int(rng.integers(1, 7))
    return Exposure(torch.maximum(noisy, cut * mean), shift if white else max(shift, 3))


def correlated(rng: np.random.Generator, unit: Tensor) -> Tensor:
    """Correlate white noise (N, P, H, W) of deviation 1, in each window in another way."""
    count, planes, height, _ = unit.shape
    kernels = np.array([_kernels(rng) for _ in range(count)], np.float32)  # (N, 2, K)
    kernels = kernels.repeat(planes, axis=0)
    down, right = torch.from_numpy(kernels).to(unit.device).unbind(1)
    x = functional.pad(unit, (REACH,) * 4, mode="reflect").reshape(
        1, count * planes, height + 2 * REACH, -1
    )
    x = functional.conv2d(x, down[:, None, :, None], groups=count * planes)
    x = functional.conv2d(x, right[:, None, None, :], groups=count * planes)
    return x.reshape(unit.shape)


def _kernels(rng: np.random.Generator) -> NDArray[np.float64]:
    """What noise is convolved with, down and to the right, (2, K): its deviation stays 1."""
    at = np.arange(-REACH, REACH + 1)
    kernels = np.stack([at == 0] * 2).astype(np.float64)
    kind = rng.choice(["blobby", "lines", "both"], p=[0.45, 0.45, 0.1])
    if kind != "lines":
        kernels[:] = np.exp(-(at**2) / (2 * rng.uniform(0.4, 1.1) ** 2))
    if kind != "blobby":  # what a line amplifier keeps of the pixels before
        tail = np.where(at >= 0, rng.uniform(0.15, 0.6) ** np.abs(at), 0)
        axis = int(rng.integers(2))
        kernels[axis] = np.convolve(kernels[axis], tail, mode="same")
    return kernels / np.sqrt((kernels**2).sum(1, keepdims=True))


def _log_uniform(
    rng: np.random.Generator, low: float, high: float, count: int
) -> NDArray[np.float64]:
    return np.exp(rng.uniform(math.log(low), math.log(high), count))
