"""Samplers of training pairs compared: how correlated they are, and Neighbour2Neighbour's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.data.crops import CropSampler
from napari_aprrd.core.data.planes import Planes
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.jobs import Clock, Job
from napari_aprrd.core.method.apr import replace_pixels, replacer_maps
from napari_aprrd.core.method.norms import mean_norm
from napari_aprrd.core.model.architecture import Architecture
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.provenance import describe
from napari_aprrd.core.training.checkpoint import Checkpoint
from napari_aprrd.core.training.loop import optimise
from napari_aprrd.core.training.objective import Batch, Objective

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


def neighbours(image: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Neighbour2Neighbour's G: two images of half the size, each of one pixel per 2 x 2 cell.

    T. Huang et al., "Neighbor2Neighbor", CVPR 2021.

    Parameters
    ----------
    image : Tensor, shape (B, C, H, W)
    chosen : Tensor, shape (B, H / 2, W / 2)
        For each cell, which two of its pixels: 0 to 7.
    """
    b, c, h, w = image.shape
    cells = F.pixel_unshuffle(image, 2).view(b, c, 4, h // 2, w // 2)
    pair = _TOUCHING.to(image.device)[chosen].permute(3, 0, 1, 2)  # (2, B, ., .)
    index = pair[:, :, None, None].expand(2, b, c, 1, -1, -1)
    first, second = (cells.gather(2, i)[:, :, 0] for i in index)
    return first, second


# Two pixels of a 2 x 2 cell that touch, in either order.
_TOUCHING = torch.tensor([[0, 1], [0, 2], [1, 3], [2, 3], [1, 0], [2, 0], [3, 1], [3, 2]])


class _Neighbours(Objective):
    """Neighbour2Neighbour's loss."""

    stage = "Neighbour2Neighbour"

    def __init__(self, sampler: CropSampler, config: TrainConfig) -> None:
        super().__init__(sampler, config.seed)
        self._config = config

    def draw(self) -> Batch:
        crops, half = self.sampler.draw(), self._config.patch // 2
        chosen = torch.randint(8, (len(crops.values), half, half), generator=self.generator)
        return Batch(crops.values, crops.valid, chosen)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        y, _, chosen = batch.to(network)
        with torch.no_grad():
            denoised = network(y, self._config.shift)
        (g1, g2), (of_1, of_2) = neighbours(y, chosen), neighbours(denoised, chosen)
        difference = network(g1, self._config.shift) - g2
        residual = difference - (of_1 - of_2)
        return mean_norm(difference) + self._config.regularization * mean_norm(residual)


def train_neighbour2neighbour(planes: Planes, config: TrainConfig) -> Job[Denoiser]:
    """Train the same network with Neighbour2Neighbour's sampler and loss instead of APR's."""
    normalisation = Normalisation.measure(planes, seed=config.seed)
    sampler = CropSampler(
        planes, normalisation, batch=config.batch, patch=config.patch, seed=config.seed, hold_out=0
    )
    architecture = Architecture(
        kind="blind-spot", channels=planes.channels, width=config.width, depth=config.depth
    )
    teacher = Denoiser.fresh(architecture, normalisation, config.seed)
    objective, checkpoint = _Neighbours(sampler, config), Checkpoint()
    done = yield from optimise(teacher, objective, config, Clock(), checkpoint)
    teacher.record = {"train": {**describe(planes, config), **done}}
    return teacher
