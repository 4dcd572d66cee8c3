"""Make the weights that training starts from: `src/napari_aprrd/core/model/weights/*.safetensors`.

    python starter/make.py teacher PHOTOGRAPHS --steps 9000 --batch 4
    python starter/make.py student PHOTOGRAPHS --steps 10000 --batch 8
    python starter/make.py teacher PHOTOGRAPHS --neighbours 3 --steps 6000 --batch 4
    python starter/make.py student PHOTOGRAPHS --neighbours 3 --steps 6000 --batch 8

So the files were made; the first two took 45 and 15 minutes of one core without AVX-512 or
bfloat16, the last two about 12 minutes each of one with it. These go on from the first and also
see neighbouring planes of stacks, in which things stand still or move as `stacks.py` tells.
Networks with fewer neighbours take their part of these weights, since some of the stacks have
fewer, and some planes have none.

Both networks learn, supervised, to remove simulated noise of random strength and correlation from
images whose truth is known: the simulated scenes of `scenes.py`, pictures that come with
scikit-image, and photographs by others, which are not part of this repository. PHOTOGRAPHS is a
folder that holds these, at any depth; to fetch them:

    apt-get download lomiri-wallpapers-16.04        # Debian; photographs of CC0 and CC BY 4.0
    dpkg -x lomiri-wallpapers-16.04_*.deb PHOTOGRAPHS
    pip download --no-deps scikit-learn             # china.jpg and flower.jpg, CC BY 2.0
    unzip scikit_learn-*.whl 'sklearn/datasets/images/*' -d PHOTOGRAPHS

No image of a user is used, and none that the README, the documentation, the samples, the demo or
a benchmark shows or scores; a test compares the names. A teacher learns with a blind spot of
random size, so that training on a user's images goes on with what it knows.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import skimage
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from scenes import scenes
from scipy import ndimage
from stacks import stack
from torch import Tensor, nn

from napari_aprrd.core.data.neighbours import offsets
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.model.architecture import Architecture
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.hardware import autocast
from napari_aprrd.core.model.pretrained import FITTING, path_of, take
from napari_aprrd.core.model.trials import Trial, pick_precision

Image = NDArray[np.float32]

PICTURES = (  # of scikit-image
    *("brick", "camera", "cell", "coins", "grass", "gravel", "ihc", "microaneurysms", "moon"),
    *("motorcycle_left", "page"),
)
PHOTOGRAPHS = (  # of Lomiri (its copyright file says by whom), and of scikit-learn
    *("aitzgorri_by_Aitzol_Berasategi", "friends_by_Aitzol_Berasategi"),
    *("life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi"),
    *("Picture_0B_by_freespace", "Picture_1A_by_freespace", "seeding_by_Clements_Engelhardt"),
    *("sunset_by_Aitzol_Berasategi", "umang_by_Abhishek_Mudgal", "Wine_by_Jakkub_Mede"),
    *("china", "flower"),
)
SCENES, SIDE = 180, 384  # simulated ones, and their side in pixels
LONGEST = 1000  # pixels: about the longer side of a photograph once its own noise is averaged away
WINDOW = 256  # pixels: side of what gets noise at once
SAVED = 1000  # steps from one saving of the average to the next
RATE, AVERAGE = 2e-3, 0.002  # highest learning rate; share of the newest weights in the average
STACKED_WINDOW = 128  # pixels: side of the windows of stacks
ALONE, MIRRORED = 0.25, 0.1  # shares of the crops of stacks without neighbours, and as at the ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["teacher", "student"])
    parser.add_argument("photographs", type=Path, help="Folder with the photographs.")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--neighbours", type=int, default=0, help="Planes on either side.")
    options = parser.parse_args()
    reach = options.neighbours
    architecture = Architecture.of(FITTING[options.kind], neighbours=reach)
    fresh = [Denoiser.fresh(architecture, Normalisation((0.0,), (1.0,)), 0) for _ in range(2)]
    network, average = (denoiser.network for denoiser in fresh)
    if reach:
        for start in (network, average):
            take(start, load_file(path_of(options.kind)))
    optimizer = torch.optim.Adam(network.parameters())
    device = torch.device("cpu")
    trial = Trial(architecture, options.batch, options.patch)
    mixed = autocast(device, pick_precision(device, "auto", trial))
    rng, recent = np.random.default_rng(0), list[float]()
    kinds = (scenes(SCENES, SIDE), photographed(options.photographs))
    for step in range(options.steps):
        fraction = step / options.steps
        rate = RATE * min(1, 50 * fraction) * (1 + math.cos(math.pi * fraction)) / 2
        optimizer.param_groups[0]["lr"] = rate
        make = partial(batch_of_stacks, reach=reach) if reach else batch
        noisy, clean, shift = make(rng, kinds, options.batch, options.patch)
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
        if (step + 1) % SAVED == 0 or step + 1 == options.steps:
            print(f"step {step + 1}: loss {np.mean(recent[-SAVED:]):.4f}", flush=True)
            save(average, path_of(options.kind, stacked=reach > 0))


def save(network: nn.Module, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, path)


def photographed(folder: Path) -> list[Image]:
    """Each colour of all pictures, at half the size or less, which takes their noise; 0 to 1."""
    images, own = [], Path(skimage.__file__).parent / "data"
    for place, names in ((own, PICTURES), (folder, PHOTOGRAPHS)):
        for name in names:
            picture = np.atleast_3d(iio.imread(next(place.rglob(f"{name}.*")))).astype(np.float32)
            images += [stretched(colour) for colour in np.moveaxis(picture[..., :3], -1, 0)]
    return images


def stretched(image: Image) -> Image:
    """Means of squares of pixels, and nearly all of them from 0 to 1."""
    factor = max(2, round(max(image.shape) / LONGEST)) if min(image.shape) > 300 else 1
    middle = slice(factor // 2, None, factor)
    smaller = ndimage.uniform_filter(image, factor)[middle, middle]
    low, high = np.percentile(smaller, [0.5, 99.5])
    return np.asarray(((smaller - low) / max(high - low, 1e-6)).clip(0, 1.2), dtype=np.float32)


def batch(
    rng: np.random.Generator, kinds: tuple[list[Image], ...], count: int, side: int
) -> tuple[Tensor, Tensor, int]:
    """Noisy and clean crops (B, 1, side, side) of one image, and a shift that suits the noise."""
    images = kinds[rng.integers(len(kinds))]
    image = images[rng.integers(len(images))]
    (window,) = crops(rng, [image], min(WINDOW, *image.shape), 1)[0]
    clean = window ** rng.uniform(0.6, 2.2)
    noisy, shift = exposed(rng, clean)
    mean, deviation = noisy.mean(), noisy.std() + 1e-6
    pairs = crops(rng, [(noisy - mean) / deviation, (clean - mean) / deviation], side, count)
    noisy_crops, clean_crops = (torch.from_numpy(np.stack(part)[:, None]) for part in pairs)
    return noisy_crops.contiguous(memory_format=torch.channels_last), clean_crops, shift


def batch_of_stacks(
    rng: np.random.Generator, kinds: tuple[list[Image], ...], count: int, side: int, reach: int
) -> tuple[Tensor, Tensor, int]:
    """The same of stacks: noisy crops are (B, 2 k + 1, side, side), the plane to denoise first.

    Some lack the outer neighbours, some have those of one side on both, as at the ends of a stack,
    and some have none.
    """
    images = kinds[rng.integers(len(kinds))]
    order = [reach, *(reach + offset for offset in offsets(reach))]
    clean = stack(rng, images, STACKED_WINDOW, reach)[order]
    noisy, shift = exposed(rng, clean)
    mean, deviation = noisy.mean(), noisy.std() + 1e-6
    planes = [(plane - mean) / deviation for plane in (clean[0], *noisy)]
    cropped = crops(rng, planes, side, count)
    inputs = np.stack(cropped[1:], axis=1)  # (B, 2 k + 1, side, side)
    inputs[:, 1 + 2 * int(rng.integers(1, reach + 1)) :] = 0
    for planes_of_one in inputs:
        planes_of_one[1:] = as_in_a_stack(rng, planes_of_one[1:])
    noisy_crops = torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last)
    return noisy_crops, torch.from_numpy(np.stack(cropped[0])[:, None]), shift


def as_in_a_stack(rng: np.random.Generator, neighbours: Image) -> Image:
    """Neighbours, (2 k, side, side), that may be reversed, mirrored or missing."""
    backwards = np.arange(len(neighbours)) ^ 1  # what comes before changes places with what follows
    if rng.random() < 0.5:
        neighbours = neighbours[backwards]
    if rng.random() < MIRRORED:
        neighbours = neighbours[np.arange(len(neighbours)) | 1]
    return neighbours * np.float32(rng.random() >= ALONE)


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


def exposed(rng: np.random.Generator, clean: Image) -> tuple[Image, int]:
    """A noisy image or stack (..., Y, X), and a shift of the blind spot that suits its noise.

    The noise is of random strength, dependence on light and correlation. Some cameras count
    single photons, some cut off what is below their black level.
    """
    if rng.random() < 0.12:
        mean = max(float(clean.mean()), 0.02)
        photons = math.exp(rng.uniform(math.log(0.3), math.log(100))) / mean  # of light 1
        return (rng.poisson(clean * photons) / photons).astype(np.float32), int(rng.integers(1, 7))
    noise, shift = noise_for(rng, clean)
    noisy = clean + noise
    return (np.maximum(noisy, 0) if rng.random() < 0.12 else noisy), shift


def noise_for(rng: np.random.Generator, clean: Image) -> tuple[Image, int]:
    """Noise of random strength, dependence on light and correlation, and a shift that suits it."""
    photons = rng.uniform()
    strength = math.exp(rng.uniform(math.log(0.007), math.log(0.6))) * 2 * (clean.std() + 0.03)
    light = clean / max(float(clean.mean()), 0.02)
    deviation = strength * np.sqrt(photons * light + 1 - photons)
    unit, shift = rng.normal(size=clean.shape), int(rng.integers(1, 7))
    match rng.choice(["white", "blobby", "lines"], p=[0.4, 0.3, 0.3]):
        case "blobby":
            unit = ndimage.gaussian_filter(unit, rng.uniform(0.4, 1.1), axes=(-2, -1))
        case "lines":
            taps = rng.uniform(0.15, 0.6) ** np.arange(9)
            unit = ndimage.convolve1d(unit, taps, axis=int(rng.integers(2)) - 2)
        case _:
            return (deviation * unit).astype(np.float32), shift
    return (deviation * unit / unit.std()).astype(np.float32), max(shift, 3)


if __name__ == "__main__":
    main()
