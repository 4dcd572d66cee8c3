"""Units of the source and of the network on a device: what `data.scaling` does on the CPU.

In the order of its operations and with as many digits, so that the numbers are the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data.curve import Curve
from ..data.scaling import Calibration, Normalisation

# Types that travel to and from a device as they are; others do so as float32. PyTorch knows
# little of unsigned types but uint8, so that uint16 travels as the int16 of the same bits.
RAW = {np.dtype(name) for name in ("uint8", "int8", "uint16", "int16", "float32")}
_UINT16 = np.dtype(np.uint16)


def carrier(dtype: np.dtype[Any]) -> torch.dtype:
    """The type of tensor in which values of one of the `RAW` types travel."""
    name = "int16" if dtype == _UINT16 else dtype.name
    found: torch.dtype = getattr(torch, name)
    return found


def as_float(raw: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Values of one of the `RAW` types, in its `carrier`, as float32."""
    if dtype == _UINT16:
        raw = raw.to(torch.int32).bitwise_and_(0xFFFF)
    return raw.to(torch.float32)


def as_type(values: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Values in the `carrier` of one of the `RAW` types; integers are rounded and clipped."""
    if dtype.kind == "f":
        return values
    limits = np.iinfo(dtype)
    whole = values.nan_to_num().round_().clamp_(limits.min, limits.max).to(torch.int32)
    if dtype == _UINT16:  # the upper half of its range are the negative numbers of int16
        whole = whole.bitwise_xor_(0x8000).sub_(0x8000)
    return whole.to(carrier(dtype))


class _Knots(NamedTuple):
    """A `Curve` with the slope after each of its knots."""

    at: Tensor
    add: Tensor
    slope: Tensor

    @classmethod
    def of(cls, curve: Curve, like: Tensor) -> _Knots:
        at, add = np.array(curve.at), np.array(curve.add)
        slope = np.append(np.diff(add) / np.diff(at), 0.0)
        return cls(*(torch.from_numpy(part).to(like) for part in (at, add, slope)))

    def apply(self, values: Tensor) -> Tensor:
        """See `Curve.apply`: (B, h, w), float32."""
        if not len(self.at):
            return values
        within = values.to(self.at.dtype).contiguous().clamp(min=self.at[0])
        last = torch.bucketize(within, self.at, right=True).sub_(1)
        add = self.slope[last] * (within - self.at[last]) + self.add[last]
        return (values + add).float()


class Scales:
    """Normalisation and calibration of images on one device.

    Parameters
    ----------
    normalisation : Normalisation
    calibration : Calibration or None
    device : torch.device
    """

    def __init__(
        self, normalisation: Normalisation, calibration: Calibration | None, device: torch.device
    ) -> None:
        exact = torch.float32 if device.type == "mps" else torch.float64  # Apple's have no float64
        self._like = torch.empty(0, dtype=exact, device=device)
        self._offset = self._column(normalisation.offset)
        self._scale = self._column(normalisation.scale)
        self._not_learnt = list(normalisation.not_learnt)
        learnt = torch.ones(len(normalisation.offset), dtype=torch.bool)
        learnt[self._not_learnt] = False
        self._learnt = learnt.to(device)[:, None, None]
        self._line: tuple[Tensor, Tensor] | None = None
        self._curves: list[_Knots] = []
        if calibration is not None:
            gain, offset = self._column(calibration.gain), self._column(calibration.offset)
            self._line = (gain.float(), offset.float())
            self._curves = [_Knots.of(curve, self._like) for curve in calibration.curve]

    def normalised(self, images: Tensor) -> Tensor:
        """Normalise (B, C, h, w), or these and their neighbours, (B, (2 k + 1) C, h, w)."""
        planes = images.view(len(images), -1, len(self._offset), *images.shape[2:])
        normal = ((planes.to(self._like.dtype) - self._offset) / self._scale).float()
        if self._not_learnt:
            normal = torch.where(self._learnt, normal, 0)
        return normal.flatten(1, 2)

    def finished(self, output: Tensor, source: Tensor, valid: Tensor | None) -> Tensor:
        """Convert the network's output (B, C, h, w) to the source's units, and calibrate it.

        Parameters
        ----------
        output, source : Tensor, shape (B, C, h, w), float32
        valid : Tensor or None
            Where the source is finite, if anywhere it may not be; elsewhere it stays as it is, as
            do channels that were not learnt.
        """
        image = (output.to(self._like.dtype) * self._scale + self._offset).float()
        if self._line is not None:
            gain, offset = self._line
            image = gain * image + offset
        if self._curves:
            channels = zip(self._curves, image.unbind(1), strict=True)
            image = torch.stack([curve.apply(channel) for curve, channel in channels], dim=1)
        if self._not_learnt:
            valid = self._learnt if valid is None else valid & self._learnt
        return image if valid is None else torch.where(valid, image, source)

    def _column(self, values: tuple[float, ...]) -> Tensor:
        """One value for each channel, (C, 1, 1)."""
        return torch.tensor(values, dtype=torch.float64).to(self._like)[:, None, None]
