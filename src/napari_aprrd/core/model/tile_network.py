"""A network with all that is around it, on its device: noisy windows in, denoised tiles out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import DenoiseConfig
from ..data.constant import SIDE
from ..data.constant_on_device import may_have_constant_areas
from ..data.fill import fill
from .denoiser import Denoiser
from .half_precision import HowComputed, half_of, passes
from .scales import Scales, as_float, as_type
from .tiling import Tile, input_of, padding_of

Forward = Callable[[Tensor], Tensor]


class Geometry(NamedTuple):
    """What tiles must have in common to be computed together, in pixels."""

    size: tuple[int, int]  # of the window that is read
    pads: tuple[int, int, int, int]  # reflection at its left, right, top and bottom
    corner: tuple[int, int]  # first row and column of the window that are kept
    kept: tuple[int, int]  # height and width of what is kept

    @classmethod
    def of(cls, size: Sequence[int], tile: Tile) -> Geometry:
        """The geometry of a tile of a plane of this size."""
        window = input_of(size, tile)
        (top, bottom), (left, right) = padding_of(size, tile)
        parts = list(zip(tile, window, strict=True))
        return cls(
            size=_two(part.stop - part.start for part in window),
            pads=(left, right, top, bottom),
            corner=_two(span.keep_start - part.start for span, part in parts),
            kept=_two(span.keep_stop - span.keep_start for span in tile),
        )

    @property
    def suits_device(self) -> bool:
        """False for windows so small that they are reflected, or searched, in other ways."""
        left, right, top, bottom = self.pads
        height, width = self.size
        return min(self.size) >= SIDE and max(top, bottom) < height and max(left, right) < width

    @property
    def pixels(self) -> int:
        """Pixels of the network's input."""
        left, right, top, bottom = self.pads
        return (self.size[0] + top + bottom) * (self.size[1] + left + right)

    def of_window(self, windows: Tensor) -> Tensor:
        """The part of windows (B, C, h, w), without reflection, that is kept."""
        (top, left), (height, width) = self.corner, self.kept
        return windows[:, :, top : top + height, left : left + width]

    def padded(self, windows: Tensor) -> Tensor:
        """The network's input from windows (B, M, h, w)."""
        padded = F.pad(windows, self.pads, mode="reflect")
        return padded.contiguous(memory_format=torch.channels_last)

    def of_output(self, output: Tensor) -> Tensor:
        """The part of the network's output that is kept."""
        (top, left), (height, width) = self.corner, self.kept
        top, left = top + self.pads[2], left + self.pads[0]
        return output[:, :, top : top + height, left : left + width]


class TileNetwork:
    """Denoises batches of windows that are on the device already.

    It gives the numbers of `Denoiser.predict_tile` for ordinary windows, and says which are not:
    such as have constant areas, and repeated or blank neighbours.

    Parameters
    ----------
    denoiser : Denoiser
        On its device.
    config : DenoiseConfig
    source, target : dtype
        Of the windows and of the output, both of `scales.RAW`.
    how : HowComputed
        Gets what was found out about half precision.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        config: DenoiseConfig,
        source: np.dtype[Any],
        target: np.dtype[Any],
        how: HowComputed,
    ) -> None:
        device = next(denoiser.network.parameters()).device
        calibration = denoiser.calibration if config.calibrate else None
        self._scales = Scales(denoiser.normalisation, calibration, device)
        self._channels, self._source, self._target = denoiser.channels, source, target
        self._learnt = [
            c for c in range(denoiser.channels) if c not in denoiser.normalisation.not_learnt
        ]
        self._denoiser, self._config = denoiser, config
        self._full = denoiser.forward(config)
        self._half = half_of(denoiser).forward(config) if how.precision == "float16" else None
        self.how = how

    def __call__(self, raw: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Denoise windows of the same geometry, without gradients.

        Parameters
        ----------
        raw : Tensor, shape (B, C or (2 k + 1) C, h, w)
            In the source's `carrier`.
        geometry : Geometry

        Returns
        -------
        tiles : Tensor, shape (B, C, h, w)
            In the target's `carrier`.
        ordinary : Tensor, shape (B,), bool
            Where not, the tile is worth nothing.
        """
        images = as_float(raw, self._source)
        ordinary, valid = self._look_at(images)
        normal = self._scales.normalised(images)
        if valid is not None:
            normal = fill(normal, valid)
        output = self._output(geometry.padded(normal), normal, geometry, ordinary)
        ordinary &= output.isfinite().flatten(1).all(dim=1)  # half precision ends at 65504
        source = geometry.of_window(images[:, : self._channels])
        if valid is not None:
            valid = geometry.of_window(valid[:, : self._channels])
        tiles = as_type(self._scales.finished(output, source, valid), self._target)
        return tiles.contiguous(), ordinary

    def _look_at(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Which images are ordinary, (B,), and which pixels are finite; None: all of them."""
        ordinary = ~may_have_constant_areas(images)
        valid = images.isfinite() if self._source.kind == "f" else None
        if images.shape[1] > self._channels:
            centre, *beside = torch.split(images, self._channels, dim=1)
            for other in beside:  # as repeated frames do, of one channel or of all
                ordinary &= (other != centre).flatten(2).any(dim=2).all(dim=1)
            if valid is not None:
                ordinary &= valid.flatten(1).all(dim=1)
        return ordinary, valid

    def _output(
        self, padded: Tensor, normal: Tensor, geometry: Geometry, ordinary: Tensor
    ) -> Tensor:
        """The network's normalised output, in half precision once that has proved good enough."""
        if self._half is not None:
            return geometry.of_output(self._half(padded.half())).float()
        output = geometry.of_output(self._full(padded)).float()
        if self.how.undecided and bool(ordinary.all()):
            self._try_half(padded, normal, geometry, output)
        return output

    def _try_half(self, padded: Tensor, normal: Tensor, geometry: Geometry, output: Tensor) -> None:
        half = half_of(self._denoiser).forward(self._config)
        rounded = geometry.of_output(half(padded.half())).float()
        noisy = geometry.of_window(normal[:, : self._channels])
        learnt = self._learnt
        if passes(noisy[:, learnt], output[:, learnt], rounded[:, learnt], self.how):
            self._half = half


def _two(numbers: Any) -> tuple[int, int]:
    first, second = numbers
    return first, second
