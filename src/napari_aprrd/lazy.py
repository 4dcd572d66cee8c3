"""Denoising that waits until somebody looks: dask arrays."""

from __future__ import annotations

import hashlib
import threading
import uuid
from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np

from .axes import ArrayPlanes
from .core.config import DenoiseConfig
from .core.model.denoiser import Denoiser
from .core.model.tiling import Span

one_at_a_time = threading.Lock()  # one block has all cores


def is_lazy(data: Any) -> bool:
    """True for dask and zarr arrays, False for arrays in memory."""
    return not isinstance(data, np.ndarray) and hasattr(data, "chunks")


def identify(data: Any) -> dict[str, str]:
    """What tells a lazy source from others without reading it: see `core.record.identify`."""
    name = getattr(data, "name", "") or str(getattr(data, "store", ""))
    text = repr((name, tuple(map(int, data.shape)), str(data.dtype)))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"sha256": digest, "of": "name, shape and type of the lazy source, not its pixels"}


def output_dtype(dtype: np.dtype[Any], config: DenoiseConfig) -> np.dtype[Any]:
    """The type of the denoised image, in the byte order of this machine."""
    return np.dtype(np.float32 if config.dtype == "float32" else dtype).newbyteorder("=")


def lazy_denoise(data: Any, axes: str, denoiser: Denoiser, config: DenoiseConfig) -> Any:
    """A dask array of the denoised image that computes only the tiles that are looked at.

    Parameters
    ----------
    data : array
        NumPy, dask or zarr.
    axes : str
        Of the data.
    denoiser : Denoiser
    config : DenoiseConfig
        Its tile is the chunk; a chunk is computed from what lies within the network's halo.

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
    # dask wants chunks no smaller than their overlap.
    least = denoiser.architecture.halo(config.shifts or denoiser.shifts)
    least += denoiser.architecture.multiple
    config = denoiser.fitted(config)
    config = DenoiseConfig.of(config, tile=max(config.tile, least))
    rows, columns = map(dict.fromkeys, zip(*denoiser.tiles(source.size, config), strict=True))
    spans = {"Y": list(rows), "X": list(columns)}
    chunks = {
        axis: tuple(span.keep_stop - span.keep_start for span in spans[letter])
        if letter in spans
        else (1 if letter in source.plane_axes else -1)
        for axis, letter in enumerate(axes)
    }
    depth = {letter: least if len(found) > 1 else 0 for letter, found in spans.items()}
    lazy = data if hasattr(data, "dask") else da.from_array(data, chunks=chunks, name=False)
    lazy = lazy.rechunk(chunks)
    dtype = output_dtype(lazy.dtype, config)
    # Names of their own: else dask hashes the network to find them. The network is one task,
    # so that it travels to a worker once.
    token = uuid.uuid4().hex
    model = dask.delayed(denoiser, name=f"denoiser-{token}", traverse=False)
    around = {axis: depth.get(letter, 0) for axis, letter in enumerate(axes)}
    return da.overlap.overlap(lazy, around, "none").map_blocks(
        partial(_denoise_block, axes=axes, spans=spans, depth=depth, config=config, dtype=dtype),
        model,
        name=f"denoised-{token}",
        dtype=dtype,
        meta=np.empty(0, dtype),
        chunks=lazy.chunks,
    )


def _denoise_block(
    block: Any,
    denoiser: Denoiser,
    *,
    axes: str,
    spans: dict[str, list[Span]],
    depth: dict[str, int],
    config: DenoiseConfig,
    dtype: np.dtype[Any],
    block_info: Any = None,
) -> Any:
    """Denoise one tile of one plane; the block holds it and what lies around it."""
    at = dict(zip(axes, block_info[0]["chunk-location"], strict=True))
    size = (spans["Y"][-1].keep_stop, spans["X"][-1].keep_stop)
    tile = (spans["Y"][at["Y"]], spans["X"][at["X"]])
    window = ArrayPlanes(block, axes)
    # The block begins at the halo's start, or at the image's edge.
    top, left = (
        max(span.keep_start - around, 0) for span, around in zip(tile, depth.values(), strict=True)
    )

    def moved(rows: slice, columns: slice) -> tuple[slice, slice]:
        return (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )

    kept = window.cropped(*moved(tile[0].kept, tile[1].kept))
    out = kept.new_output(dtype)
    with one_at_a_time:
        denoiser.to(config.device)
        clean = denoiser.predict_tile(
            lambda rows, columns: window.read(0, *moved(rows, columns)), size, tile, config
        )
    kept.write(out, 0, (slice(None), slice(None)), clean)
    return out
