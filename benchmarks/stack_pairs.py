"""Noisy stacks with references, for `quality.py --stacks`: real ones, and some with added noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[Any]
STILL = ("widefield_bpae_r", "confocal_mice", "confocal_fish", "twophoton_bpae_b")
FIFTY = "confocal_bpae_b_50frames"
STEPS = (0, 1, 3, 10)  # pixels that a crop jumps at most from frame to frame
LYSOSOMES = ("01", "02", "03", "04")
PHOTONS = 20  # of the brightest pixels
BLUR = 0.8  # pixels: sigma of blobby noise
SCORED = 8  # planes, spread over the whole stack, both ends among them


class Stack(NamedTuple):
    """A noisy stack, and the planes of it that are scored."""

    name: str
    axes: str
    noisy: Image  # (planes, Y, X)
    reference: Image  # (scored planes, Y, X)
    scored: list[int]
    minutes: float


def find_stacks(data: Path, only: Sequence[str] | None = None) -> list[Stack]:
    """All stacks that there are data for."""
    return [stack for stack in _all(data) if not only or stack.name in only]


def _all(data: Path) -> Iterator[Stack]:
    for name in STILL:
        noisy, reference = _pair(data, name)
        yield _stack(name, "TYX", noisy, np.stack([reference] * len(noisy)), 2.0)
    noisy, reference = _pair(data, FIFTY)
    yield _stack(FIFTY, "TYX", noisy, np.stack([reference] * len(noisy)), 3.0)
    for path in sorted(data.rglob("oct_zstack*_noisy.tif")):
        noisy, reference = _pair(data, path.name.removesuffix("_noisy.tif"))
        middle = [len(noisy) // 2]
        yield Stack(
            path.name.removesuffix("_noisy.tif"), "ZYX", noisy, reference[None], middle, 1.5
        )
    for number in LYSOSOMES:
        clean = tifffile.imread(next(data.rglob(f"lysosomes{number}_clean.tif")))
        for kind in ("poisson", "blobby"):
            photons, noisy = exposed(clean, kind, int(number))
            yield _stack(f"lysosomes{number}_{kind}", "TYX", noisy, photons, 2.0)
    noisy, reference = _pair(data, "video_poisson8")
    yield _stack("video_poisson8", "TYX", noisy, reference, 2.0)
    noisy, reference = _pair(data, FIFTY)
    for step in STEPS:
        crops, truth = jumping(noisy, reference, step)
        yield _stack(f"jumps_of_{step}", "TYX", crops, truth, 2.0)


def _pair(data: Path, name: str) -> tuple[Image, Image]:
    path = next(data.rglob(f"{name}_noisy.tif"))
    reference = path.with_name(path.name.replace("_noisy", "_reference"))
    return tifffile.imread(path), tifffile.imread(reference)


def _stack(name: str, axes: str, noisy: Image, reference: Image, minutes: float) -> Stack:
    places = np.linspace(0, len(noisy) - 1, min(SCORED, len(noisy))).round().astype(int).tolist()
    return Stack(name, axes, noisy, reference[places], places, minutes)


def exposed(clean: Image, kind: str, seed: int) -> tuple[Image, Image]:
    """Photons (float32) and what a camera counts of them, blurred within each frame if blobby."""
    rng = np.random.default_rng(seed)
    photons = np.maximum(clean, 0) * (PHOTONS / np.percentile(clean, 99.9))
    if kind == "poisson":
        return photons.astype(np.float32), rng.poisson(photons).astype(np.uint16)
    unit = ndimage.gaussian_filter(rng.normal(size=clean.shape), BLUR, axes=(1, 2))
    noisy = photons + np.sqrt(photons + 0.5) * unit / unit.std()
    return photons.astype(np.float32), noisy.astype(np.float32)


def jumping(noisy: Image, reference: Image, step: int, side: int = 256) -> tuple[Image, Image]:
    """Crops of real exposures whose position jumps by up to so many pixels, and the truth."""
    rng, most = np.random.default_rng(step), np.array(reference.shape) - side
    place, crops, truth = most // 2, [], []
    for frame in noisy:
        rows, columns = (slice(start, start + side) for start in place)
        crops.append(frame[rows, columns])
        truth.append(reference[rows, columns])
        place = np.clip(place + rng.integers(-step, step + 1, 2), 0, most)
    return np.stack(crops), np.stack(truth)
