"""Honest intensities: gain and offset of a network's output, found without a reference."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .config import DenoiseConfig
from .patches import Image, Planes, in_random_order, some_windows
from .progress import Clock, Progress, Signal, report

if TYPE_CHECKING:
    from .denoiser import Denoiser

WINDOW = 256  # pixels
WINDOWS, FEWEST = 32, 4  # all, and where the time budget is spent


@dataclass(frozen=True)
class Calibration:
    """Per channel: calibrated value = gain * value + offset, in the units of the source.

    L1 losses learn medians, so that skewed or clipped noise offsets and compresses the
    output. Noise has zero mean given the signal: comparing the noisy image with the output
    finds the correction without a reference.
    """

    gain: tuple[float, ...]
    offset: tuple[float, ...]

    def apply(self, image: Image) -> Image:
        """Calibrate (C, h, w)."""
        gain, offset = (np.array(v, np.float32)[:, None, None] for v in (self.gain, self.offset))
        return np.asarray(gain * image + offset, np.float32)

    @classmethod
    def measure(cls, noisy: Image, output: Image, blind: Image | None = None) -> Calibration:
        """Regress the noisy pixels on the output, channel by channel.

        An output that holds a rest of its input's noise looks steeper to plain least squares
        than it is. A blind-spot output does not hold the noise of its pixel: as instrumental
        variable it gives the slope of the signal, cov(noisy, blind) / cov(output, blind).

        Parameters
        ----------
        noisy, output : ndarray, shape (C, N)
            Pixels that are not finite have no say.
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
    # The two move together, or there is nothing to learn from.
    gain = float((common * (y - y.mean())).mean() / shared) if shared > 0 else 1.0
    return gain, float(y.mean() - gain * x.mean())


def calibrate(
    denoiser: Denoiser, teacher: Denoiser, shift: int, planes: Planes, clock: Clock
) -> Generator[Progress, Signal | None, None]:
    """Measure a denoiser's calibration on windows of its training data.

    Parameters
    ----------
    denoiser : Denoiser
        Gets the calibration.
    teacher : Denoiser
        Its output at the training shift is the instrument.
    shift : int
        The teacher's shift in training.
    planes : Planes
    clock : Clock
        Where its time budget is spent, fewer windows have to do.
    """
    triples = []
    windows = in_random_order(some_windows(planes, WINDOW, WINDOWS))
    for done, (plane, rows, columns) in enumerate(windows, start=1):
        noisy = planes.read(plane, rows, columns)
        parts = (noisy, *_outputs(denoiser, teacher, shift, noisy))
        triples.append([part.reshape(planes.channels, -1) for part in parts])
        yield from report(Progress("Calibrate", done, len(windows), clock.seconds), clock)
        if done >= FEWEST and clock.spent >= 1:
            break
    joined = (np.concatenate(part, axis=1) for part in zip(*triples, strict=True))
    denoiser.calibration = Calibration.measure(*joined)


def _outputs(
    denoiser: Denoiser, teacher: Denoiser, shift: int, noisy: Image
) -> tuple[Image, Image]:
    """What a denoiser, and its teacher at one shift, make of a window; not calibrated."""
    raw = DenoiseConfig(calibrate=False)
    if not denoiser.is_teacher:
        blind = DenoiseConfig.of(raw, shifts=(shift,))
        return denoiser.predict(noisy, raw), teacher.predict(noisy, blind)
    *outputs, blind_output = teacher.targets(noisy, (*teacher.shifts, shift), raw)  # of one pass
    undo = teacher.normalisation.undo
    return undo(np.mean(outputs, axis=0)), undo(blind_output)
