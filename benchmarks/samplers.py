"""Samplers of training pairs compared: how correlated they are, and Neighbour2Neighbour's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.denoiser import Architecture, Denoiser
from napari_aprrd.core.losses import mean_norm
from napari_aprrd.core.optimise import optimise
from napari_aprrd.core.patches import Normalisation, Planes
from napari_aprrd.core.progress import Clock, Job
from napari_aprrd.core.reading import CropSampler
from napari_aprrd.core.record import describe
from napari_aprrd.core.replace import replace_pixels, replacer_maps

DISTANCES = range(13)  # pixels


def correlations(noisy: NDArray[Any], reference: NDArray[Any]) -> dict[str, list[float]]:
    """Figure 4: correlation of the input with the target d pixels away, for d = 0, 1, ...

    Parameters
    ----------
    noisy, reference : ndarray, shape (N, C, H, W)

    Returns
    -------
    dict
        Of "noise" and "signal", each also "with APR".
    """
    gain, offset = np.polyfit(reference.ravel(), noisy.ravel(), 1)
    parts = {"noise": noisy - (gain * reference + offset), "signal": reference}
    found: dict[str, list[float]] = {}
    generator = torch.Generator().manual_seed(0)
    n, _, h, w = noisy.shape
    maps = replacer_maps(n, h, w, generator=generator)
    for name, values in parts.items():
        image = torch.from_numpy(np.ascontiguousarray(values - values.mean((2, 3), keepdims=True)))
        found[name] = [_correlation(image, image, d) for d in DISTANCES]
        pair = replace_pixels(image, maps)
        found[f"{name}, with APR"] = [_correlation(*pair, d) for d in DISTANCES]
    return found


def _correlation(a: Tensor, b: Tensor, distance: int) -> float:
    """Of a with b d pixels to the right and below, mean of the two."""
    rows, columns = (n - distance for n in a.shape[2:])
    along_x = (a[..., :columns] * b[..., distance:]).mean()
    along_y = (a[..., :rows, :] * b[..., distance:, :]).mean()
    return float((along_x + along_y) / 2 / (a.std() * b.std()))


def neighbours(image: Tensor, generator: torch.Generator) -> list[Tensor]:
    """Neighbour2Neighbour's G: both images from the same choice of two adjacent pixels.

    T. Huang et al., "Neighbor2Neighbor", CVPR 2021. (K, B, C, H, W) -> per image g1, g2 of half
    the size.
    """
    k, b, c, h, w = image.shape
    # The four pixels of each 2 x 2 cell; two that touch, in random order.
    cells = F.pixel_unshuffle(image.flatten(0, 1), 2).view(k, b, c, 4, h // 2, w // 2)
    touching = torch.tensor([[0, 1], [0, 2], [1, 3], [2, 3], [1, 0], [2, 0], [3, 1], [3, 2]])
    drawn = touching[torch.randint(8, (b, h // 2, w // 2), generator=generator)]  # (B, ., ., 2)
    index = drawn.permute(3, 0, 1, 2)[:, None, :, None, None].expand(2, k, b, c, 1, -1, -1)
    return [cells.gather(3, i)[:, :, :, 0] for i in index]


def train_neighbour2neighbour(planes: Planes, config: TrainConfig) -> Job[Denoiser]:
    """Train the same network with Neighbour2Neighbour's sampler and loss instead of APR's."""
    clock = Clock()
    normalisation = Normalisation.measure(planes, seed=config.seed)
    sampler = CropSampler(
        planes, normalisation, batch=config.batch, patch=config.patch, seed=config.seed, hold_out=0
    )
    architecture = Architecture(
        kind="blind-spot", channels=planes.channels, width=config.width, depth=config.depth
    )
    teacher = Denoiser.fresh(architecture, normalisation, config.seed)
    generator = torch.Generator().manual_seed(config.seed)

    def loss(network: nn.Module) -> Tensor:
        y = sampler.draw().values
        with torch.no_grad():
            denoised = network(y, config.shift)
        g1, g2 = neighbours(torch.stack([y, denoised]), generator)
        difference = network(g1[0], config.shift) - g2[0]
        residual = difference - (g1[1] - g2[1])
        return mean_norm(difference) + config.regularization * mean_norm(residual)

    done = yield from optimise("Neighbour2Neighbour", teacher, loss, None, config, clock)
    teacher.record = {"train": {**describe(planes, config), **done}}
    return teacher
