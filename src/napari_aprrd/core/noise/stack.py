"""What neighbouring planes of a stack have in common: their scene, or their noise too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from ..config import Config
from ..data.planes import Planes
from .beside import windows_beside
from .gain import expected_gain
from .shared import SHARED, noise_correlation, shared_scene

_NO_NOISE = 0.05  # correlation of the noise, below which noise counts as not shared at all
_ALIKE = 0.7  # a fixed pattern has at the furthest lag at least this share of its correlation at 1
# Lowering of the error, as a linear prediction sees it, from which on neighbours are used. Networks
# gain more: 0.2 dB where it sees 1 %. Which of their outputs count is measured after training.
_WORTH = 0.005
# Two on either side cost hardly more than one, so they are used unless they lose this much by it;
# three where they add that much. See docs/experiments.md#kept, "Two neighbours".
_LOSES, _ADDS = 0.02, 0.05
_LITTLE = (
    0.1  # lowering up to which the figure is not told: networks may gain several times as much
)
_SAME = 0.5  # share of the coarse structure in common, below which planes show different things
_HARDLY = 1.0  # pixels from plane to plane up to which a scene hardly moves
NAMES = {"T": "frame", "Z": "slice"}  # what planes along an axis are called
_JOINED = {"T": "registered", "Z": "reconstructed together"}


class StackReport(Config):
    """What neighbouring planes have in common, measured on the noisy images alone."""

    axis: str = Field(description="Letter of the axis along which planes are neighbours.")
    neighbours: int = Field(description="Neighbours on either side that are worth using; 0: none.")
    correlation: dict[str, float] = Field(
        {}, description="Correlation of the noise of planes, by how many planes they are apart."
    )
    same: float = Field(
        0.0, description="Share of the coarse structure that next planes have in common."
    )
    motion: float | None = Field(
        None, description="Pixels by which the scene moves from plane to plane, if that shows."
    )
    gains: tuple[float, ...] = Field(
        (),
        description="Share by which 0, 1, 2 and 3 neighbours on either side should lower the mean "
        "squared error; none where they share noise.",
    )
    copies: float = Field(0.0, description="Share of next planes that are exact copies.")
    sentence: str = Field("", description="What follows, in plain words.")

    @property
    def has_pattern(self) -> bool:
        """Whether the noise holds a pattern that is the same in every plane."""
        values = list(self.correlation.values())
        return len(values) > 1 and values[-1] > max(SHARED, _ALIKE * values[0])

    @property
    def shares_noise(self) -> bool:
        """Whether planes share so much noise that neighbours would show what is to be hidden."""
        return any(abs(value) > SHARED for value in self.correlation.values())


def measure_stack(
    planes: Planes, hidden: int, correlation: Mapping[str, Sequence[float]], *, seed: int = 0
) -> StackReport | None:
    """Measure what planes share along the axis of a stack; of two, along the one that gains more.

    Parameters
    ----------
    planes : Planes
        A few windows of them are read.
    hidden : int
        Shift of the blind spot that hides what pixels of a plane share, in pixels.
    correlation : mapping of str to sequence of float
        Of the noise along x and y, as in a noise report.
    seed : int
        Seed for the positions of the windows.

    Returns
    -------
    StackReport or None
        None where no plane has a neighbour, or planes are too small.
    """
    found = [_along(axis, planes, hidden, correlation, seed) for axis in planes.stack_axes]
    return max((report for report in found if report), key=_worth, default=None)


def _worth(report: StackReport) -> tuple[float, bool]:
    return report.gains[report.neighbours] if report.gains else 0.0, report.shares_noise


def _along(
    axis: str, planes: Planes, hidden: int, correlation: Mapping[str, Sequence[float]], seed: int
) -> StackReport | None:
    windows = windows_beside(planes, axis, seed=seed)
    nexts = sum(w.copies + (1 in w.others) + (-1 in w.others) for w in windows)
    if not nexts:  # a single plane, or one between blank ones
        return None
    report = StackReport(axis=axis, neighbours=0, copies=sum(w.copies for w in windows) / nexts)
    between = noise_correlation(windows)
    gain = expected_gain(windows, hidden, correlation, between, seed=seed)
    if gain is None:
        return _with_sentence(report) if report.copies == 1 else None
    same, motion = shared_scene(windows, gain.noise, correlation)
    motion = motion if axis == "T" else None  # slices differ in other ways than by a motion
    by_lag = {str(lag): value for lag, value in between.items()}
    report = StackReport.of(report, correlation=by_lag, same=same, motion=motion)
    if not report.shares_noise:
        report = StackReport.of(report, gains=gain.lowering, neighbours=_enough(gain.lowering))
    return _with_sentence(report)


def _enough(gains: Sequence[float]) -> int:
    """How many neighbours on either side to use: none, two, or where another number is better."""
    if max(gains) < _WORTH:
        return 0
    enough = 1
    for more, least in ((2, -_LOSES), (3, _ADDS)):
        if len(gains) > more and enough == more - 1 and gains[more] >= gains[enough] + least:
            enough = more
    return enough


def _with_sentence(report: StackReport) -> StackReport:
    return StackReport.of(report, sentence=_sentence(report, NAMES.get(report.axis, "plane")))


def _sentence(report: StackReport, name: str) -> str:
    """What was found, and what follows."""
    alone, many = f"each {name} is denoised alone", f"{name.capitalize()}s"
    if report.copies == 1:
        return f"Every {name} is an exact copy of the next: {alone}."
    if report.shares_noise:
        return _on_noise(report, name, alone)
    if report.neighbours:
        return _on_use(report, many)
    if report.same < _SAME:
        return f"{many} have no scene in common: {alone}."
    if report.motion is not None and report.motion > _HARDLY:
        return (
            f"The scene moves by about {report.motion:.0f} pixels from {name} to {name}, too far "
            f"for neighbours to help: {alone}."
        )
    return f"{many} show the same, but neighbours would hardly lower the error: {alone}."


def _on_noise(report: StackReport, name: str, alone: str) -> str:
    values = list(report.correlation.values())
    if report.has_pattern:
        return (
            f"A fixed pattern repeats in every {name} ({100 * values[-1]:.0f} % of the noise): "
            f"{alone}; subtract a dark frame first."
        )
    why = f"averaged, interpolated or {_JOINED.get(report.axis, 'registered')}"
    if len(values) == 1:  # which may also repeat everywhere
        why = "averaged, or a fixed pattern"
    most = max(values, key=abs)
    return f"Neighbouring {name}s share noise (correlation {most:.2f}: {why}?): {alone}."


def _on_use(report: StackReport, many: str) -> str:
    number, most = report.neighbours, max(map(abs, report.correlation.values()), default=0.0)
    noise = "not their noise" if most < _NO_NOISE else f"little noise (correlation {most:.2f})"
    each = "neighbour on either side is" if number == 1 else "neighbours on either side are"
    gain = report.gains[number]
    much = f"by about {100 * gain:.0f} %" if gain > _LITTLE else "a little"
    return (
        f"{many} share their scene and {noise}: {number} {each} used, which should lower the "
        f"error {much}."
    )
