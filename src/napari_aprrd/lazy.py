"""Denoising that waits until somebody looks: dask arrays."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import dask.array as da
import numpy as np

from .axes import ArrayPlanes
from .core.config import DenoiseConfig
from .core.denoise import denoise
from .core.denoiser import Denoiser
from .core.errors import UserError
from .core.progress import run

_one_at_a_time = threading.Lock()  # one block has all cores


def is_lazy(data: Any) -> bool:
    """True for dask and zarr arrays, False for arrays in memory."""
    return not isinstance(data, np.ndarray) and hasattr(data, "chunks")


def output_dtype(dtype: np.dtype[Any], config: DenoiseConfig) -> np.dtype[Any]:
    """The type of the denoised image, in the byte order of this machine."""
    return np.dtype(np.float32 if config.dtype == "float32" else dtype).newbyteorder("=")


def lazy_denoise(data: Any, axes: str, denoiser: Denoiser, config: DenoiseConfig) -> Any:
    """A dask array of the denoised image that computes only the planes that are looked at.

    Parameters
    ----------
    data : array
        NumPy, dask or zarr.
    axes : str
        Of the data.
    denoiser : Denoiser
    config : DenoiseConfig

    Returns
    -------
    dask.array.Array
        Shape and dtype of the data; one chunk for each plane.

    Raises
    ------
    UserError
        If the channels are not those of the denoiser.
    """
    source = ArrayPlanes(data, axes)
    if source.channels != denoiser.channels:  # now, not when napari draws
        raise UserError(
            f"The model was trained on {denoiser.channels} channel(s), "
            f"the image has {source.channels}."
        )
    chunks = [1 if letter in source.plane_axes else -1 for letter in axes]
    lazy = data if hasattr(data, "dask") else da.from_array(data, chunks=chunks, name=False)

    dtype = output_dtype(lazy.dtype, config)

    def compute(block: Any) -> Any:
        planes = ArrayPlanes(block, axes)
        out = planes.new_output(dtype)
        job = denoise(denoiser, planes, lambda p, at, t: planes.write(out, p, at, t), config)
        with _one_at_a_time:
            done = run(job)
        if not done:
            raise KeyboardInterrupt
        return out

    # A name of its own: else dask hashes the network to find one.
    name, meta = f"denoised-{uuid.uuid4().hex}", np.empty(0, dtype)
    return lazy.rechunk(chunks).map_blocks(compute, name=name, dtype=dtype, meta=meta)
