"""Planes that stay in the memory of a GPU, which gathers crops from them.

Places and orientations are drawn on the CPU, in the order in which `CropSampler` draws them. They
are a few numbers for each crop; the pixels never move. A plane goes over when a crop of it is
drawn for the first time.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .constant import Mask, constant_channels
from .crops import HELD_OUT_BLOCK, Crops, CropSampler, Oriented, held_out_pixels
from .feed import Feed, PrefetchedCrops, Recipe
from .neighbours import StackedPlanes, is_fresh, offsets, stand_ins
from .planes import Place, Planes

# Pixels, side of the blocks whose contents are known on the CPU: those that are held out or not.
_BLOCK = int(HELD_OUT_BLOCK)
_NUMBERS = 9  # of a crop: sides of its plane, two affine coordinates, its held-out blocks
_MISSING = -1  # place of a neighbour that is not there


def feed_for(
    sampler: CropSampler, device: torch.device, *, free: float, shown: float = math.inf
) -> Feed:
    """The source of a sampler's crops on a device.

    Planes in memory go there if they fit in the bytes that are free, and if crops are going to show
    about as many pixels as there are: a plane costs more to move than a crop.
    """
    planes = _centres(sampler.planes)
    pixels = sum(height * width for height, width in planes.sizes)
    fits = 4 * planes.channels * pixels <= free
    if sampler.planes.in_memory and fits and pixels <= shown:
        return ResidentCrops(sampler, device)
    return PrefetchedCrops(sampler, device)


def _centres(planes: Planes) -> Planes:
    """The planes without their neighbours, which are among them."""
    return planes.planes if isinstance(planes, StackedPlanes) else planes


class _Plane(NamedTuple):
    """What the CPU knows of a plane that is on the device."""

    varied: Mask  # (C, h / 16, w / 16): whole blocks that hold different values, and no NaN
    is_varied: bool  # whether all of them are
    beside: list[tuple[int, int, Mask]]  # offset and number of neighbours, and their fresh blocks


class ResidentCrops:
    """Crops of planes that stay on the device; the same as those of the sampler.

    Parameters
    ----------
    sampler : CropSampler
        Of planes in memory. Its random state is used.
    device : torch.device
    """

    waited = 0.0

    def __init__(self, sampler: CropSampler, device: torch.device) -> None:
        planes, self._planes = sampler.planes, _centres(sampler.planes)
        self._sampler, self._device = sampler, device
        self._stack = planes if isinstance(planes, StackedPlanes) else None
        self._channels, self._sizes = self._planes.channels, list(self._planes.sizes)
        counts = [self._channels * height * width for height, width in self._sizes]
        self._starts = [0, *np.cumsum(counts).tolist()]
        blocks = [_blocks(height) * _blocks(width) for height, width in self._sizes]
        self._mask_starts = [0, *np.cumsum(blocks).tolist()]
        self._pixels = torch.empty(self._starts[-1], device=device)  # planes (C, H, W), normalised
        self._held_out = torch.zeros(self._mask_starts[-1], dtype=torch.bool, device=device)
        self._known: dict[int, _Plane] = {}
        self._has_invalid = False
        self._is_narrow = min(map(min, self._sizes)) < sampler.patch
        self._learnt = np.ones(self._channels, np.bool_)
        self._learnt[list(sampler.normalisation.not_learnt)] = False
        self._all_varied = np.zeros(self._channels, np.bool_)
        side = torch.arange(sampler.patch, device=device)
        self._i, self._j = side[:, None], side[None]
        nothing = sampler.normalisation.apply(np.zeros((self._channels, 1, 1), np.float32))
        self._nothing = torch.from_numpy(nothing).to(device)
        self._orientations = _orientations(sampler.patch)

    def draw(self) -> Recipe:
        """Places and orientations of the next crops."""
        crops = [self._numbers(drawn) for drawn in self._sampler.draw_places(self._constant_at)]
        return Recipe(self._has_invalid, np.array(crops, np.float64).ravel())

    def state(self) -> dict[str, Any]:
        """The random state of the sampler."""
        return self._sampler.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a random state of the sampler."""
        self._sampler.restore(state)

    # --- On the CPU: which pixels ---

    def _numbers(self, drawn: Oriented) -> list[float]:
        """All that the device needs to know of a crop."""
        plane, rows, columns = drawn.place
        (height, width), patch = self._sizes[plane], self._sampler.patch
        top = rows.start - (patch - rows.stop + rows.start) // 2  # a narrow plane is in the middle
        left = columns.start - (patch - columns.stop + columns.start) // 2
        (u, *along), (v, *across) = self._orientations[drawn.turns, drawn.flip]
        starts = [plane, *self._neighbours_at(drawn.place)] if self._stack else [plane]
        return [
            *(height, width, top + u, *along, left + v, *across, self._mask_starts[plane]),
            *(_MISSING if number == _MISSING else self._starts[number] for number in starts),
            *(self._learnt & ~drawn.constant).tolist(),
        ]

    def _constant_at(self, place: Place) -> Mask:
        """Which channels are constant at a place, mostly known without reading it."""
        known = self._plane(place[0])
        whole = _whole_blocks(place)
        inside = known.varied[:, whole[0], whole[1]]
        if inside.size and (known.is_varied or inside.any(axis=(1, 2)).all()):
            return self._all_varied
        return constant_channels(self._planes.read(*place))

    def _neighbours_at(self, place: Place) -> list[int]:
        """Numbers of the planes that are shown as neighbours, see `StackedPlanes`."""
        assert self._stack is not None
        plane, rows, columns = place
        there = {}
        for offset, number, fresh in self._plane(plane).beside:
            self._plane(number)
            if fresh[_whole_blocks(place)].any() or is_fresh(
                self._planes.read(number, rows, columns), self._planes.read(*place)
            ):
                there[offset] = number
        seen = stand_ins(there, self._stack.reach)
        return [_MISSING if offset is None else there[offset] for offset in seen]

    def _plane(self, number: int) -> _Plane:
        """What is known of a plane, which is moved to the device if it is not there yet."""
        if number not in self._known:
            height, width = self._sizes[number]
            raw = self._planes.read(number, slice(0, height), slice(0, width))
            self._move(number, raw)
            values = torch.tensor(raw)
            varied = (_highest(values) > -_highest(-values)).numpy()
            beside = self._beside(number, values)
            self._known[number] = _Plane(varied, bool(varied.all()), beside)
        return self._known[number]

    def _move(self, number: int, raw: NDArray[np.float32]) -> None:
        """Move a plane to the device, normalised, and its held-out blocks."""
        normal = self._sampler.normalisation.apply(raw)
        self._has_invalid |= not bool(np.isfinite(normal).all())
        start, stop = self._starts[number], self._starts[number + 1]
        self._pixels[start:stop].copy_(torch.from_numpy(normal).flatten())
        if self._sampler.hold_out:
            # One pixel of each block tells for all of them.
            corners = [slice(0, _blocks(n) * _BLOCK) for n in self._sizes[number]]
            held_out = held_out_pixels(number, *corners, share=self._sampler.hold_out)
            blocks = torch.from_numpy(held_out[::_BLOCK, ::_BLOCK].copy()).flatten()
            self._held_out[self._mask_starts[number] : self._mask_starts[number + 1]] = blocks.to(
                self._device
            )

    def _beside(self, number: int, centre: Tensor) -> list[tuple[int, int, Mask]]:
        """Neighbours of a plane, and the blocks that prove of each that it shows something new."""
        if self._stack is None:
            return []
        found, (height, width) = [], self._sizes[number]
        for offset in offsets(self._stack.reach):
            other = self._planes.beside(number, offset, self._stack.axis)
            if other is None:
                continue
            raw = self._planes.read(other, slice(0, height), slice(0, width))
            values = torch.tensor(raw)
            differs = _highest(((values != centre) & values.isfinite()).float()) > 0
            varied = _highest(values) > -_highest(-values)
            found.append((offset, other, (differs.all(0) & varied.any(0)).numpy()))
        return found

    # --- On the device: the pixels ---

    def crops(self, numbers: Tensor, tensors: tuple[Tensor, ...]) -> Crops:
        """Gather crops; their masks are those of the planes' own channels."""
        table = numbers.view(self._sampler.batch, -1).long()
        around = self._stack.reach if self._stack else 0
        learnt = table[:, _NUMBERS + 1 + 2 * around :].bool()  # (B, C)
        starts = table[:, _NUMBERS : _NUMBERS + 1 + 2 * around]  # (B, 2 k + 1)
        columns = (part.view(-1, 1, 1) for part in table[:, :_NUMBERS].unbind(1))
        height, width, y0, yi, yj, x0, xi, xj, masks = columns
        y = y0 + yi * self._i + yj * self._j  # (B, patch, patch)
        x = x0 + xi * self._i + xj * self._j
        inside = None
        if self._is_narrow:
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            y, x = _reflected(y, height), _reflected(x, width)
        values = self._gathered(starts, height * width, y * width + x)
        valid = values[..., : self._channels].isfinite() & learnt[:, None, None]
        held_out = torch.zeros_like(valid[..., 0])
        if self._sampler.hold_out:
            across = (width + (_BLOCK - 1)) // _BLOCK
            held_out = self._held_out.take(masks + y // _BLOCK * across + x // _BLOCK)
        if inside is not None:
            valid, held_out = valid & inside[..., None], held_out & inside
        values = values.permute(0, 3, 1, 2)  # channels_last
        if self._has_invalid:
            values = _filled(values, self._nothing.repeat(1 + 2 * around, 1, 1), self._channels)
        if around:  # The network sees zeros in place of neighbours that are not there.
            there = (starts >= 0).repeat_interleave(self._channels, dim=1)
            values = values * there[..., None, None]
        return Crops(values, valid.permute(0, 3, 1, 2), held_out[:, None])

    def _gathered(self, starts: Tensor, pixels: Tensor, at: Tensor) -> Tensor:
        """Values (B, patch, patch, (2 k + 1) C) of pixels (B, patch, patch) of planes."""
        channels = torch.arange(self._channels, device=self._device)
        # (B, 1, 1, 2 k + 1, C): where each channel of a plane starts
        firsts = starts.clamp(min=0)[:, None, None, :, None] + (pixels * channels)[:, :, None, None]
        return self._pixels.take(at[..., None] + firsts.flatten(3))


def _blocks(length: int) -> int:
    return -(-length // _BLOCK)


def _whole_blocks(place: Place) -> tuple[slice, slice]:
    """The blocks that lie wholly in a window."""
    _, rows, columns = place
    return (
        slice(_blocks(rows.start), rows.stop // _BLOCK),
        slice(_blocks(columns.start), columns.stop // _BLOCK),
    )


def _highest(values: Tensor) -> Tensor:
    """Highest value of each whole block of (C, h, w); NaN where there is one."""
    if min(values.shape[1:]) < _BLOCK:
        return values.new_zeros(len(values), 0, 0)
    return F.max_pool2d(values[None], _BLOCK)[0]


def _orientations(side: int) -> dict[tuple[int, bool], tuple[list[int], list[int]]]:
    """For turns and flip: row and column of the crop that pixel (i, j) of the turned one shows.

    Each is an affine function, as its value at (0, 0) and its steps along i and j.
    """
    last, found = side - 1, {}
    turned = (
        ([0, 1, 0], [0, 0, 1]),
        ([0, 0, 1], [last, -1, 0]),
        ([last, -1, 0], [last, 0, -1]),
        ([last, 0, -1], [0, 1, 0]),
    )
    for turns, upright in enumerate(turned):
        found[turns, False] = upright
        flipped = [[start + last * i, -i, j] for start, i, j in upright]
        found[turns, True] = (flipped[0], flipped[1])
    return found


def _reflected(at: Tensor, length: Tensor) -> Tensor:
    """Coordinates beyond an edge, reflected at it as often as it takes."""
    at = at.remainder(2 * (length - 1))
    return torch.minimum(at, 2 * (length - 1) - at)


def _filled(values: Tensor, nothing: Tensor, channels: int) -> Tensor:
    """Replace NaN and infinite pixels of (B, K, h, w) as `fill_invalid` does.

    `nothing`, (K, 1, 1), stands where a plane has no finite pixel; neighbours are zeros then.
    """
    nothing = nothing * (torch.arange(len(nothing), device=values.device) < channels)[:, None, None]
    finite = values.isfinite()
    known, weight = torch.where(finite, values, 0), finite.to(values.dtype)
    count = weight.sum((2, 3), keepdim=True)
    mean = torch.where(count > 0, known.sum((2, 3), keepdim=True) / count.clamp(min=1), nothing)
    near, share = (F.avg_pool2d(t, 7, 1, 3, count_include_pad=False) for t in (known, weight))
    filled = torch.where(share > 0, near / share.clamp(min=1e-9), mean)
    return torch.where(finite, values, filled)
