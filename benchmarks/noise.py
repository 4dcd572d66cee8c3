"""Is the noise report right? Its correlations against noisy minus reference.

    python benchmarks/noise.py DATA

DATA is a folder with pairs NAME_noisy.tif and NAME_reference.tif, at any depth. The truth is the
noisy image less the affinely fitted reference; of RGB, the mean of the channels. Beyond the noise
it holds what else differs between the two, such as a drift of the brightness or edges that moved:
its correlation at 32 pixels, which for noise is nearly 0, tells. The last column compares with the
truth in the flattest quarter of squares of 32 pixels, less their means.

    python benchmarks/noise.py DATA --stacks

says what planes share, of the stacks of `stack_pairs.py` and of the others below DATA/stacks.

    python benchmarks/noise.py --camera

compares strength and correlation of the noise with the truth, for each colour of photographs with
the noise of a small camera, and the correlation of the colours' noise with each other. The truth
is the noise before it was cut off at 0 and 255.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tifffile
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from quality import CAMERA_LIKE, Pair, find_pairs
from stack_pairs import find_stacks

from napari_aprrd import inspect_noise
from napari_aprrd.core.data.camera_noise import camera_like

LAGS, FAR = (1, 2, 3, 4), 32
AXES = {"x": -1, "y": -2}
SQUARE = 32  # pixels
Array = NDArray[np.float64]


def main() -> None:
    if "--camera" in sys.argv:
        _photographs()
        return
    if "--stacks" in sys.argv:
        _stacks(Path(sys.argv[1]))
        return
    print("| image | truth, x | report, x | truth, y | report, y | error | at 32 px | flat |")
    print(f"|{' --- |' * 8}")
    for pair in find_pairs(Path(sys.argv[1])):
        if pair.group == CAMERA_LIKE:  # whose colours have different noise: --camera
            continue
        report = inspect_noise(pair.noisy, axes=pair.axes)
        noise, signal = _truth(pair)
        flat = _flattest(noise, signal)
        rows, errors, errors_flat = [], [], []
        for name, axis in AXES.items():
            told = np.array(report.correlation[name])
            truth, in_flat = (
                np.array([_correlation(n, k, axis) for k in LAGS]) for n in (noise, flat)
            )
            rows += [truth, told]
            errors += [np.abs(truth - told).max()]
            errors_flat += [np.abs(in_flat - told).max()]
        far = np.mean([_correlation(noise, FAR, axis) for axis in AXES.values()])
        cells = [pair.name, *map(_words, rows), f"{max(errors):.3f}", f"{far:.2f}"]
        print(f"| {' | '.join([*cells, f'{max(errors_flat):.3f}'])} |", flush=True)


def _stacks(data: Path) -> None:
    print("| stack | neighbours | lags 1 2 3 10 | in common | motion | gain of 1 2 3 | why |")
    print(f"|{' --- |' * 7}")
    stacks = [(stack.name, stack.axes, stack.noisy) for stack in find_stacks(data)]
    for path in sorted(data.rglob("*.tif")):
        if path.parent.name == "stacks" or "no_reference" in path.name:
            with tifffile.TiffFile(path) as file:
                stacks.append((path.stem, file.series[0].axes, file.asarray()))
    for name, axes, noisy in stacks:
        found = inspect_noise(noisy, axes=axes).stack
        if found is None:
            continue
        motion = "" if found.motion is None else f"{found.motion:.1f}"
        gains = " ".join(f"{100 * gain:.0f}" for gain in found.gains[1:])
        lags = _words(np.array(list(found.correlation.values())))
        cells = [name, found.neighbours, lags, f"{found.same:.2f}", motion, gains, found.sentence]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def _photographs() -> None:
    print("| photograph | cut off | sigma | report | lag 1, x | report | r-g, r-b, g-b | report |")
    print(f"|{' --- |' * 8}")
    ratios = []
    for one in camera_like():
        noise = np.moveaxis(one.uncut - one.clean, -1, 0)
        report = inspect_noise(one.noisy, axes="YXS")
        told = np.array([channel.sigma for channel in report.channels])
        between = (np.corrcoef(noise.reshape(3, -1)), np.array(report.between_channels))
        near = [_correlation(colour[None], 1, AXES["x"]) for colour in noise]
        told_near = [channel.correlation["x"][0] for channel in report.channels]
        sigma = noise.std(axis=(1, 2))
        ratios += list(told / sigma)
        cells = [f"{100 * (one.noisy == 0).mean():.0f} %"]
        cells += [" ".join(f"{value:.1f}" for value in values) for values in (sigma, told)]
        cells += [_words(np.array(values)) for values in (near, told_near)]
        cells += [_words(table[np.triu_indices(3, 1)]) for table in between]
        print(f"| {' | '.join([one.name, *cells])} |", flush=True)
    print(f"\nReport / truth: {min(ratios):.2f} to {max(ratios):.2f}, mean {np.mean(ratios):.2f}")


def _truth(pair: Pair) -> tuple[Array, Array]:
    """Noisy minus fitted reference, and the reference, (N, H, W)."""
    noisy, reference = (a.astype(np.float64) for a in (pair.noisy, pair.reference))
    if pair.axes.endswith("S"):
        noisy, reference = noisy.mean(-1), reference.mean(-1)
    noisy = noisy.reshape(-1, *reference.shape)
    fits = [np.polyfit(reference.ravel(), plane.ravel(), 1) for plane in noisy]
    noise = [
        plane - gain * reference - offset for plane, (gain, offset) in zip(noisy, fits, strict=True)
    ]
    return np.array(noise), np.broadcast_to(reference, noisy.shape)


def _flattest(noise: Array, signal: Array) -> Array:
    """The quarter of the squares with the least varied signal, less their means."""
    squares, signals = (
        sliding_window_view(planes, (SQUARE, SQUARE), axis=(1, 2))[:, ::SQUARE, ::SQUARE].reshape(
            -1, SQUARE, SQUARE
        )
        for planes in (noise, signal)
    )
    flat = squares[np.argsort(signals.var(axis=(1, 2)))[: len(squares) // 4]]
    return np.asarray(flat - flat.mean(axis=(1, 2), keepdims=True))


def _correlation(noise: Array, lag: int, axis: int) -> float:
    """Mean of the planes' (N, H, W)."""
    first = np.take(noise, range(lag, noise.shape[axis]), axis)
    second = np.take(noise, range(noise.shape[axis] - lag), axis)
    variances = noise.var(axis=(1, 2))
    return float(((first * second).mean(axis=(1, 2)) / variances).mean())


def _words(values: Array) -> str:
    return " ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    main()
