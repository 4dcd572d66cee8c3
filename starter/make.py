"""Make the weights that training starts from: `src/napari_aprrd/core/model/weights/*.safetensors`.

    python starter/make.py teacher
    python starter/make.py student

Both networks learn to remove noise of random strength and correlation from images whose truth is
known: cells that this package draws, and photographs and micrographs that come with scikit-image.
A teacher learns it with a blind spot of random size, so that training on a user's images goes on
with what it knows; no image of a user, and none of the benchmarks, is used.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import skimage
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy import ndimage
from torch import Tensor

from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.data.synthetic import cells
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.hardware import autocast, pick_precision
from napari_aprrd.core.model.pretrained import FITTING, path_of

Image = NDArray[np.float32]

PICTURES = (
    *("astronaut", "brick", "camera", "cell", "chelsea", "coffee", "coins", "grass", "gravel"),
    *("hubble_deep_field", "ihc", "microaneurysms", "moon", "motorcycle_left", "page", "retina"),
    "rocket",
)
CELLS, SIDE = 32, 384  # images drawn, and their side in pixels
WINDOW = 256  # pixels: side of what gets noise at once
RATE, AVERAGE = 2e-3, 0.002  # highest learning rate; share of the newest weights in the average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["teacher", "student"])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=64)
    options = parser.parse_args()
    architecture = FITTING[options.kind]
    fresh = [Denoiser.fresh(architecture, Normalisation((0.0,), (1.0,)), 0) for _ in range(2)]
    network, average = (denoiser.network for denoiser in fresh)
    optimizer = torch.optim.Adam(network.parameters())
    device, teaches = torch.device("cpu"), fresh[0].is_teacher
    mixed = autocast(device, pick_precision(device, "auto", blind_spot=teaches))
    rng, scenes, recent = np.random.default_rng(0), drawn() + photographed(), []
    for step in range(options.steps):
        fraction = step / options.steps
        rate = RATE * min(1, 50 * fraction) * (1 + math.cos(math.pi * fraction)) / 2
        optimizer.param_groups[0]["lr"] = rate
        noisy, clean, shift = batch(rng, scenes, options.batch, options.patch)
        with mixed:
            output = network(noisy, shift) if options.kind == "teacher" else network(noisy)
        loss = (output.float() - clean).square().mean().sqrt()  # weak and strong noise alike
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recent.append(loss.item())
        with torch.no_grad():
            for mean, newest in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(newest, max(AVERAGE, 1 / (step + 1)))
        if step % 500 == 499:
            print(f"step {step + 1}: loss {np.mean(recent[-500:]):.4f}", flush=True)
    path_of(options.kind).parent.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in average.state_dict().items()}, path_of(options.kind))


def drawn() -> list[Image]:
    """Cells at two sizes; light from 0 to 1."""
    scenes = []
    for seed in range(CELLS):
        image = cells((SIDE, SIDE), seed=1000 + seed)
        image = ndimage.zoom(image, 0.7, order=1) if seed % 2 else image
        scenes.append((image / image.max()).astype(np.float32))
    return scenes


def photographed() -> list[Image]:
    """Each colour of the pictures, at half the size, which takes their own noise; 0 to 1."""
    scenes = []
    folder = Path(skimage.__file__).parent / "data"
    for name in PICTURES:
        picture = np.atleast_3d(iio.imread(next(folder.glob(f"{name}.*")))).astype(np.float32)
        for image in np.moveaxis(picture[..., :3], -1, 0):
            half = ndimage.uniform_filter(image, 2)[::2, ::2] if min(image.shape) > 300 else image
            low, high = np.percentile(half, [0.5, 99.5])
            scenes.append(((half - low) / max(high - low, 1e-6)).clip(0, 1.2))
    return scenes


def batch(
    rng: np.random.Generator, scenes: list[Image], count: int, side: int
) -> tuple[Tensor, Tensor, int]:
    """Noisy and clean crops (B, 1, side, side) of one image, and a shift that suits the noise."""
    drawn_one = rng.random() < 0.5
    scene = scenes[rng.integers(CELLS) if drawn_one else rng.integers(CELLS, len(scenes))]
    (window,) = crops(rng, [scene], min(WINDOW, *scene.shape), 1)[0]
    clean = window ** rng.uniform(0.6, 2.2)
    noise, shift = noise_for(rng, clean)
    noisy = clean + noise
    mean, deviation = noisy.mean(), noisy.std() + 1e-6
    pairs = crops(rng, [(noisy - mean) / deviation, (clean - mean) / deviation], side, count)
    noisy_crops, clean_crops = (torch.from_numpy(np.stack(part)[:, None]) for part in pairs)
    return noisy_crops.contiguous(memory_format=torch.channels_last), clean_crops, shift


def crops(
    rng: np.random.Generator, images: list[Image], side: int, count: int
) -> list[list[Image]]:
    """Crops at random places and in random orientations, the same ones of all images."""

    def places() -> Iterator[tuple[int, int, int]]:
        height, width = images[0].shape
        for _ in range(count):
            top, left = (int(rng.integers(n - side + 1)) for n in (height, width))
            yield top, left, int(rng.integers(8))

    chosen = list(places())
    return [
        [turned(image[top : top + side, left : left + side], way) for top, left, way in chosen]
        for image in images
    ]


def turned(image: Image, way: int) -> Image:
    """One of the eight orientations."""
    image = np.rot90(image, way % 4)
    return np.ascontiguousarray(image[::-1] if way >= 4 else image)


def noise_for(rng: np.random.Generator, clean: Image) -> tuple[Image, int]:
    """Noise of random strength, dependence on light and correlation, and a shift that suits it."""
    photons = rng.uniform()
    strength = math.exp(rng.uniform(math.log(0.02), math.log(0.5))) * 2 * (clean.std() + 0.05)
    light = clean / max(float(clean.mean()), 0.02)
    deviation = strength * np.sqrt(photons * light + 1 - photons)
    unit, shift = rng.normal(size=clean.shape), int(rng.integers(1, 7))
    match rng.choice(["white", "blobby", "lines"], p=[0.4, 0.3, 0.3]):
        case "blobby":
            unit = ndimage.gaussian_filter(unit, rng.uniform(0.4, 1.1))
        case "lines":
            taps = rng.uniform(0.15, 0.6) ** np.arange(9)
            unit = ndimage.convolve1d(unit, taps, axis=int(rng.integers(2)))
        case _:
            return (deviation * unit).astype(np.float32), shift
    return (deviation * unit / unit.std()).astype(np.float32), max(shift, 3)


if __name__ == "__main__":
    main()
