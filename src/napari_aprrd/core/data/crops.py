"""Random crops for training: some pixels held out, slow sources read ahead."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import UserError
from .constant import Mask, constant_channels
from .planes import Image, Place, Places, Planes, fill_invalid
from .scaling import Normalisation

# Chosen, as a compromise between fresh crops and the time and memory that reading takes. How much
# training waits for a source is measured in docs/benchmarks-diary.md#large-data.
SIDE = 512  # pixels, side of the windows in memory
WINDOWS = 16  # windows in memory, at most
FIRST = 4  # windows that are read before the first crop, so that the first batches vary
REUSE = 32  # crops that are taken before the next window replaces the oldest
MOST_CONSTANT = 50  # crops without any structure or noise that are passed over in a row
MOST_FAILURES = 10  # consecutive windows that cannot be read, before training gives up

T = TypeVar("T")
_COUNTS = ("_failures", "_drawn", "_oldest", "waited")  # of `ReadAhead`, kept in checkpoints


class Window(NamedTuple):
    """Part of a plane, in memory."""

    place: Place
    values: Image  # (C, h, w)


class InMemory:
    """Source of crops for images in memory: nothing to keep or to wait for."""

    waited = 0.0

    def __init__(self, planes: Planes) -> None:
        self._planes, self._places = planes, Places(planes.sizes)

    def draw(self, rng: np.random.Generator, side: int) -> tuple[Place, Image]:
        """Return a crop at a random place."""
        place = self.place(rng, side)
        return place, self._planes.read(*place)

    def place(self, rng: np.random.Generator, side: int) -> Place:
        """Return a random place alone, the one that `draw` would read."""
        return self._places.draw(rng, side)

    def state(self) -> dict[str, Any]:
        """Return an empty state: crops do not depend on earlier ones."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Do nothing, as there is no state."""


class ReadAhead:
    """Source of crops for slow images: a few windows, replaced one by one in a background thread.

    Which windows are read depends only on the seed, not on the time that reading takes.

    Parameters
    ----------
    planes : Planes
        A source that is slow to read.
    least : int
        Side of the largest crop, in pixels.
    seed : int

    Attributes
    ----------
    waited : float
        Seconds in which training waited for the source.
    """

    def __init__(self, planes: Planes, least: int, seed: int) -> None:
        self.waited = 0.0
        self._planes, self._places = planes, Places(planes.sizes)
        self._side = max(SIDE, least)
        self._rng = np.random.default_rng((seed, 1))
        self._reader = ThreadPoolExecutor(1, "napari-aprrd reading")
        weakref.finalize(self, self._reader.shutdown, wait=False)
        self._failures = self._drawn = self._oldest = 0
        self._windows: list[Window] = []
        self._read_ahead()

    def draw(self, rng: np.random.Generator, side: int) -> tuple[Place, Image]:
        """Return a crop of one of the windows."""
        while len(self._windows) < FIRST or self._drawn >= REUSE:
            self._take_next()
        self._drawn += 1
        (plane, *corner), values = self._windows[int(rng.integers(len(self._windows)))]
        height, width = values.shape[1:]
        top = int(rng.integers(max(height - side, 0) + 1))
        left = int(rng.integers(max(width - side, 0) + 1))
        rows, columns = slice(top, min(top + side, height)), slice(left, min(left + side, width))
        place = (plane, _moved(rows, corner[0]), _moved(columns, corner[1]))
        return place, values[:, rows, columns]

    def state(self) -> dict[str, Any]:
        """Return the places of the windows and of the next one, without pixels, as JSON types."""
        return {
            "windows": [_corners(window.place) for window in self._windows],
            "coming": _corners(self._coming),
            "random": self._rng.bit_generator.state,
            **{name: getattr(self, name) for name in _COUNTS},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a state; its windows are read again.

        Raises
        ------
        UserError
            If one of them can no longer be read.
        """
        self._rng.bit_generator.state = state["random"]
        self._windows = [_read(self._planes, _place(corners)) for corners in state["windows"]]
        self._read_ahead(_place(state["coming"]))
        for name in _COUNTS:
            setattr(self, name, state[name])

    def _read_ahead(self, place: Place | None = None) -> None:
        self._coming = place or self._places.draw(self._rng, self._side)
        # Submit a function, not a method, so that the thread does not keep this object alive.
        self._next = self._reader.submit(_read, self._planes, self._coming)

    def _take_next(self) -> None:
        start = time.perf_counter()
        try:
            window = self._next.result()
        except UserError:  # training can continue with other parts of the source
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                raise
        else:
            self._failures = self._drawn = 0
            if len(self._windows) < WINDOWS:
                self._windows.append(window)
            else:
                self._windows[self._oldest] = window
                self._oldest = (self._oldest + 1) % WINDOWS
        self.waited += time.perf_counter() - start
        self._read_ahead()


def _read(planes: Planes, place: Place) -> Window:
    return Window(place, planes.read(*place))


def _moved(span: slice, to: slice) -> slice:
    return slice(span.start + to.start, span.stop + to.start)


def _corners(place: Place) -> list[int]:
    plane, rows, columns = place
    return [plane, rows.start, rows.stop, columns.start, columns.stop]


def _place(corners: list[int]) -> Place:
    plane, top, bottom, left, right = corners
    return plane, slice(top, bottom), slice(left, right)


class Oriented(NamedTuple):
    """A crop that was drawn but not read."""

    place: Place
    constant: Mask  # (C,): the channels in which it is constant
    turns: int  # by 90 degrees, as `np.rot90` turns
    flip: bool  # whether its rows are then reversed


class CropSampler:
    """Random square crops in random orientation, normalised.

    Planes that are narrower than a crop are reflected at their edges.

    Parameters
    ----------
    planes : Planes
        The source.
    normalisation : Normalisation
    batch, patch : int
        Number of crops in a batch, and their side in pixels.
    seed : int
        Seed of the crops' places and orientations.
    hold_out : float
        Share of the pixels that is held out; the seed does not change which.
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
        check_sizes(planes)
        self._source = InMemory(planes) if planes.in_memory else ReadAhead(planes, patch, seed)
        self.planes, self.normalisation = planes, normalisation
        self.batch, self.patch, self.hold_out = batch, patch, hold_out
        self._channels = len(normalisation.offset)  # those of neighbours come after them
        self._rng = np.random.default_rng(seed)

    @property
    def waited(self) -> float:
        """Seconds in which training waited for the source."""
        return self._source.waited

    def draw(self) -> Crops:
        """Return the next batch."""
        crops = [self._crop() for _ in range(self.batch)]
        return Crops(*(torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True)))

    def draw_places(self, constant_at: Callable[[Place], Mask]) -> list[Oriented]:
        """Draw the next batch of planes in memory as `draw` does, but read no pixel.

        Parameters
        ----------
        constant_at : callable
            Tells which channels are constant at a place.
        """
        source = self._source
        assert isinstance(source, InMemory)

        def draw() -> tuple[Place, None, Mask]:
            place = source.place(self._rng, self.patch)
            return place, None, constant_at(place)

        batch = []
        for _ in range(self.batch):
            place, _, constant = self._varied(draw)
            batch.append(Oriented(place, constant, *self._orientation()))
        return batch

    def state(self) -> dict[str, Any]:
        """Return the random state as JSON types; the same state gives the same crops."""
        return {"random": self._rng.bit_generator.state, "source": self._source.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to a state.

        Raises
        ------
        UserError
            If the source fails.
        """
        self._source.restore(state["source"])
        self._rng.bit_generator.state = state["random"]

    def _crop(self) -> list[NDArray[Any]]:
        place, crop, constant = self._varied(self._read)
        valid = np.isfinite(crop) & ~constant[:, None, None]
        valid[list(self.normalisation.not_learnt)] = False
        held_out = held_out_pixels(*place, share=self.hold_out)[None]
        parts = self._enlarged(self._normalised(crop), valid, held_out)
        turns, flip = self._orientation()
        turned = (np.rot90(part, turns, axes=(1, 2)) for part in parts)
        return [part[:, ::-1] if flip else part for part in turned]

    def _read(self) -> tuple[Place, Image, Mask]:
        place, crop = self._source.draw(self._rng, self.patch)
        return place, crop, constant_channels(crop)

    def _orientation(self) -> tuple[int, bool]:
        """One of 8: quarter turns, and whether to flip."""
        return int(self._rng.integers(4)), self._rng.random() < 0.5

    def _varied(self, draw: Callable[[], tuple[Place, T, Mask]]) -> tuple[Place, T, Mask]:
        """A crop with something to learn in it, if there are some, and its constant channels."""
        for _ in range(MOST_CONSTANT):
            place, crop, constant = draw()
            if not constant[: self._channels].all():
                break
        return place, crop, constant

    def _normalised(self, crop: Image) -> Image:
        """The crop as the network sees it: zeros are neighbours that are not there."""
        normal = self.normalisation.apply(fill_invalid(crop))
        for neighbour, found in zip(normal[self._channels :], crop[self._channels :], strict=True):
            if not np.isfinite(found).any():
                neighbour[:] = 0
        return normal

    def _enlarged(self, *parts: NDArray[Any]) -> list[NDArray[Any]]:
        """Crop and masks of a narrow plane with its reflection around, which is not learnt from.

        In denoising, narrow planes are reflected in the same way.
        """
        lacking = [self.patch - n for n in parts[0].shape[1:]]
        if not any(lacking):
            return list(parts)
        crop, *masks = parts
        around = [(0, 0), *((n // 2, n - n // 2) for n in lacking)]
        return [np.pad(crop, around, mode="reflect"), *(np.pad(mask, around) for mask in masks)]


HELD_OUT_BLOCK = np.uint64(16)  # pixels, wider than the correlation of camera noise
SMALLEST = 8  # pixels: narrower images hold too little around a pixel to predict it from


def is_large_enough(size: Sequence[int]) -> bool:
    """Whether planes of this height and width can be trained on."""
    return min(size) >= SMALLEST


def check_sizes(planes: Planes) -> None:
    """Refuse planes that are too small to train on.

    Raises
    ------
    UserError
    """
    for height, width in planes.sizes:
        if not is_large_enough((height, width)):
            raise UserError(
                f"Training needs images of at least {SMALLEST} x {SMALLEST} pixels, got "
                f"{height} x {width}; leave this one out, or give a model that was trained already."
            )


class Crops(NamedTuple):
    """A batch of crops."""

    values: Tensor  # (B, C, patch, patch), float32, normalised
    valid: Tensor  # (B, C, patch, patch), bool: finite in the source
    held_out: Tensor  # (B, 1, patch, patch), bool: excluded from the loss

    def to(self, network: nn.Module) -> Crops:
        """Move to the device of a network."""
        device = next(network.parameters()).device
        values, *masks = (part.to(device, non_blocking=True) for part in self)
        return Crops(values.contiguous(memory_format=torch.channels_last), *masks)


def held_out_pixels(plane: int, rows: slice, columns: slice, *, share: float) -> NDArray[np.bool_]:
    """Mask of the pixels of a window that no training may learn from: (h, w).

    They are small blocks, chosen by a hash of their position. The same place always gives the same
    mask, so that none has to be stored, however large the source is.
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
