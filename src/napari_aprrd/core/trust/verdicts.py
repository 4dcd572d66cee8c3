"""Verdicts in plain sentences, from measurements and bounds."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from ..config import Config
from ..noise.report import NoiseReport
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
_SPREAD = (0.75, 1.5)  # spread of a teacher's outputs over its shifts / noise of the source


class Verdict(Config):
    """The answer to one question."""

    check: str
    status: Status
    sentence: str


class Measured(NamedTuple):
    """Measurements that the verdicts are based on; see `TrustReport`."""

    noise: NoiseReport
    sigma_ratio: float
    correlation: dict[str, tuple[float, ...]]
    scales: tuple[Scale, ...]
    biases: tuple[Bias, ...]
    frames: tuple[float, float] | None = None
    spread: float | None = None


def verdicts(measured: Measured) -> tuple[Verdict, ...]:
    """Answer every question that can be answered, the worst verdict first."""
    found = [_signal(measured), _noise(measured), _intensities(measured.biases)]
    if measured.frames is not None:
        found.append(_frames(*measured.frames))
    if measured.spread is not None:
        found.append(_spread(measured.spread))
    return tuple(sorted(found, key=lambda verdict: _WORST_FIRST.index(verdict.status)))


def _status(*judged: tuple[float, tuple[float, float]]) -> Status:
    """Status of the worst of several values against their bounds."""
    worst = max(sum(value >= bound for bound in bounds) for value, bounds in judged)
    return _WORST_FIRST[2 - worst]


def _signal(measured: Measured) -> Verdict:
    strongest = max(measured.scales[1:], key=lambda scale: scale.excess)
    sparse = measured.scales[1]
    status = _status((strongest.excess, _EXCESS), (sparse.outliers, _OUTLIERS))
    many = _status((strongest.excess, _EXCESS))
    if status == "good":
        sentence = "No visible signal loss."
    elif many == "good":
        sentence = (
            f"Single structures of about {sparse.size} px may have been removed: look for them in "
            "the residual."
        )
    else:
        are = "is being removed" if status == "bad" else "may be losing contrast"
        sentence = (
            f"Structure of about {strongest.size} px {are}: train longer, or try a smaller shift."
        )
    return Verdict(check="Signal", status=status, sentence=sentence)


def _noise(measured: Measured) -> Verdict:
    left, untouched = measured.scales[0].left, 1 - measured.sigma_ratio
    lower = max(
        float(np.max(np.subtract(measured.noise.correlation[axis], lags)))
        for axis, lags in measured.correlation.items()
    )
    amount = _status((left, _LEFT), (untouched, _UNTOUCHED))
    status = _status((left, _LEFT), (untouched, _UNTOUCHED), (lower, _CORRELATION))
    share = f"{100 * (left if left >= _LEFT[0] else untouched):.0f} %"
    if status == "good":
        sentence = "No visible residual noise."
    elif amount == "good":
        sentence = "Correlated noise remains: train longer or use a larger shift."
    else:
        sentence = f"The output still has noise, about {share} of it: train longer."
    return Verdict(check="Noise", status=status, sentence=sentence)


def _intensities(biases: tuple[Bias, ...]) -> Verdict:
    relative = [np.divide(b.bias, np.maximum(b.sigma, 1e-12)) for b in biases]
    mean = max(float(np.abs(values).mean()) for values in relative)
    worst = max(relative, key=lambda values: float(np.abs(values).max()))
    place = int(np.abs(worst).argmax())
    status = _status((mean, _SHIFTED), (abs(float(worst[place])), _BENT))
    dark, bright = "too dark", "too bright"
    if status == "good":
        sentence = "Intensities are preserved."
    elif _status((mean, _SHIFTED)) != "good":
        way = dark if float(worst.mean()) > 0 else bright
        sentence = f"The output is {way} by {100 * mean:.0f} % of the noise: do not measure in it."
    else:
        where = "Bright" if place >= len(worst) / 2 else "Dark"
        sentence = f"{where} places are {dark if worst[place] > 0 else bright}: train longer."
    return Verdict(check="Intensities", status=status, sentence=sentence)


def _frames(noisy: float, clean: float) -> Verdict:
    status = _status((clean / noisy, _COARSER))
    sentence = f"Frames agree on detail down to {clean:.1f} px, noisy frames to {noisy:.1f} px"
    sentence += "." if status == "good" else ": fine detail was lost."
    return Verdict(check="Frames", status=status, sentence=sentence)


def _spread(spread: float) -> Verdict:
    status = _status((spread, _SPREAD))
    agree = "agree" if status == "good" else "disagree"
    share = f"{100 * spread:.0f} % of the noise"
    sentence = f"The outputs at different shifts {agree} (spread {share})"
    sentence += "." if status == "good" else ": train longer."
    return Verdict(check="Repeatability", status=status, sentence=sentence)
