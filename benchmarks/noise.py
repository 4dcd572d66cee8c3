"""Is the noise report right? Its correlations against noisy minus reference.

    python benchmarks/noise.py DATA

DATA is a folder with pairs NAME_noisy.tif and NAME_reference.tif, at any depth. The truth is the
noisy image less the affinely fitted reference; of RGB, the mean of the channels. Beyond the noise
it holds what else differs between the two, such as a drift of the brightness: the last column is
its correlation at 32 pixels, which for noise is nearly 0.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality import Pair, find_pairs

from napari_aprrd import inspect_noise

LAGS, FAR = (1, 2, 3, 4), 32


def main() -> None:
    print("| image | truth, x | report, x | truth, y | report, y | error | at 32 px |")
    print(f"|{' --- |' * 7}")
    for pair in find_pairs(Path(sys.argv[1])):
        report = inspect_noise(pair.noisy, axes=pair.axes)
        errors = list(_errors(pair))
        rows = []
        for axis, name in ((1, "x"), (0, "y")):
            truth = np.mean([[_correlation(e, lag, axis) for lag in LAGS] for e in errors], axis=0)
            rows += [truth, np.array(report.correlation[name])]
        far = np.mean([[_correlation(e, FAR, axis) for axis in (0, 1)] for e in errors])
        error = max(np.abs(rows[0] - rows[1]).max(), np.abs(rows[2] - rows[3]).max())
        cells = [pair.name, *map(_words, rows), f"{error:.3f}", f"{far:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def _errors(pair: Pair) -> Any:
    """Noisy minus fitted reference of each plane, (H, W)."""
    noisy, reference = (a.astype(np.float64) for a in (pair.noisy, pair.reference))
    if pair.axes.endswith("S"):
        noisy, reference = noisy.mean(-1), reference.mean(-1)
    for plane in noisy if noisy.ndim == 3 else noisy[None]:
        gain, offset = np.polyfit(reference.ravel(), plane.ravel(), 1)
        yield plane - gain * reference - offset


def _correlation(error: NDArray[np.float64], lag: int, axis: int) -> float:
    first = np.take(error, range(lag, error.shape[axis]), axis)
    second = np.take(error, range(error.shape[axis] - lag), axis)
    return float((first * second).mean() / error.var())


def _words(values: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    main()
