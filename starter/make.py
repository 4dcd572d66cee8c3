"""Make the weights that training starts from: `src/napari_aprrd/core/model/weights/*.safetensors`.

    python starter/make.py teacher PHOTOGRAPHS --minutes 2
    python starter/make.py student PHOTOGRAPHS --minutes 2
    python starter/make.py teacher PHOTOGRAPHS --minutes 2 --neighbours 3
    python starter/make.py student PHOTOGRAPHS --minutes 2 --neighbours 3

On one GPU and 16 cores the four take less than 8 minutes, the first two and then the last two at
the same time; on two cores give them `--batch 8 --minutes 45`. The last two go on from the first
and also see neighbouring planes of stacks, in which things stand still or move as `stacks.py`
tells. Networks with fewer neighbours take their part of these weights, since some of the stacks
have fewer, and some planes have none. `benchmarks/starting.py` tells whether new weights are
better than those that are there. Those for planes alone went on in this way from earlier ones, for
1.2 minutes at `--rate 1e-3`, the teacher with `--share 0.3`; those for stacks are older.

Both networks learn, supervised, to remove simulated noise of random strength and correlation
(`exposures.py`) from images whose truth is known: the simulated scenes of `scenes.py`, pictures
that come with scikit-image, and photographs by others, which are not part of this repository.
PHOTOGRAPHS is a folder that holds these, at any depth; to fetch them:

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
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from exposures import exposed
from numpy.typing import NDArray
from pictures import pictures
from safetensors.torch import load_file, save_file
from scenes import FIRST_SEED, KINDS, scene
from stacks import stack
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from napari_aprrd.core.data.neighbours import offsets
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.model.architecture import Architecture
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.model.hardware import pick_device
from napari_aprrd.core.model.pretrained import FITTING, path_of, take

Image = NDArray[np.float32]

SCENES, SIDE = 180, 384  # simulated ones, and their side in pixels
WINDOW, STACKED_WINDOW = 256, 128  # pixels: side of what gets noise at once, and of stacks
CROPS = 4  # of each window
SAVED = 500  # steps from one saving of the average to the next
RATE, AVERAGE = 2e-3, 0.002  # highest learning rate; share of the newest weights in the average
ALONE, MIRRORED = 0.25, 0.1  # shares of the crops of stacks without neighbours, and as at the ends
READY = 4  # batches of clean windows that each process has ready


def main() -> None:
    options = _options()
    device = pick_device(options.device)
    torch.backends.cudnn.benchmark = True  # all batches are of one size
    reach, name = options.neighbours, options.kind
    workers = 0 if device.type == "cpu" else options.workers
    clean = iter(clean_windows(options, workers))  # before this process uses the GPU
    first = next(clean)
    file = options.out / path_of(name, stacked=reach > 0).name
    architecture = Architecture.of(FITTING[name], neighbours=reach)
    fresh = [Denoiser.fresh(architecture, Normalisation((0.0,), (1.0,)), 0) for _ in range(2)]
    start = options.start or (made(options.out, name) if reach else None)
    for denoiser in fresh if start else ():
        take(denoiser.network, load_file(start))
    network, average = (
        denoiser.network.to(device, memory_format=torch.channels_last) for denoiser in fresh
    )
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    rng, generator = np.random.default_rng(0), torch.Generator(device).manual_seed(0)
    losses, began, fraction, step = list[Tensor](), time.perf_counter(), 0.0, 0
    while fraction < 1:
        rate = options.rate * min(1, 50 * fraction) * (1 + math.cos(math.pi * fraction)) / 2
        optimizer.param_groups[0]["lr"] = rate
        if step % options.uses == 0:
            windows = (next(clean) if step else first).to(device, non_blocking=True).float()
        noisy, truth, shift = batch(rng, generator, windows, options)
        output = network(noisy, shift) if name == "teacher" else network(noisy)
        loss = loss_of(output, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        step += 1
        with torch.no_grad():
            share = max(AVERAGE, 1 / step)
            torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), share)
        spent = (time.perf_counter() - began) / 60
        fraction = step / options.steps if options.steps else spent / options.minutes
        if step % SAVED == 0 or fraction >= 1:
            mean = float(torch.stack(losses).mean())
            print(f"step {step}, {spent:.1f} min: loss {mean:.4f}", flush=True)
            losses.clear()
            save(average, file, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["teacher", "student"])
    parser.add_argument("photographs", type=Path, help="Their folder, or what pictures.py wrote.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--steps", type=int, help="Instead of minutes.")
    parser.add_argument("--batch", type=int, default=64, help=f"A multiple of {CROPS}.")
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--neighbours", type=int, default=0, help="Planes on either side.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=max((os.cpu_count() or 2) - 2, 1))
    parser.add_argument("--uses", type=int, default=2, help="Of windows, with new noise each.")
    parser.add_argument("--start", type=Path, help="Weights to go on from.")
    parser.add_argument(
        "--share", type=float, default=1.0, help="Of the way from these weights that is kept."
    )
    parser.add_argument("--out", type=Path, default=path_of("teacher").parent)
    return parser.parse_args()


def made(out: Path, name: str) -> Path:
    """The weights for planes alone: those just made, or those that are there."""
    file = path_of("teacher" if name == "teacher" else "student")
    return out / file.name if (out / file.name).exists() else file


def save(network: nn.Module, path: Path, options: argparse.Namespace) -> None:
    """Write the weights, or a mean of these and of those that they went on from."""
    path.parent.mkdir(exist_ok=True)
    state = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    if options.share < 1:
        before = load_file(options.start)
        state = {name: before[name].lerp(value, options.share) for name, value in state.items()}
    save_file(state, path)


def loss_of(output: Tensor, truth: Tensor) -> Tensor:
    """Mean over windows of the root of their mean square: weak and strong noise alike."""
    squares = (output.float() - truth).square().flatten(1)
    return squares.reshape(-1, CROPS * squares.shape[1]).mean(1).sqrt().mean()


# --- Clean windows, on the CPU --------------------------------------------------------------------


class CleanWindows(IterableDataset[Tensor]):
    """Windows of the images without end, (N, P, side, side), float16; planes in the order of crops.

    Parameters
    ----------
    kinds : tuple of lists of images
        Each window is of one of these kinds, all equally often.
    count, reach : int
        Windows at a time, and planes on either side.
    """

    def __init__(self, kinds: tuple[list[Image], ...], count: int, reach: int) -> None:
        self.kinds, self.count, self.reach = kinds, count, reach

    def __iter__(self) -> Iterator[Tensor]:
        worker = get_worker_info()
        rng = np.random.default_rng((1, 0 if worker is None else worker.id))
        order = [self.reach, *(self.reach + offset for offset in offsets(self.reach))]
        while True:
            windows = []
            for _ in range(self.count):
                images = self.kinds[rng.integers(len(self.kinds))]
                if self.reach:
                    windows.append(stack(rng, images, STACKED_WINDOW, self.reach)[order])
                else:
                    windows.append(window(rng, images)[None])
            yield torch.from_numpy(np.stack(windows).astype(np.float16))


def clean_windows(options: argparse.Namespace, workers: int) -> DataLoader[Tensor]:
    """Batches of clean windows, made by so many processes besides this one."""
    with ProcessPoolExecutor(max(workers, 1)) as pool:
        drawn = list(pool.map(drawn_scene, range(SCENES)))
    kinds = (drawn, pictures(options.photographs))
    source = CleanWindows(kinds, options.batch // CROPS, options.neighbours)
    more = {"prefetch_factor": READY, "pin_memory": True} if workers else {}
    return DataLoader(source, batch_size=None, num_workers=workers, **more)


def drawn_scene(number: int) -> Image:
    """One of the simulated scenes; see `scenes.scenes`."""
    return scene(FIRST_SEED + number, KINDS[number % len(KINDS)], SIDE)


def window(rng: np.random.Generator, images: list[Image]) -> Image:
    """A window of one of the images, with contrast as after some other camera's curve."""
    image = images[rng.integers(len(images))]
    if min(image.shape) < WINDOW:
        image = np.pad(image, [(0, max(WINDOW - n, 0)) for n in image.shape], mode="reflect")
    top, left = (int(rng.integers(n - WINDOW + 1)) for n in image.shape)
    return image[top : top + WINDOW, left : left + WINDOW] ** np.float32(rng.uniform(0.6, 2.2))


# --- Batches, on the device -----------------------------------------------------------------------


def batch(
    rng: np.random.Generator,
    generator: torch.Generator,
    clean: Tensor,
    options: argparse.Namespace,
) -> tuple[Tensor, Tensor, int]:
    """Noisy crops (B, P, side, side), their truth (B, 1, side, side), and a shift for the noise.

    The plane to denoise comes first. Some stacks lack the outer neighbours, some have those of one
    side on both, as at their ends, and some have none.
    """
    noisy, shift = exposed(rng, generator, clean)
    mean = noisy.mean((1, 2, 3), keepdim=True)
    deviation = noisy.std((1, 2, 3), keepdim=True) + 1e-6
    planes = (torch.cat((clean[:, :1], noisy), 1) - mean) / deviation
    cropped = crops(rng, planes, options.patch)
    truth, inputs = cropped[:, :1], cropped[:, 1:]
    if options.neighbours:
        inputs = as_in_stacks(rng, inputs, options.neighbours)
    return inputs.contiguous(memory_format=torch.channels_last), truth, shift


def crops(rng: np.random.Generator, windows: Tensor, side: int) -> Tensor:
    """Crops of all windows (N * CROPS, P, side, side) at random places.

    All the crops of a batch have the same one of the eight orientations.
    """
    parts = []
    for image in windows:
        for _ in range(CROPS):
            top, left = (int(rng.integers(n - side + 1)) for n in image.shape[1:])
            parts.append(image[:, top : top + side, left : left + side])
    turned = torch.rot90(torch.stack(parts), int(rng.integers(4)), (2, 3))
    return turned.flip(2) if rng.random() < 0.5 else turned


def as_in_stacks(rng: np.random.Generator, inputs: Tensor, reach: int) -> Tensor:
    """Planes (B, 2 k + 1, side, side) whose neighbours may be reversed, mirrored or missing."""
    count, planes = inputs.shape[:2]
    order, there = np.tile(np.arange(planes), (count, 1)), np.ones((count, planes), np.float32)
    for own, seen in zip(order, there, strict=True):
        neighbours = np.arange(planes - 1)
        if rng.random() < 0.5:  # what comes before changes places with what follows
            neighbours = neighbours ^ 1
        if rng.random() < MIRRORED:
            neighbours = neighbours[np.arange(planes - 1) | 1]
        own[1:] = 1 + neighbours
        seen[1 + 2 * int(rng.integers(1, reach + 1)) :] = 0
        seen[1:] *= rng.random() >= ALONE
    chosen = torch.from_numpy(order).to(inputs.device)[:, :, None, None].expand_as(inputs)
    return inputs.gather(1, chosen) * torch.from_numpy(there).to(inputs.device)[:, :, None, None]


if __name__ == "__main__":
    main()
