"""Crops for training, read straight from the source: never all of them, never a whole stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .errors import UserError

Image = NDArray[np.float32]
HELD_OUT_BLOCK = np.uint64(16)  # pixels: wider than the noise is correlated


class Planes(Protocol):
    """Planes of one or several images, read lazily. All have the same channels."""

    @property
    def channels(self) -> int:
        """Number of channels C."""

    @property
    def sizes(self) -> Sequence[tuple[int, int]]:
        """Height and width of each plane, in pixels."""

    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        """Read a window of a plane: (C, h, w), float32, in the units of the source."""


@dataclass(frozen=True)
class MemoryPlanes:
    """Planes that are arrays in memory, each (C, H, W)."""

    images: Sequence[Image]

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
        """Measure mean and standard deviation on random windows of the planes.

        Pixels beyond the 1st and 99th percentile count as these: a few hot ones have no say.

        Raises
        ------
        UserError
            If the images are constant or hold no finite pixel.
        """
        rng = np.random.default_rng(seed)
        pixels = np.concatenate(
            [read_window(planes, rng, 256).reshape(planes.channels, -1) for _ in range(windows)],
            axis=1,
        )
        if not np.isfinite(pixels).any(axis=1).all():
            raise UserError("The image has no finite pixels (all NaN or infinite).")
        pixels[~np.isfinite(pixels)] = np.nan
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


def read_window(planes: Planes, rng: np.random.Generator, side: int) -> Image:
    """Read a window at a random place: (C, h, w)."""
    return planes.read(*random_place(planes, rng, side))


def random_place(planes: Planes, rng: np.random.Generator, side: int) -> tuple[int, slice, slice]:
    """Draw a window: plane, rows, columns; every pixel of the source is equally likely.

    The window is smaller than `side` where the plane is.
    """
    areas = np.array([h * w for h, w in planes.sizes], np.float64)
    plane = int(rng.choice(len(areas), p=areas / areas.sum()))
    h, w = planes.sizes[plane]
    top = int(rng.integers(max(h - side, 0) + 1))
    left = int(rng.integers(max(w - side, 0) + 1))
    return plane, slice(top, min(top + side, h)), slice(left, min(left + side, w))


def some_windows(
    planes: Planes, side: int, count: int, *, seed: int = 0
) -> list[tuple[int, slice, slice]]:
    """All tiles of the planes where they are few, else windows at random places.

    Returns
    -------
    list of (plane, rows, columns)
    """
    if sum(-(-h // side) * -(-w // side) for h, w in planes.sizes) > count:
        rng = np.random.default_rng(seed)
        return [random_place(planes, rng, side) for _ in range(count)]
    return [
        (plane, slice(top, min(top + side, h)), slice(left, min(left + side, w)))
        for plane, (h, w) in enumerate(planes.sizes)
        for top in range(0, h, side)
        for left in range(0, w, side)
    ]


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


class CropSampler:
    """Random square crops in random orientation, normalised.

    Parameters
    ----------
    planes : Planes
        The source.
    normalisation : Normalisation
    batch, patch : int
        Crops in a batch; their side in pixels.
    seed : int
        Of the crops' places and orientations.
    hold_out : float
        Share of the pixels that is held out, the same pixels whatever the seed.
    """

    def __init__(
        self,
        planes: Planes,
        normalisation: Normalisation,
        *,
        batch: int,
        patch: int,
        seed: int,
        hold_out: float = 0.0,
    ) -> None:
        check_sizes(planes, patch)
        self._planes, self._normalisation = planes, normalisation
        self._batch, self._patch, self._hold_out = batch, patch, hold_out
        self._rng = np.random.default_rng(seed)

    def draw(self) -> Crops:
        """Return the next batch."""
        crops = [self._crop() for _ in range(self._batch)]
        return Crops(*(torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True)))

    def _crop(self) -> list[NDArray[Any]]:
        place = random_place(self._planes, self._rng, self._patch)
        crop = self._planes.read(*place)
        valid = np.isfinite(crop)
        held_out = held_out_pixels(*place, share=self._hold_out)[None]
        crop = self._normalisation.apply(fill_invalid(crop))
        turns, flip = int(self._rng.integers(4)), self._rng.random() < 0.5  # 8-fold augmentation
        turned = (np.rot90(part, turns, axes=(1, 2)) for part in (crop, valid, held_out))
        return [part[:, ::-1] if flip else part for part in turned]


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
