"""The noise of one channel: how strong and how far correlated it is at each brightness."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtri

from ..config import Config
from ..data.planes import Image
from .artefacts import clipped_share
from .autocorrelation import (
    HALF_PLANE,
    LAGS,
    Array,
    Lag,
    autocovariance,
    detrended,
    spread_of_variance,
    variances,
)
from .channel_blocks import Blocks, Flat, blocks_of, smooth_blocks
from .clipping import MOST_CUT, are_counted, uncut

# Bounds without another source are chosen, not measured, as those of `blocks`.
# Largest share of a group's pixels at an end of the range where cut noise does not explain them.
_HARDLY_CUT = 0.05
_FEWEST_BLOCKS = 20  # that must remain when blocks of which most is cut off are left out
_DARK_EXCESS = 2.0  # a group with this many times the variance of a brighter one has structure
# Pixels of the next to lowest value, for each of the lowest, from which on values may be counts: of
# a photon in every twenty pixels.
_OFTEN = 0.05
_WINDOWS = 4  # of each channel: as many as an image of 512 x 512 pixels has
_PLACES = 128  # enough for the correlation of two channels to a hundredth

Covariance = dict[Lag, float]


class NoiseAt(Config):
    """The noise of one channel at one brightness."""

    brightness: float = Field(description="In the units of the source.")
    sigma: float = Field(description="Standard deviation, before it was cut off at an end.")
    correlation: float = Field(description="Of neighbours, mean of x and y.")


class ChannelNoise(Config):
    """The noise of one channel."""

    channel: int = Field(description="Number of the channel, from 0.")
    sigma: float = Field(
        description="Root mean square, before it was cut off, where the image is not black."
    )
    correlation: dict[str, tuple[float, ...]] = Field(
        description="Correlation of the noise at lags 1 to 4 along 'x', 'y' and 'diagonal'."
    )
    uncut: bool = Field(False, description="Whether noise that was cut off at an end was undone.")
    by_brightness: tuple[NoiseAt, ...] = Field((), description="From dark to bright.")

    @property
    def sentence(self) -> str:
        """The same in plain words."""
        at = ", ".join(f"{one.sigma:.3g} at {one.brightness:.3g}" for one in self.by_brightness)
        return f"Noise of channel {self.channel} by brightness: {at}."


class Group(NamedTuple):
    """The noise of flat blocks of one brightness."""

    flat: Flat
    seen: float  # brightness as it is
    brightness: float  # without the bias of noise that was cut off
    variance: float
    covariance: Covariance  # in units of the variance after detrending
    is_uncut: bool  # whether the variance is that before the cut


class Noise(NamedTuple):
    """The noise of N blocks, measured in the flat ones among them."""

    groups: list[Group]  # from dark to bright
    covariance: Covariance
    everywhere: Array  # (M,): variance of the noise, by brightness, of blocks not all cut off


def measure_channels(
    windows: list[Image], pairs: list[tuple[Image, Image]], channels: int, colours: bool
) -> tuple[tuple[ChannelNoise, ...], tuple[tuple[float, ...], ...]]:
    """The noise of each channel that has blocks to measure it in, and how it is correlated.

    Parameters
    ----------
    windows : list of ndarray, shape (h, w)
        All channels of a place after each other.
    pairs : list of (ndarray, ndarray)
        Each window and that of the next plane, if these show the same scene, or none.
    channels : int
    colours : bool
        Whether the channels are the colours of a photograph.

    Returns
    -------
    (tuple of ChannelNoise, tuple of tuple of float)
        The second is the correlation of the noise of each of these channels with each, empty for
        a single one.
    """
    every = channels * -(-len(windows) // (_WINDOWS * channels))
    measured = {
        c: _of_channel(windows[c::every], pairs[c::every], colours) for c in range(channels)
    }
    found = {c: one for c, one in measured.items() if one is not None}
    return (
        tuple(_described(c, noise) for c, (_, noise) in found.items()),
        _between_all(list(found.values())),
    )


def _of_channel(
    windows: list[Image], pairs: list[tuple[Image, Image]], colours: bool
) -> tuple[Blocks, Noise] | None:
    """The noise of one channel, None without a block to measure it in."""
    pixels = np.concatenate([window[np.isfinite(window)] for window in windows])
    if pixels.size == 0:
        return None
    low, high = float(pixels.min()), float(pixels.max())
    ends = (
        low if clipped_share(pixels, low) else np.nan,
        high if clipped_share(pixels, high) else np.nan,
    )
    step = _step(pixels, low) if ends[0] == low < high else 0.0
    blocks = blocks_of(windows, pairs, ends)
    noise = _measure(blocks, ends, step, rising=not colours)
    return None if noise is None else (blocks, noise)


def _step(pixels: NDArray[Any], low: float) -> float:
    """From the lowest to the next value, 0 if that is rare: photons would have it often."""
    above = pixels[pixels > low]
    following = float(above.min())
    often = (above == following).sum() > _OFTEN * (len(pixels) - len(above))
    return following - low if often else 0.0


def _measure(
    blocks: Blocks, ends: tuple[float, float], step: float, *, rising: bool
) -> Noise | None:
    """Measure the noise of one channel.

    Parameters
    ----------
    blocks : Blocks
    ends : (float, float)
        The lowest and the highest value, NaN where no pixels pile up there.
    step : float
        From the lowest to the next value, if many pixels have that.
    rising : bool
        Whether noise cannot decrease with brightness, as that of all detectors. Of photographs it
        can, behind the curve that makes their darks lighter.

    Returns
    -------
    Noise or None
        None without a block to measure in.
    """
    if not len(blocks.seen):
        return None
    means, cut = blocks.seen.mean((1, 2)), blocks.shares.max(axis=1, initial=0)
    smooth, rough = variances(blocks.seen)
    is_film = blocks.noise is not blocks.seen  # whose differences contain no structure
    if is_film:
        rough = variances(blocks.noise)[1]
    usable = np.flatnonzero((cut <= MOST_CUT) & (rough > 0))
    if len(usable) < _FEWEST_BLOCKS:
        usable = np.flatnonzero(rough > 0)
    if not len(usable):
        return None
    parts = (part[usable] for part in (means, smooth, rough))
    found = smooth_blocks(*parts, structured=not is_film)
    flat = [Flat(usable[group.smooth], usable[group.calm]) for group in found]
    counted = are_counted(float(rough[flat[0].calm].mean()), step)
    if counted:  # of which none is negative
        blocks = blocks._replace(shares=blocks.shares * (0, 1))
    groups = [_group(blocks, rough, one, ends) for one in flat]
    groups = [g for g in groups if counted or _is_whole(g, cut)] or groups
    if rising:
        groups = _rising(groups)
    counts = [len(group.flat.calm) for group in groups]
    covariance = _weighted([group.covariance for group in groups], counts)
    if not counted:  # else the blocks with hardly a photon count, too
        means = means[usable]
    everywhere = np.interp(means, [g.seen for g in groups], [g.variance for g in groups])
    return Noise(groups, covariance, everywhere)


def _described(channel: int, noise: Noise) -> ChannelNoise:
    """The noise of a channel for a report."""
    at = []
    for group in noise.groups:
        c = group.covariance
        near = (c[0, 1] + c[1, 0]) / 2 / c[0, 0]
        sigma = float(np.sqrt(group.variance))
        at.append(NoiseAt(brightness=group.brightness, sigma=sigma, correlation=near))
    return ChannelNoise(
        channel=channel,
        sigma=float(np.sqrt(noise.everywhere.mean())),
        correlation=_correlation(noise.covariance),
        uncut=any(group.is_uncut for group in noise.groups),
        by_brightness=tuple(at),
    )


def _correlation(covariance: Covariance) -> dict[str, tuple[float, ...]]:
    """Correlation at lags 1 to 4 along x, y and diagonally."""
    variance, lags = covariance[0, 0], range(1, LAGS + 1)
    return {
        "x": tuple(covariance[0, k] / variance for k in lags),
        "y": tuple(covariance[k, 0] / variance for k in lags),
        "diagonal": tuple((covariance[k, k] + covariance[k, -k]) / 2 / variance for k in lags),
    }


def _weighted(covariances: list[Covariance], weights: list[int]) -> Covariance:
    """Mean of covariances."""
    return {
        lag: float(np.average([c[lag] for c in covariances], weights=weights)) for lag in HALF_PLANE
    }


def _between_all(channels: list[tuple[Blocks, Noise]]) -> tuple[tuple[float, ...], ...]:
    """Correlation of the noise of each channel with each; empty for a single one."""
    if len(channels) < 2:
        return ()
    table = np.eye(len(channels))
    for i, j in itertools.combinations(range(len(channels)), 2):
        (first, one), (second, other) = channels[i], channels[j]
        table[i, j] = table[j, i] = _between(first, second, (one, other)) or 0.0
    return tuple(tuple(map(float, row)) for row in table)


def _between(first: Blocks, second: Blocks, noises: tuple[Noise, Noise]) -> float | None:
    """Correlation of two channels' noise, in the blocks that are calm in either."""
    places = [
        b.place[np.concatenate([group.flat.calm for group in noise.groups])]
        for b, noise in zip((first, second), noises, strict=True)
    ]
    shared = np.intersect1d(first.place, second.place)
    shared = shared[np.isin(shared, np.concatenate(places))]
    if not len(shared):
        return None
    shared = shared[:: -(-len(shared) // _PLACES)]
    a, b = (
        detrended(blocks.noise[np.searchsorted(blocks.place, shared)]) for blocks in (first, second)
    )
    a, b = (rest / rest.std((1, 2), keepdims=True) for rest in (a, b))
    return float(np.nanmean(a * b))


def _group(blocks: Blocks, rough: Array, flat: Flat, ends: tuple[float, float]) -> Group:
    covariance = autocovariance(detrended(blocks.noise[flat.calm]))
    seen = float(blocks.seen[flat.smooth].mean())
    variance = covariance[0, 0] * float(rough[flat.calm].mean())
    variance /= 1 + _by_chance(flat) * spread_of_variance(covariance, blocks.noise[0].size)
    low, high = map(float, blocks.shares[flat.smooth].mean(axis=0))
    before = uncut(seen, variance, (low, high), ends)
    if before is None:
        return Group(flat, seen, seen, variance, covariance, False)
    return Group(flat, seen, before.mean, before.variance, covariance, True)


def _by_chance(flat: Flat) -> float:
    """How much less the calm blocks vary by chance, in standard deviations: about -0.8 for half."""
    # Expected order statistics of a normal distribution (Blom 1958).
    ranks = np.arange(1, len(flat.calm) + 1)
    return float(ndtri((ranks - 0.375) / (len(flat.smooth) + 0.25)).mean())


def _is_whole(group: Group, cut: Array) -> bool:
    """Whether a group's variance is not that of noise of which a part was cut off."""
    hardly = cut[group.flat.smooth].mean() < _HARDLY_CUT
    return bool(group.is_uncut or hardly)


def _rising(groups: list[Group]) -> list[Group]:
    """Without dark groups that contain structure, and none noisier than a brighter one."""
    kept: list[Group] = []
    calmest = least = np.inf
    for group in reversed(groups):
        calmest = min(calmest, group.variance)
        if group.variance <= _DARK_EXCESS * calmest:
            least = min(least, group.variance)
            kept.append(group._replace(variance=least))
    return kept[::-1]
