"""Denoising arrays when they are looked at, as dask arrays whose chunks are tiles."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from ..axes import ArrayPlanes
from ..core.config import DenoiseConfig
from ..core.data.neighbours import offsets
from ..core.model.denoiser import Denoiser
from ..core.model.interrupt import unless_cancelled
from ..core.model.provenance import of_output
from ..core.model.tiling import Span
from .at_once import Denoised, output_dtype
from .tiles import PlaneTile, WindowPlanes, denoise_tile, is_masked

# torch uses all cores for one block, so dask's threads wait for each other.
one_at_a_time = threading.Lock()


def denoise_lazily(
    planes: ArrayPlanes,
    denoiser: Denoiser,
    config: DenoiseConfig,
    *,
    is_cancelled: Callable[[], bool] | None = None,
) -> Denoised:
    """Denoise an array when it is looked at, see `lazy_denoise`; its pixels are not read now."""
    source = identify(planes.data)
    lazy = lazy_denoise(planes.data, planes.axes, denoiser, config, is_cancelled=is_cancelled)
    return Denoised(lazy, lambda: of_output(denoiser, planes, config, source))


def is_lazy(data: Any) -> bool:
    """True for dask and zarr arrays, False for arrays in memory."""
    return not isinstance(data, np.ndarray) and hasattr(data, "chunks")


def identify(data: Any) -> dict[str, str]:
    """What tells a lazy source from others unread: see `core.model.provenance.identify`."""
    name = getattr(data, "name", "") or str(getattr(data, "store", ""))
    text = repr((name, tuple(map(int, data.shape)), str(data.dtype)))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"sha256": digest, "of": "name, shape and type of the lazy source, not its pixels"}


def lazy_denoise(
    data: Any,
    axes: str,
    denoiser: Denoiser,
    config: DenoiseConfig,
    *,
    is_cancelled: Callable[[], bool] | None = None,
) -> Any:
    """A dask array of the denoised image that computes only the tiles that are looked at.

    Parameters
    ----------
    data : array
        NumPy, dask or zarr.
    axes : str
        Of the data.
    denoiser : Denoiser
    config : DenoiseConfig
        Its tile is the chunk; a chunk is computed from what lies within the network's halo, in its
        plane and in the neighbouring ones that the network sees.
    is_cancelled : callable, optional
        Asked while chunks are computed: once it says True, they raise `Interrupted` at once.
        Without it the array can travel to Dask workers.

    Returns
    -------
    dask.array.Array
        Shape and dtype of the data; a chunk is a tile of one plane with all its channels.

    Raises
    ------
    UserError
        If the channels are not those of the denoiser.
    """
    source = ArrayPlanes(data, axes)
    denoiser.check_channels(source.channels)  # now, not when napari draws
    denoiser.check_settings(config)
    denoiser = denoiser.matched(source, config)
    blocks = replace(_Blocks.of(source, denoiser, config), is_cancelled=is_cancelled)
    chunks = blocks.chunks(source.plane_axes)
    lazy = data if hasattr(data, "dask") else da.from_array(data, chunks=chunks, name=False)
    lazy = lazy.rechunk(chunks)
    # Names of their own: else dask hashes the network to find them. The network is one task,
    # so that it travels to a worker once.
    token = uuid.uuid4().hex
    model = dask.delayed(denoiser, name=f"denoiser-{token}", traverse=False)
    return da.map_blocks(
        blocks.denoise,
        model,
        *blocks.with_neighbours(da.overlap.overlap(lazy, blocks.depth, "none")),
        name=f"denoised-{token}",
        dtype=blocks.dtype,
        meta=np.ma.empty(0, blocks.dtype) if is_masked(lazy) else np.empty(0, blocks.dtype),
        chunks=lazy.chunks,
    )


class BlockStack(NamedTuple):
    """Where the network finds the neighbours of a plane."""

    axis: int  # dimension along which planes are neighbours
    length: int  # planes along it
    neighbours: int  # on either side that the network sees

    @classmethod
    def of(cls, source: ArrayPlanes, denoiser: Denoiser) -> BlockStack | None:
        """The stack in a source; None where the network sees its planes alone."""
        neighbours = denoiser.neighbours_in(source)
        if not neighbours:
            return None
        axis = source.axes.index(denoiser.stack_axis)
        return cls(axis, int(source.data.shape[axis]), neighbours)

    def beside(self, blocks: Any) -> list[Any]:
        """For each neighbour, an array of blocks that has it in the place of the plane's own.

        Blocks are taken by their number, so that those of one plane need no others. Where there is
        no neighbour, the plane at the end stands there, which `join` leaves out.
        """
        numbers, before = np.arange(self.length), (slice(None),) * self.axis
        places = [(numbers + offset).clip(0, self.length - 1) for offset in self._offsets]
        return [blocks.blocks[(*before, place.tolist())] for place in places]

    def join(self, blocks: Sequence[Any], number: int) -> tuple[Any, int]:
        """A small stack of a plane's block and its neighbours', and the plane's number in it."""
        beside = zip((0, *self._offsets), blocks, strict=True)
        there = {o: block for o, block in beside if 0 <= number + o < self.length}
        order = sorted(there)
        join = np.ma.concatenate if is_masked(blocks[0]) else np.concatenate
        return join([there[o] for o in order], self.axis), order.index(0)

    @property
    def _offsets(self) -> tuple[int, ...]:
        return offsets(self.neighbours)


@dataclass(frozen=True)
class _Blocks:
    """The blocks of a lazy array: tiles of single planes, with what lies around and beside them.

    Parameters
    ----------
    axes : str
    stack : BlockStack or None
    rows, columns : tuple of Span
        The tiles along Y and along X.
    around : tuple of int
        Pixels above and below a tile, left and right of it; 0 where there is only one tile.
    config : DenoiseConfig
    dtype : dtype
        Of the output.
    is_cancelled : callable or None
    """

    axes: str
    stack: BlockStack | None
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    around: tuple[int, int]
    config: DenoiseConfig
    dtype: np.dtype[Any]
    is_cancelled: Callable[[], bool] | None = None

    @classmethod
    def of(cls, source: ArrayPlanes, denoiser: Denoiser, config: DenoiseConfig) -> _Blocks:
        """Blocks for the tiles of planes, as large as memory allows."""
        # dask wants chunks no smaller than their overlap.
        least = denoiser.architecture.halo(config.shifts or denoiser.shifts)
        least += denoiser.architecture.multiple
        config = denoiser.fitted(config)
        config = DenoiseConfig.of(config, tile=max(config.tile, least))
        tiles = denoiser.tiles(source.size, config)
        first_row, first_column = tiles[0]
        rows = tuple(row for row, column in tiles if column == first_column)
        columns = tuple(column for row, column in tiles if row == first_row)
        around = (least if len(rows) > 1 else 0, least if len(columns) > 1 else 0)
        dtype = output_dtype(source.data.dtype, config)
        stack = BlockStack.of(source, denoiser)
        return cls(source.axes, stack, rows, columns, around, config, dtype)

    def chunks(self, plane_axes: str) -> dict[int, tuple[int, ...] | int]:
        """Lengths of the blocks along each dimension, as dask wants them."""
        lengths: dict[int, tuple[int, ...] | int] = {}
        for axis, letter in enumerate(self.axes):
            if letter in "YX":
                spans = self.rows if letter == "Y" else self.columns
                lengths[axis] = tuple(span.keep_stop - span.keep_start for span in spans)
            else:  # single planes with all their channels
                lengths[axis] = 1 if letter in plane_axes else -1
        return lengths

    @property
    def depth(self) -> dict[int, int]:
        """Pixels around a block along each dimension, as dask wants them."""
        around = {"Y": self.around[0], "X": self.around[1]}
        return {axis: around.get(letter, 0) for axis, letter in enumerate(self.axes)}

    def with_neighbours(self, planes: Any) -> list[Any]:
        """An array of these blocks, and one for each neighbour that the network sees."""
        return [planes, *(self.stack.beside(planes) if self.stack else ())]

    def denoise(self, denoiser: Denoiser, *blocks: Any, block_id: Any = None) -> NDArray[Any]:
        """Denoise the tile that a block holds; dask says where the block is."""
        at = dict(zip(self.axes, block_id, strict=True))
        block, plane = blocks[0], 0
        if self.stack is not None:
            block, plane = self.stack.join(blocks, block_id[self.stack.axis])
        tile = PlaneTile(plane, self.rows[at["Y"]], self.columns[at["X"]])
        # The block starts where its surroundings do, or at the edge of the image.
        corner = (
            max(tile.rows.keep_start - self.around[0], 0),
            max(tile.columns.keep_start - self.around[1], 0),
        )
        size = (self.rows[-1].keep_stop, self.columns[-1].keep_stop)
        with one_at_a_time, unless_cancelled(self.is_cancelled):
            denoiser.to(self.config.device)
            planes = WindowPlanes(ArrayPlanes(block, self.axes), size, corner)
            return denoise_tile(planes, tile, denoiser, self.config, self.dtype)
