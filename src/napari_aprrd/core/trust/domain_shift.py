"""Comparison of images with those that a model was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..data.planes import MemoryPlanes, Planes, some_windows
from ..data.scaling import Normalisation
from ..errors import UserError
from ..noise.report import NoiseReport, inspect
from ..noise.stack import NAMES
from .shared_noise import known_noise, newly_shared, shared_in

if TYPE_CHECKING:
    from ..model.denoiser import Denoiser


SIDE, WINDOWS = 256, 8  # pixels, and number of windows: half of what `inspect` reads

# Factor in intensity or noise above which images count as different. The loss of quality is
# measured in docs/questions.md#can-i-use-a-model-on-other-images. The bound lies between changes
# that are common and harmless, such as half or double the exposure, and the smallest change of
# number type: from 12 to 10 bits, a factor of 4 (from 12 to 8 bits it is 16).
FACTOR = 3.0
# Largest factor between the changes of mean, contrast and noise if only the scale has changed.
# Chosen, not measured.
_ALIKE = 2.0
# At most 1 / 16 of the training pixels are further from their mean (Chebyshev's inequality), so
# that training has hardly seen the intensities of images whose mean is further away.
_DEVIATIONS = 4.0
_PUBLISHED_TOP = 255.0  # the published networks expect intensities of 0 to 255
_THOSE = "those this model learnt from"
_TWO_LEVELS = 2.0  # images that are darker than this everywhere are not on that scale
_ADVICE = (
    "the result may be wrong. Train on such images; or, if they differ in gain and offset alone, "
    "denoise them in Python or the shell with normalise='image'."
)


class _Statistics(NamedTuple):
    """Mean and contrast (standard deviation) of one channel, and the noise of all channels."""

    mean: float
    spread: float
    noise: NoiseReport | None


def misfit(denoiser: Denoiser, planes: Planes) -> str:
    """Say how images differ from those that a model was trained on.

    Parameters
    ----------
    denoiser : Denoiser
        Its normalisation and its record describe its training images.
    planes : Planes
        A few windows of them are read.

    Returns
    -------
    str
        A sentence with figures; empty if the images fit, or if they cannot be compared.
    """
    record = denoiser.record
    known = "imported" in record or "train" in record
    if not known or planes.channels != denoiser.channels:  # the job itself refuses other channels
        return ""
    try:
        windows = MemoryPlanes([planes.read(*w) for w in some_windows(planes, SIDE, WINDOWS)])
        normal = Normalisation.of_windows(windows.images)
    except UserError:  # constant or unreadable images are reported by the job itself
        return ""
    unknown = set(denoiser.normalisation.not_learnt)
    for channel in sorted(unknown - set(normal.not_learnt)):
        return (
            f"Channel {channel} (from 0) was constant in the images that this model learnt from: "
            "it stays as it is. Train on images in which it is not."
        )
    found = _statistics(normal, _noise_of(windows))
    if "imported" in record:
        sentences = [_of_published(now) for now in found.values()]
    else:
        noise = known_noise(record)
        learnt, alone = _statistics(denoiser.normalisation, noise), planes.channels == 1
        both = sorted(found.keys() & learnt.keys())
        sentences = [_compared(found[c], learnt[c], alone) for c in both]
        if denoiser.neighbours_in(planes):
            sentences.append(newly_shared(shared_in(planes, denoiser.stack_axis), noise))
    return next(filter(None, sentences), "")


def missing_neighbours(denoiser: Denoiser, planes: Planes) -> str:
    """Say that images have no stack, where a model learnt from neighbouring planes of one.

    Parameters
    ----------
    denoiser : Denoiser
    planes : Planes
        Nothing of them is read.

    Returns
    -------
    str
        A sentence; empty if the model sees the neighbours that it learnt from, or never saw any.
    """
    if not denoiser.neighbours or denoiser.neighbours_in(planes):
        return ""
    axis = denoiser.stack_axis
    beside = f"{NAMES.get(axis, 'plane')}s (axis {axis})" if axis else "planes"
    return (
        f"This model learnt from neighbouring {beside}, and this image has none: its planes are "
        "denoised alone."
    )


def unlike(record: Mapping[str, Any], noise: NoiseReport) -> str:
    """Say how an image's noise differs from that of the images its model learnt from.

    Parameters
    ----------
    record : mapping
        How the denoised image was made, as it holds it. It has the noise of the training images,
        and not their brightness, which only a model has; see `misfit`.
    noise : NoiseReport
        Of the noisy image.

    Returns
    -------
    str
        A sentence with figures; empty if they are alike, or if the record does not say.
    """
    if "train" not in record:
        return ""
    learnt = known_noise(record)
    if learnt is None:
        return ""
    said = _compared_noise(noise, learnt)
    if said:
        return f"{said}; {_ADVICE}"
    saw_neighbours = _facts(_facts(record, "train"), "config").get("neighbours")
    return newly_shared(noise.stack, learnt) if saw_neighbours else ""


def learnt_from(record: Mapping[str, Any]) -> bool:
    """Whether a denoised image's model learnt from its source, as far as the record says."""
    own, *learnt = (
        _facts(_facts(record, stage), "input").get("sha256")
        for stage in ("denoise", "train", "distill")
    )
    return own is not None and own in learnt


def brought_to_scale(record: Mapping[str, Any]) -> bool:
    """Whether the image was brought to the brightness and contrast that the model expects."""
    return _facts(_facts(record, "denoise"), "config").get("normalise") == "image"


def _facts(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a record; empty where there is none, or the record is somebody else's."""
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}


def _noise_of(windows: MemoryPlanes) -> NoiseReport | None:
    try:
        return inspect(windows)
    except UserError:  # too small to measure its noise
        return None


def _statistics(normal: Normalisation, noise: NoiseReport | None) -> dict[int, _Statistics]:
    """Statistics of each channel that is not constant."""
    pairs = enumerate(zip(normal.offset, normal.scale, strict=True))
    return {c: _Statistics(*of, noise) for c, of in pairs if c not in normal.not_learnt}


def _compared(now: _Statistics, learnt: _Statistics, alone: bool) -> str:
    figures = f"mean {now.mean:.3g} against {learnt.mean:.3g}"
    scale = _change_of_scale(now, learnt, alone)
    if scale:
        more = _times(scale, "brighter", "darker")
        return f"These images are {more} than {_THOSE} ({figures}); {_ADVICE}"
    if abs(now.mean - learnt.mean) > _DEVIATIONS * learnt.spread:
        more = "brighter" if now.mean > learnt.mean else "darker"
        about = f"{figures}, where its images spread by {learnt.spread:.3g}"
        return f"These images are far {more} than {_THOSE} ({about}); {_ADVICE}"
    if now.noise is not None and learnt.noise is not None:
        said = _compared_noise(now.noise, learnt.noise)
        if said:
            means = f"their mean intensity is {now.mean:.3g} against {learnt.mean:.3g}"
            return f"{said}, and {means}; {_ADVICE}"
    return ""


def _compared_noise(now: NoiseReport, learnt: NoiseReport) -> str:
    """The beginning of a sentence on noise that is outside the range of the training images."""
    change = _change_of_noise(now, learnt)
    if not change:
        return ""
    more = _times(change, "stronger", "weaker")
    figures = f"({now.sigma:.3g} against {learnt.sigma:.3g})"
    return f"The noise of these images is {more} than in {_THOSE} {figures}"


def _change_of_scale(now: _Statistics, learnt: _Statistics, alone: bool) -> float:
    """The factor by which all intensities differ, if it is a common and large one, else 0.

    The noise report covers all channels together, so it is only used for a channel that is `alone`.
    """
    if now.mean * learnt.mean <= 0:
        return 0.0
    ratios = [now.mean / learnt.mean, now.spread / learnt.spread]
    if alone and now.noise is not None and learnt.noise is not None and learnt.noise.sigma > 0:
        ratios.append(now.noise.sigma / learnt.noise.sigma)
    alike = min(ratios) > 0 and max(ratios) <= _ALIKE * min(ratios)
    large = min(ratios) > FACTOR or max(ratios) < 1 / FACTOR
    return ratios[0] if alike and large else 0.0


def _change_of_noise(now: NoiseReport, learnt: NoiseReport) -> float:
    """The factor by which the noise is outside the range of the training images, else 0."""
    # The noise ranges from that in the darkest to that in the brightest areas of those images.
    brightness = learnt.sigma / learnt.relative if learnt.relative > 0 else 0.0
    least = min(learnt.read, learnt.sigma)
    most = max(math.sqrt(learnt.read**2 + learnt.shot * brightness), learnt.sigma)
    outside = now.sigma < least / FACTOR or now.sigma > most * FACTOR
    return now.sigma / learnt.sigma if outside and now.sigma > 0 < learnt.sigma else 0.0


def _of_published(now: _Statistics) -> str:
    if now.mean <= _PUBLISHED_TOP and now.mean + _DEVIATIONS * now.spread >= _TWO_LEVELS:
        return ""
    return (
        "The published networks learnt from intensities of 0 to 255, and the mean of these images "
        f"is {now.mean:.3g}; the result may be wrong. Scale the images to 0 to 255."
    )


def _times(ratio: float, more: str, less: str) -> str:
    factor, word = (ratio, more) if ratio > 1 else (1 / ratio, less)
    if factor >= 1000:
        factor = float(f"{factor:.2g}")  # 12,345 becomes 12,000: more digits would mean nothing
    return f"{factor:.0f} times {word}"
