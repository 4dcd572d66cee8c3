"""Noise that planes of a stack share, and that a model took for structure where they did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..data.planes import Planes
from ..noise.beside import windows_beside
from ..noise.report import NoiseReport
from ..noise.shared import noise_correlation
from ..noise.stack import NAMES, StackReport


def known_noise(record: Mapping[str, Any]) -> NoiseReport | None:
    """Noise of the images that a model learnt from; None where its record does not say."""
    try:
        return NoiseReport.model_validate(record.get("noise"))
    except ValueError:  # it was trained without a report, or the record is somebody else's
        return None


def shared_in(planes: Planes, axis: str) -> StackReport:
    """What the noise of planes has in common along an axis; a few windows are read."""
    found = noise_correlation(windows_beside(planes, axis))
    by_lag = {str(lag): value for lag, value in found.items()}
    return StackReport(axis=axis, neighbours=0, correlation=by_lag)


def newly_shared(now: StackReport | None, learnt: NoiseReport | None) -> str:
    """Say that planes share noise, where those that a model with neighbours learnt from did not.

    Parameters
    ----------
    now : StackReport or None
        Of the images.
    learnt : NoiseReport or None
        Of those that the model learnt from.

    Returns
    -------
    str
        A sentence with figures; empty if that is not so, or not known.
    """
    before = learnt.stack if learnt is not None else None
    if now is None or before is None or now.axis != before.axis:
        return ""
    if not now.shares_noise or before.shares_noise:
        return ""
    planes, most = f"{NAMES.get(now.axis, 'plane')}s", max(now.correlation.values(), key=abs)
    return (
        f"Neighbouring {planes} of these images share noise (correlation {most:.2f}), and those "
        "this model learnt from did not: a part of the noise may stay. Train on these images."
    )
