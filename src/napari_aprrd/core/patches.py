"""Crops for training, read straight from the source: never all of them, never a whole stack."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .errors import UserError

Image = NDArray[np.float32]
Place = tuple[int, slice, slice]  # plane, rows, columns
HELD_OUT_BLOCK = np.uint64(16)  # pixels: wider than the noise is correlated


class Planes(Protocol):
    """Planes of one or several images, read lazily. All have the same channels."""

    @property
    def channels(self) -> int:
        """Number of channels C."""

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Height and width of each plane, in pixels."""

    @property
    def colours(self) -> bool:
        """Whether the channels are the colours of one picture."""

    @property
    def in_memory(self) -> bool:
        """Whether reading takes no time to speak of."""

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32, in the units of the source.

        Raises
        ------
        UserError
            If the source fails.
        """


@dataclass(frozen=True)
class MemoryPlanes:
    """Planes that are arrays in memory, each (C, H, W)."""

    images: Sequence[Image]
    colours: bool = False
    in_memory = True

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return int(self.images[0].shape[0])

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each plane, in pixels."""
        return [image.shape[1:] for image in self.images]

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32."""
        return np.asarray(self.images[plane][:, rows, columns], np.float32)


@dataclass(frozen=True)
class Normalisation:
    """Per channel: network value = (value - offset) / scale. It is kept with the model."""

    offset: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def measure(cls, planes: Planes, *, seed: int = 0, windows: int = 32) -> Normalisation:
        """Measure mean and standard deviation on random windows of the planes, see `of`."""
        rng, places = np.random.default_rng(seed), Places(planes.sizes)
        pixels = np.concatenate(
            [
                planes.read(*places.draw(rng, 256)).reshape(planes.channels, -1)
                for _ in range(windows)
            ],
            axis=1,
        )
        return cls.of(pixels)

    @classmethod
    def of(cls, pixels: Image) -> Normalisation:
        """Mean and standard deviation of pixels, (C, N).

        Those beyond the 1st and 99th percentile count as these: a few hot ones have no say.

        Raises
        ------
        UserError
            If the images are constant or hold no finite pixel.
        """
        if not np.isfinite(pixels).any(axis=1).all():
            raise UserError("The image has no finite pixels (all NaN or infinite).")
        pixels = np.where(np.isfinite(pixels), pixels, np.nan)
        low, high = np.nanpercentile(pixels, [1, 99], axis=1)
        sparse = high <= low  # bright spots on a constant background
        low = np.where(sparse, np.nanmin(pixels, axis=1), low)
        high = np.where(sparse, np.nanmax(pixels, axis=1), high)
        constant = high <= low
        if constant.any():
            raise UserError(
                f"The image is constant (value {low[constant][0]:g}): "
                "there is no noise to learn from."
            )
        pixels = pixels.clip(low[:, None], high[:, None])
        offset = np.where(sparse, low, np.nanmean(pixels, axis=1))
        scale = np.where(sparse, high - low, np.nanstd(pixels, axis=1))
        return cls(tuple(map(float, offset)), tuple(map(float, scale)))

    def apply(self, image: Image) -> Image:
        """Normalise (C, h, w)."""
        offset, scale = self._columns()
        return np.asarray((image - offset) / scale, np.float32)

    def undo(self, image: Image) -> Image:
        """Back to the units of the source, (C, h, w)."""
        offset, scale = self._columns()
        return np.asarray(image * scale + offset, np.float32)

    def _columns(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self.offset)[:, None, None], np.array(self.scale)[:, None, None]


class Places:
    """Random windows of planes of some sizes; every pixel of the source is equally likely."""

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        self._sizes = sizes
        self._ends = np.cumsum([h * w for h, w in sizes])

    def draw(self, rng: np.random.Generator, side: int) -> Place:
        """Plane, rows, columns of a window, smaller than `side` where the plane is."""
        pixel = rng.integers(self._ends[-1])
        plane = int(np.searchsorted(self._ends, pixel, side="right"))
        h, w = self._sizes[plane]
        top = int(rng.integers(max(h - side, 0) + 1))
        left = int(rng.integers(max(w - side, 0) + 1))
        return plane, slice(top, min(top + side, h)), slice(left, min(left + side, w))


def some_windows(planes: Planes, side: int, count: int, *, seed: int = 0) -> list[Place]:
    """All tiles of the planes where they are few, else windows at random places.

    Returns
    -------
    list of (plane, rows, columns)
    """
    if sum(-(-h // side) * -(-w // side) for h, w in planes.sizes) > count:
        rng, places = np.random.default_rng(seed), Places(planes.sizes)
        return [places.draw(rng, side) for _ in range(count)]
    return [
        (plane, slice(top, min(top + side, h)), slice(left, min(left + side, w)))
        for plane, (h, w) in enumerate(planes.sizes)
        for top in range(0, h, side)
        for left in range(0, w, side)
    ]


def in_random_order(windows: list[Place]) -> list[Place]:
    """The windows so that the first ones can stand for all; always the same."""
    return random.Random(0).sample(windows, len(windows))


def fill_invalid(image: Image) -> Image:
    """Replace NaN and infinite pixels of (C, h, w) by the mean of their finite neighbours."""
    valid = np.isfinite(image)
    if valid.all():
        return image
    known = torch.from_numpy(np.where(valid, image, 0))[None]
    weight = torch.from_numpy(valid.astype(np.float32))[None]
    mean = known.sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp(min=1)
    near, share = (F.avg_pool2d(t, 7, 1, 3, count_include_pad=False) for t in (known, weight))
    filled = torch.where(share > 0, near / share.clamp(min=1e-9), mean)[0]
    return np.asarray(np.where(valid, image, filled.numpy()), np.float32)


def check_sizes(planes: Planes, patch: int) -> None:
    """Refuse planes that are smaller than a crop.

    Raises
    ------
    UserError
    """
    for height, width in planes.sizes:
        if min(height, width) < patch:
            raise UserError(
                f"Training needs images of at least {patch} x {patch} pixels, got "
                f"{height} x {width}; use a smaller patch (setting 'patch') or larger images."
            )


class Crops(NamedTuple):
    """A batch of crops."""

    values: Tensor  # (B, C, patch, patch), float32, normalised
    valid: Tensor  # (B, C, patch, patch), bool: finite in the source
    held_out: Tensor  # (B, 1, patch, patch), bool: never to learn from

    def to(self, network: nn.Module) -> Crops:
        """Move to the device of a network."""
        device = next(network.parameters()).device
        values, *masks = (part.to(device, non_blocking=True) for part in self)
        return Crops(values.contiguous(memory_format=torch.channels_last), *masks)


def held_out_pixels(plane: int, rows: slice, columns: slice, *, share: float) -> NDArray[np.bool_]:
    """Say which pixels of a window no training may learn from: (h, w).

    Small blocks, scattered as if by chance, but always the same for the same place: nothing
    has to be kept, however large the source is.
    """
    y = np.arange(rows.start, rows.stop, dtype=np.uint64)[:, None] // HELD_OUT_BLOCK
    x = np.arange(columns.start, columns.stop, dtype=np.uint64)[None] // HELD_OUT_BLOCK
    mixed = _mix(_mix(_mix(np.full((1, 1), plane, np.uint64)) ^ y) ^ x)
    return (mixed >> np.uint64(11)) * 2.0**-53 < share


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash integers (the finaliser of splitmix64); products wrap around."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
