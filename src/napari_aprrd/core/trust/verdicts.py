"""Verdicts in plain sentences, from measurements and bounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..config import Config
from ..noise.report import NoiseReport
from ..noise.stack import NAMES
from .change import Change
from .residual import Bias, Scale

Status = Literal["good", "warn", "bad"]
_WORST_FIRST: tuple[Status, ...] = ("bad", "warn", "good")
# Two bounds each: a value at or above the first gives a warning, at or above the second it is bad.
# They were chosen on results of known quality, see docs/trust.md and benchmarks/trust.py.
_EXCESS = (1.28, 1.45)  # variance of the residual at structure / in flat areas
_OUTLIERS = (1.7, 2.5)  # strongest local variance of the residual / that of equal noise
_LEFT = (0.14, 0.25)  # share of the noise that remains in the output
_UNTOUCHED = (0.35, 0.5)  # share of the noise's standard deviation that is missing in the residual
_CORRELATION = (0.2, 0.4)  # correlation of the noise minus that of the residual
_SHIFTED = (0.2, 0.3)  # mean bias / standard deviation of the residual
_BENT = (0.5, 1.0)  # bias at some brightness / standard deviation of the residual
_COARSER = (1.25, 2.0)  # finest detail on which denoised frames agree / that of noisy frames
_FADED = (0.15, 0.3)  # share of what changes that was replaced by what the neighbours show
_EVENTS = (1.45, 2.5)  # strongest places that look like a lost change / those of equal noise
_FEWER = "train with fewer neighbours (--neighbours 0)"
# Mean bias / standard deviation of the residual: a model that errs by more than the noise has not
# learnt what such images look like.
_STRANGE = 1.0
_SPREAD = (0.75, 1.5)  # spread of a teacher's outputs over its targets / noise of the source


class Verdict(Config):
    """The answer to one question."""

    check: str
    status: Status
    sentence: str
    details: str = Field("", description="More for those who know the method.")


class Measured(NamedTuple):
    """Measurements that the verdicts are based on; see `TrustReport`."""

    noise: NoiseReport
    sigma_ratio: float
    correlation: dict[str, tuple[float, ...]]
    scales: tuple[Scale, ...]
    biases: tuple[Bias, ...]
    frames: tuple[float, float] | None = None
    frames_apart: int = 1
    change: Change | None = None
    spread: float | None = None
    unlike: str = ""
    learnt_here: bool = False

    @property
    def bias(self) -> float:
        """Mean bias of the worst channel, in standard deviations of the residual."""
        return max(float(np.abs(relative).mean()) for relative in self.relative_biases)

    @property
    def relative_biases(self) -> list[NDArray[np.float64]]:
        """Bias over brightness in standard deviations of the residual, for each channel."""
        return [np.divide(b.bias, np.maximum(b.sigma, 1e-12)) for b in self.biases]

    @property
    def is_strange(self) -> bool:
        """Whether the model has hardly seen images like this one."""
        return self.bias >= _STRANGE and not self.learnt_here

    @property
    def remedy(self) -> str:
        """What to do about most faults."""
        return "train on this image" if self.is_strange or self.unlike else "train longer"


def verdicts(measured: Measured) -> tuple[Verdict, ...]:
    """Answer every question that can be answered, the worst verdict first."""
    found = [_signal(measured), _noise(measured), _brightness(measured)]
    if measured.change is not None:
        found[1] = _worst_first([found[1], _noise_of_neighbours(measured.change)])[0]
        found.append(_change(measured.change))
    if measured.is_strange or measured.unlike:
        found.insert(0, _training_data(measured))
    if measured.frames is not None:
        found.append(_frames(*measured.frames, measured.frames_apart, measured.remedy))
    if measured.spread is not None:
        found.append(_spread(measured.spread, measured.remedy))
    return tuple(_worst_first(found))


def _worst_first(found: Iterable[Verdict]) -> list[Verdict]:
    return sorted(found, key=lambda verdict: _WORST_FIRST.index(verdict.status))


def _status(*judged: tuple[float, tuple[float, float]]) -> Status:
    """Status of the worst of several values against their bounds."""
    worst = max(sum(value >= bound for bound in bounds) for value, bounds in judged)
    return _WORST_FIRST[2 - worst]


def _training_data(measured: Measured) -> Verdict:
    if not measured.is_strange:
        return Verdict(check="Training data", status="warn", sentence=measured.unlike)
    return Verdict(
        check="Training data",
        status="bad",
        sentence="The model has probably never seen images like this one: train on this image, or "
        "choose a model that learnt from such images.",
        details=measured.unlike,
    )


def _signal(measured: Measured) -> Verdict:
    strongest = max(measured.scales[1:], key=lambda scale: scale.excess)
    sparse = measured.scales[1]
    status = _status((strongest.excess, _EXCESS), (sparse.outliers, _OUTLIERS))
    many, details = _status((strongest.excess, _EXCESS)), ""
    if status == "good":
        sentence = "No visible signal loss."
    elif many == "good":
        sentence = (
            f"Single structures about {sparse.size} pixels wide may have been removed: look for "
            "them in the residual."
        )
    else:
        are = "is being removed" if status == "bad" else "may be losing contrast"
        sentence = f"Structure about {strongest.size} pixels wide {are}: {measured.remedy}."
        details = "A smaller shift may help too."
    return Verdict(check="Signal", status=status, sentence=sentence, details=details)


def _noise(measured: Measured) -> Verdict:
    left, untouched = measured.scales[0].left, 1 - measured.sigma_ratio
    lower = max(
        float(np.max(np.subtract(measured.noise.correlation[axis], lags)))
        for axis, lags in measured.correlation.items()
    )
    amount, details = _status((left, _LEFT), (untouched, _UNTOUCHED)), ""
    status = _status((left, _LEFT), (untouched, _UNTOUCHED), (lower, _CORRELATION))
    share = f"{100 * (left if left >= _LEFT[0] else untouched):.0f} %"
    if status == "good":
        sentence = "No visible residual noise."
    elif amount == "good":
        sentence = f"Blobs or lines of noise remain: {measured.remedy}."
        details = "A larger shift may help too."
    else:
        sentence = f"The output still has noise, about {share} of it: {measured.remedy}."
    return Verdict(check="Noise", status=status, sentence=sentence, details=details)


def _noise_of_neighbours(change: Change) -> Verdict:
    share = f"{100 * change.beside:.0f} %"
    return Verdict(
        check="Noise",
        status=_status((change.beside, _LEFT)),
        sentence=f"Noise that neighbouring {NAMES.get(change.axis, 'plane')}s have as well is in "
        f"the output, about {share} of the noise: {_FEWER}.",
    )


def _change(change: Change) -> Verdict:
    plane, faded = NAMES.get(change.axis, "plane"), change.faded or 0.0
    status = _status((faded, _FADED), (change.events, _EVENTS))
    changes = f"hat changes from {plane} to {plane}"
    if _status((faded, _FADED)) != "good":
        sentence = f"W{changes} fades by at least {100 * faded:.0f} %: {_FEWER}."
    elif status != "good":
        sentence = (
            f"Some of what a single {plane} shows may have faded: look for it in the residual."
        )
    elif change.faded is None:
        sentence = f"Hardly anything t{changes} stands out from the noise."
    else:
        sentence = f"W{changes} is kept."
    return Verdict(check="Change", status=status, sentence=sentence)


def _brightness(measured: Measured) -> Verdict:
    mean, relative = measured.bias, measured.relative_biases
    worst = max(relative, key=lambda values: float(np.abs(values).max()))
    place = int(np.abs(worst).argmax())
    status = _status((mean, _SHIFTED), (abs(float(worst[place])), _BENT))
    dark, bright = "too dark", "too bright"
    if status == "good":
        sentence = "Brightness is preserved."
    elif _status((mean, _SHIFTED)) != "good":
        way = dark if float(worst.mean()) > 0 else bright
        sentence = (
            f"The output is {way} by {100 * mean:.0f} % of the noise: do not measure brightness "
            f"in it; {measured.remedy}."
        )
    else:
        where = "Bright" if place >= len(worst) / 2 else "Dark"
        way = dark if worst[place] > 0 else bright
        sentence = f"{where} places are {way}: {measured.remedy}."
    return Verdict(check="Brightness", status=status, sentence=sentence)


def _frames(noisy: float, clean: float, apart: int, remedy: str) -> Verdict:
    status = _status((clean / noisy, _COARSER))
    before = f"(before denoising: {noisy:.1f})"
    same = "every other frame shows the same as the frames between"
    if apart > 1:  # closer ones may agree because the same noise went into both
        same = f"frames that were denoised from different frames ({apart} apart) show the same"
    if status == "good":
        sentence = f"{same[0].upper()}{same[1:]}, in detail down to {clean:.1f} pixels {before}."
    else:
        sentence = (
            f"Fine detail was lost: {same} only in detail from {clean:.1f} pixels up {before}; "
            f"{remedy}."
        )
    return Verdict(check="Frames", status=status, sentence=sentence)


def _spread(spread: float, remedy: str) -> Verdict:
    status = _status((spread, _SPREAD))
    share = f"{100 * spread:.0f} % of the noise"
    if status == "good":
        sentence = f"The model gives the same answer from other neighbours (within {share})."
    else:
        sentence = f"The model gives other answers from other neighbours (by {share}): {remedy}."
    details = "Standard deviation of the teacher's outputs over its targets."
    return Verdict(check="Repeatability", status=status, sentence=sentence, details=details)
