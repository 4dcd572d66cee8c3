"""Denoising a whole array into memory, and what its result is like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..axes import ArrayPlanes, convert
from ..core.config import DenoiseConfig
from ..core.data.neighbours import Amid
from ..core.jobs import Job
from ..core.model.denoise_planes import denoise
from ..core.model.denoiser import Denoiser
from ..core.model.half_precision import HowComputed
from ..core.model.provenance import identify, of_output
from ..core.noise.rounding import Loss, loss_by_rounding


class Denoised(NamedTuple):
    """A denoised array, and what tells how it was made.

    The record is made when it is asked for: model and source are hashed for it.
    """

    data: Any
    record: Callable[[], dict[str, Any]]


def denoise_now(
    planes: ArrayPlanes,
    denoiser: Denoiser,
    config: DenoiseConfig,
    *,
    first: int = 0,
    amid: Amid | None = None,
) -> Job[Denoised | None]:
    """Denoise a whole array into memory, beginning with one of its planes.

    Parameters
    ----------
    planes : ArrayPlanes
    denoiser : Denoiser
    config : DenoiseConfig
    first : int
    amid : Amid, optional
        Of an array of one plane: that plane and those beside it, which are the input, as the
        record says, and are not denoised themselves.

    Yields
    ------
    Progress
        See `denoise`.

    Returns
    -------
    Denoised or None
        None when stopped before the end.
    """
    out, how = planes.new_output(output_dtype(planes.data.dtype, config)), HowComputed()

    def write(plane: int, place: tuple[slice, slice], tile: NDArray[Any]) -> None:
        planes.write(out, plane if amid is None else 0, place, tile)

    read, first = amid or (planes, first)
    only, dtype = amid is not None, out.dtype
    job = denoise(denoiser, read, write, config, first=first, only=only, dtype=dtype, how=how)
    if not (yield from job):
        return None
    return Denoised(
        masked_like(planes.data, out),
        lambda: of_output(denoiser, planes, config, identify(read), precision=how.precision),
    )


def masked_like(source: Any, out: NDArray[Any]) -> NDArray[Any]:
    """Give a result the mask of its source, and under it the pixels that the source has there."""
    if not isinstance(source, np.ma.MaskedArray):
        return out
    mask = np.ma.getmaskarray(source).copy()
    out[mask] = convert(np.ma.getdata(source)[mask], out.dtype)
    fill: Any = convert(source.fill_value, out.dtype)
    masked: NDArray[Any] = np.ma.MaskedArray(out, mask, fill_value=fill)
    return masked


def output_dtype(dtype: np.dtype[Any], config: DenoiseConfig) -> np.dtype[Any]:
    """The type of the denoised image, in the byte order of this machine."""
    return np.dtype(np.float32 if config.dtype == "float32" else dtype).newbyteorder("=")


def rounding_loss(planes: ArrayPlanes, config: DenoiseConfig) -> Loss:
    """What the result loses by the type that it gets, see `loss_by_rounding`.

    Parameters
    ----------
    planes : ArrayPlanes
        The noisy source; a few windows are read.
    config : DenoiseConfig
    """
    if output_dtype(planes.data.dtype, config).kind not in "iu":
        return ""
    return loss_by_rounding(planes)
