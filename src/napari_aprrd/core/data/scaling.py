"""Units of the source and of the network: normalisation before it, calibration after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .constant import without_constant
from .curve import Curve
from .planes import Image, Places, Planes


@dataclass(frozen=True)
class Calibration:
    """Per channel: calibrated value = curve(gain * value + offset), in the units of the source.

    L1 losses learn medians, so that skewed noise shifts and compresses the output. Because noise
    has zero mean given the signal, comparing the noisy image with the output yields the correction
    without a reference. Most images need no curve; see `calibrate`.
    """

    gain: tuple[float, ...]
    offset: tuple[float, ...]
    curve: tuple[Curve, ...] = ()  # one for each channel, or none at all

    def apply(self, image: Image) -> Image:
        """Calibrate (C, h, w)."""
        gain, offset = (np.array(v, np.float32)[:, None, None] for v in (self.gain, self.offset))
        line = np.asarray(gain * image + offset, np.float32)
        if not self.curve:
            return line
        channels = zip(self.curve, line, strict=True)
        return np.stack([curve.apply(channel) for curve, channel in channels])

    def summary(self) -> dict[str, Any]:
        """Gain, offset and, where there is a curve, its number of points in each channel."""
        facts: dict[str, Any] = {"gain": self.gain, "offset": self.offset}
        points = {"curve_points": tuple(len(curve.at) for curve in self.curve)}
        return facts | points if self.curve else facts

    def in_other_units(self, old: Normalisation, new: Normalisation) -> Calibration:
        """Convert the calibration to images whose values are in other units.

        Parameters
        ----------
        old, new : Normalisation
            Normalisation in the present and in the other units.
        """
        ratio = np.array(new.scale) / old.scale
        gain, offset = np.array(self.gain), np.array(self.offset)
        moved = new.offset - gain * new.offset + (gain * old.offset + offset - old.offset) * ratio
        curves = [
            Curve(
                tuple(float(new.offset[c] + (at - old.offset[c]) * ratio[c]) for at in curve.at),
                tuple(float(add * ratio[c]) for add in curve.add),
            )
            for c, curve in enumerate(self.curve)
        ]
        return Calibration(self.gain, tuple(map(float, moved)), tuple(curves))

    @classmethod
    def measure(cls, noisy: Image, output: Image, blind: Image | None = None) -> Calibration:
        """Regress the noisy pixels on the output, channel by channel.

        An output that still contains some noise of its input biases the slope of plain least
        squares. A blind-spot output does not contain the noise of its pixel: as an instrumental
        variable it gives the slope of the signal, cov(noisy, blind) / cov(output, blind).

        Parameters
        ----------
        noisy, output : ndarray, shape (C, N)
            Pixels that are not finite are ignored.
        blind : ndarray, shape (C, N), optional
            The instrument; default the output itself, which is plain least squares.
        """
        fits = [
            _fit(*(part.astype(np.float64) for part in parts))
            for parts in zip(noisy, output, output if blind is None else blind, strict=True)
        ]
        gains, offsets = zip(*fits, strict=True)
        return cls(gains, offsets)


def _fit(
    noisy: NDArray[np.float64], output: NDArray[np.float64], blind: NDArray[np.float64]
) -> tuple[float, float]:
    """Gain and offset of one channel."""
    valid = np.isfinite(noisy)
    if not valid.any():
        return 1.0, 0.0
    y, x, z = noisy[valid], output[valid], blind[valid]
    common = z - z.mean()
    shared = (common * (x - x.mean())).mean()
    # Without a positive covariance, output and instrument share no signal to fit.
    gain = float((common * (y - y.mean())).mean() / shared) if shared > 0 else 1.0
    return gain, float(y.mean() - gain * x.mean())


@dataclass(frozen=True)
class Normalisation:
    """Per channel: network value = (value - offset) / scale. It is saved with the model.

    Parameters
    ----------
    offset, scale : tuple of float
        For each channel.
    not_learnt : tuple of int
        Channels that were constant; the network sees them as zeros.
    """

    offset: tuple[float, ...]
    scale: tuple[float, ...]
    not_learnt: tuple[int, ...] = ()

    @classmethod
    def measure(cls, planes: Planes, *, seed: int = 0, windows: int = 32) -> Normalisation:
        """Measure mean and standard deviation on random windows of the planes, see `of`."""
        rng, places = np.random.default_rng(seed), Places(planes.sizes)
        return cls.of_windows([planes.read(*places.draw(rng, 256)) for _ in range(windows)])

    @classmethod
    def of_windows(cls, windows: Sequence[Image]) -> Normalisation:
        """Compute them for windows (C, h, w), without their constant areas, see `of`."""
        pixels, varied = (
            np.concatenate([window.reshape(len(window), -1) for window in group], axis=1)
            for group in (windows, list(map(without_constant, windows)))
        )
        known = np.isfinite(varied).any(axis=1, keepdims=True)
        return cls.of(np.where(known, varied, pixels))

    @classmethod
    def of(cls, pixels: Image) -> Normalisation:
        """Compute the mean and standard deviation of pixels, (C, N).

        Pixels beyond the 1st and 99th percentile are clipped to these, so that a few hot ones
        do not matter. Why mean and deviation: docs/experiments.md#kept.

        Raises
        ------
        UserError
            If all channels are constant or hold no finite pixel.
        """
        finite = np.isfinite(pixels)
        empty = ~finite.any(axis=1)
        if empty.all():
            raise UserError("The image has no finite pixels (all NaN or infinite).")
        pixels = np.where(finite, pixels, np.nan)
        pixels[empty] = 0
        low, high = np.nanpercentile(pixels, [1, 99], axis=1)
        sparse = high <= low  # bright spots on a constant background
        low = np.where(sparse, np.nanmin(pixels, axis=1), low)
        high = np.where(sparse, np.nanmax(pixels, axis=1), high)
        constant = high <= low
        if constant.all():
            raise UserError(
                f"The image is constant (value {low[~empty][0]:g}): "
                "there is no noise to learn from."
            )
        pixels = pixels.clip(low[:, None], high[:, None])
        offset = np.where(sparse, low, np.nanmean(pixels, axis=1))
        scale = np.where(sparse, high - low, np.nanstd(pixels, axis=1))
        scale = np.where(constant, 1, scale)
        not_learnt = tuple(map(int, np.flatnonzero(constant)))
        return cls(tuple(map(float, offset)), tuple(map(float, scale)), not_learnt)

    def apply(self, image: Image) -> Image:
        """Normalise (C, h, w), or that and its neighbours, ((2 k + 1) C, h, w)."""
        offset, scale = self._columns()
        planes = image.reshape(-1, len(self.offset), *image.shape[1:])
        normal = np.asarray((planes - offset) / scale, np.float32)
        if self.not_learnt:
            normal[:, list(self.not_learnt)] = 0
        return normal.reshape(image.shape)

    def undo(self, image: Image) -> Image:
        """Convert (C, h, w) back to the units of the source."""
        offset, scale = self._columns()
        return np.asarray(image * scale + offset, np.float32)

    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self.offset)[:, None, None], np.array(self.scale)[:, None, None]
