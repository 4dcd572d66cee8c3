"""The trust report: lost signal and remaining noise, from a denoised image and its source alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from ..config import Config, DenoiseConfig
from ..data.planes import Image, Planes, fill_invalid, some_windows
from ..errors import UserError
from ..model.denoiser import Denoiser
from ..noise.report import WINDOW, WINDOWS, NoiseReport, inspect
from .change import Change, measure_change
from .domain_shift import brought_to_scale, learnt_from, misfit, unlike
from .moments import stacked
from .pairs import SIZES, NoiseCurve, Pair
from .residual import (
    Bias,
    Scale,
    bias,
    correlation,
    left_map,
    removed_map,
    scale,
)
from .ring_correlation import resolution
from .verdicts import Measured, Verdict, verdicts

_SPREAD_WINDOWS = 4  # each costs a pass of the teacher: enough for a mean, and still quick


class TrustReport(Config):
    """Results without a clean reference. Intensities are in the units of the source."""

    verdicts: tuple[Verdict, ...] = Field(description="In plain words, the worst first.")
    noise: NoiseReport = Field(description="Noise report of the source.")
    sigma_ratio: float = Field(description="Noise that was removed / noise of the source.")
    correlation: dict[str, tuple[float, ...]] = Field(
        description="Correlation of the residual, at lags 1 to 4 along 'x' and 'y'."
    )
    scales: tuple[Scale, ...] = Field(description="Detail of 2, 4 and 8 pixels.")
    biases: tuple[Bias, ...] = Field(description="Mean residual over brightness, for each channel.")
    frames: tuple[float, float] | None = Field(
        None, description="Smallest detail on which frames agree: noisy, denoised; pixels."
    )
    frames_apart: int = Field(
        1, description="Distance of the frames that are compared, so that they share no input."
    )
    change: Change | None = Field(
        None, description="What neighbouring planes may have spoilt; none where they were not used."
    )
    spread: float | None = Field(
        None, description="Spread of a teacher over its targets / noise of the source."
    )
    unlike: str = Field(
        "", description="How the source differs from the images that the model learnt from."
    )
    learnt_here: bool = Field(
        False, description="Whether the model is known to have learnt from the source."
    )

    def __repr__(self) -> str:
        return f"<trust report: {self.status}; in words: .verdicts>"

    __str__ = __repr__

    @property
    def status(self) -> str:
        """Status of the worst verdict: "good", "warn" or "bad"."""
        return self.verdicts[0].status


def examine(
    noisy: Planes,
    clean: Planes,
    denoiser: Denoiser | None = None,
    *,
    noise: NoiseReport | None = None,
    frames: Sequence[int] = (),
    record: Mapping[str, Any] | None = None,
) -> TrustReport:
    """Compare a denoised image with its source, on a few windows of them.

    Parameters
    ----------
    noisy, clean : Planes
        The noisy source and the denoised image, of equal sizes and channels.
    denoiser : Denoiser, optional
        If it is a teacher, the agreement of its outputs at different shifts is reported.
    noise : NoiseReport, optional
        Noise report of the source; measured if not given.
    frames : sequence of int
        Numbers of the planes that show the same scene over time.
    record : mapping, optional
        How the denoised image was made, to compare the source with what its model learnt from.

    Raises
    ------
    UserError
        If the images do not belong together, or there is nothing to measure.
    """
    record = record or {}
    if list(noisy.sizes) != list(clean.sizes) or noisy.channels != clean.channels:
        raise UserError("The denoised image must have the size and the channels of its source.")
    noise = noise or inspect(noisy)
    channels = read_pairs(noisy, clean)
    curves = [NoiseCurve.measure(pairs) for pairs in channels]
    every = [p.in_units_of(c) for pairs, c in zip(channels, curves, strict=True) for p in pairs]
    one = NoiseCurve.measure(every)
    seen = stacked(record, denoiser, noisy)
    apart = 2 * seen.neighbours + 1 if seen.axis == "T" else 1
    removed = float(np.median([np.median(curve.sigma) for curve in curves]))
    measured = Measured(
        noise=noise,
        sigma_ratio=removed / max(noise.sigma, 1e-12),
        correlation=correlation(every, one),
        scales=tuple(scale(every, one, size) for size in SIZES),
        biases=tuple(bias(pairs) for pairs in channels),
        frames=_frames(noisy, clean, frames[::apart]),
        frames_apart=apart,
        change=measure_change(noisy, clean, seen.axis, noise, curves, one) if seen.axis else None,
        spread=_spread(noisy, denoiser, noise),
        unlike=_unlike(noisy, denoiser, noise, record),
        learnt_here=learnt_from(record),
    )
    return TrustReport(verdicts=verdicts(measured), **measured._asdict())


def read_pairs(noisy: Planes, clean: Planes) -> list[list[Pair]]:
    """Read the same windows of both images, for each channel.

    Raises
    ------
    UserError
        If no window holds finite pixels.
    """
    channels: list[list[Pair]] = [[] for _ in range(noisy.channels)]
    for place in some_windows(noisy, WINDOW, WINDOWS):
        both = noisy.read(*place), clean.read(*place)
        for pairs, before, after in zip(channels, *both, strict=True):
            if np.isfinite(before).any() and np.isfinite(after).any():
                pairs.append(Pair.of(before, after))
    if not all(channels):
        raise UserError("There are no finite pixels to compare.")
    return channels


def _unlike(
    noisy: Planes, denoiser: Denoiser | None, noise: NoiseReport, record: Mapping[str, Any]
) -> str:
    """What the model says or else the record; of a model that learnt from the source, nothing."""
    if learnt_from(record) or brought_to_scale(record):
        return ""
    return misfit(denoiser, noisy) if denoiser is not None else unlike(record, noise)


def _frames(noisy: Planes, clean: Planes, frames: Sequence[int]) -> tuple[float, float] | None:
    found = resolution(noisy, frames), resolution(clean, frames)
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _spread(noisy: Planes, denoiser: Denoiser | None, noise: NoiseReport) -> float | None:
    """Root mean square of a teacher's spread over a few windows, in units of the noise."""
    if denoiser is None or not denoiser.is_teacher or len(denoiser.shifts) < 2:
        return None
    places, planes = some_windows(noisy, WINDOW, _SPREAD_WINDOWS), denoiser.stacked(noisy)
    spreads = [spread_map(planes.read(*place), denoiser) for place in places]
    mean = np.sqrt(np.mean([np.mean(spread**2) for spread in spreads]))
    return float(mean / max(noise.sigma, 1e-12))


def spread_map(image: Image, teacher: Denoiser) -> Image:
    """Standard deviation of a teacher's outputs over its targets: (C, h, w), float32.

    Parameters
    ----------
    image : ndarray, shape (C, h, w) or ((2 k + 1) C, h, w)
        A plane, alone or with its neighbours as `Denoiser.stacked` reads them.
    teacher : Denoiser
    """
    channels = teacher.channels
    whole = np.concatenate([fill_invalid(image[:channels]), image[channels:]])
    outputs = teacher.targets(whole, teacher.targets_at(teacher.shifts), DenoiseConfig())
    scale = np.reshape(teacher.normalisation.scale, (-1, 1, 1))
    return np.asarray(outputs.std(0) * scale, np.float32)


class PlaneMaps(NamedTuple):
    """Images and maps of one plane of one channel, each (h, w), float32."""

    noisy: Image
    clean: Image
    residual: Image
    removed: Image  # strength of the residual: about 1 where it is noise
    left: Image  # share of the noise that is in the output, 0 to 1


def plane_maps(noisy: Image, clean: Image) -> PlaneMaps:
    """The residual of a plane (h, w), and where structure was removed and noise was left."""
    pair = Pair.of(noisy, clean)
    curve = NoiseCurve.measure([pair])
    residual = pair.residual.astype(np.float32)
    return PlaneMaps(noisy, clean, residual, removed_map(pair, curve), left_map(pair, curve))
