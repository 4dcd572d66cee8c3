"""Maps beside the trust report, as lazy arrays: where structure was removed or is uncertain."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, overload

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from ..api import load
from ..arrays.labelled import is_labelled, labelled_like
from ..axes import ArrayPlanes
from ..core.errors import UserError
from ..core.model.denoiser import Denoiser
from ..core.model.interrupt import unless_cancelled
from ..core.trust.report import plane_maps, spread_map
from ..denoise_arrays.lazily import BlockStack, one_at_a_time
from ..given.images import planes_of
from ..layers import is_image_layer, map_layer
from ..signatures import AnyImage, AnyPath, DaskArray, Labelled, Layer, LazyArray

Map = Literal["residual", "removed", "left"]


@overload
def uncertainty(
    image: Labelled, teacher: Denoiser | AnyPath, *, axes: str | None = None
) -> Labelled: ...
@overload
def uncertainty(
    image: NDArray[Any] | LazyArray, teacher: Denoiser | AnyPath, *, axes: str | None = None
) -> DaskArray: ...
@overload
def uncertainty(image: Layer, teacher: Denoiser | AnyPath, *, axes: str | None = None) -> Layer: ...
def uncertainty(image: AnyImage, teacher: Denoiser | AnyPath, *, axes: str | None = None) -> Any:
    """Map how uncertain each denoised pixel is: how far a teacher's outputs disagree.

    At each shift a teacher sees different neighbours of a pixel. Where its outputs disagree, the
    noisy image says little about the pixel.

    Parameters
    ----------
    image : array, xarray.DataArray or napari Image layer
        The noisy image, with the channels that the teacher was trained on.
    teacher : Denoiser or path
        Result of `train_apr` with two shifts or more, or its model file.
    axes : str, optional
        One letter of "ITZCYXS" for each dimension, where it cannot be inferred.

    Returns
    -------
    dask.array.Array, xarray.DataArray or napari Image layer
        Standard deviation over the shifts in the units of the image, float32, of its shape
        (without RGB samples). Each plane is computed when it is displayed. A layer gives a layer
        in the same place, ready for ``viewer.add_layer``; a DataArray gives one.

    Raises
    ------
    UserError
        If the model is a student, or does not fit the image.

    Examples
    --------
    >>> spread = aprrd.uncertainty(image, teacher).compute()
    """
    teacher = teacher if isinstance(teacher, Denoiser) else load(teacher)
    planes = planes_of(image, axes)
    spread = lazy_spread(planes.data, planes.axes, teacher)
    if is_image_layer(image):
        return map_layer(image, spread, f"{image.name}: uncertainty")
    if is_labelled(image):
        return labelled_like(image, spread, planes.axes, planes.axes.replace("S", ""))
    return spread


def lazy_map(noisy: Any, clean: Any, axes: str, kind: Map) -> Any:
    """A map of each plane, computed when it is displayed.

    Parameters
    ----------
    noisy, clean : array
        Images of the same shape.
    axes : str
        One letter for each dimension; of RGB samples the mean is taken.
    kind : {"residual", "removed", "left"}
        See `PlaneMaps`.

    Returns
    -------
    dask.array.Array
        Shape of the image without samples, float32.
    """
    both = (_in_planes(data, axes, "YXS") for data in (noisy, clean))
    return _mapped(_map_block, *both, kind, axes=axes)


def lazy_spread(
    noisy: Any,
    axes: str,
    teacher: Denoiser,
    *,
    is_cancelled: Callable[[], bool] | None = None,
) -> Any:
    """Map how uncertain each denoised pixel is: a teacher's spread over its targets.

    The outputs at different shifts depend on different neighbours. Where they disagree, the noisy
    image contains little information on the pixel. Each plane is computed when it is displayed.

    Parameters
    ----------
    noisy : array
    axes : str
        One letter for each dimension; of RGB samples the mean is taken.
    teacher : Denoiser
        With the image's channels, and two shifts or more.
    is_cancelled : callable, optional
        As in `lazy_denoise`.

    Returns
    -------
    dask.array.Array
        Standard deviation in the units of the image; its shape without samples, float32.

    Raises
    ------
    UserError
        If the model is not a teacher, has only one shift, or does not fit the image.
    """
    if not teacher.is_teacher or len(teacher.shifts) < 2:
        raise UserError("Uncertainty needs a teacher with two shifts or more, not a student.")
    source = ArrayPlanes(noisy, axes)
    teacher.check_channels(source.channels)
    planes = _in_planes(noisy, axes, f"YX{source.channel_axis}")
    stack = BlockStack.of(source, teacher)
    blocks = [planes, *(stack.beside(planes) if stack is not None else ())]
    token = uuid.uuid4().hex  # names of their own: else dask hashes the network to find them
    model = dask.delayed(teacher, name=f"teacher-{token}", traverse=False)
    block = partial(_spread_block, stack=stack, is_cancelled=is_cancelled)
    return _mapped(block, model, *blocks, axes=axes, name=f"spread-{token}")


def _in_planes(data: Any, axes: str, whole: str) -> Any:
    """A dask array of chunks that are whole along some axes and of length 1 along the others."""
    chunks = tuple(-1 if letter in whole else 1 for letter in axes)
    return (data if hasattr(data, "dask") else da.from_array(data, chunks=chunks)).rechunk(chunks)


def _mapped(function: Any, *parts: Any, axes: str, name: str | None = None) -> Any:
    return da.map_blocks(
        partial(function, axes=axes),
        *parts,
        name=name,
        dtype=np.float32,
        meta=np.empty(0, np.float32),
        drop_axis=[axes.index("S")] if "S" in axes else [],
    )


def _spread_block(
    teacher: Denoiser,
    *blocks: Any,
    axes: str,
    stack: BlockStack | None,
    is_cancelled: Callable[[], bool] | None,
    block_id: Any = None,
) -> Any:
    """The spread of one plane with all its channels, or of the mean of its samples."""
    noisy, plane, whole = blocks[0], 0, (slice(None), slice(None))
    if stack is not None:
        noisy, plane = stack.join(blocks, block_id[stack.axis])
    image = teacher.stacked(ArrayPlanes(noisy, axes)).read(plane, *whole)
    out = np.zeros(blocks[0].shape, np.float32)
    with one_at_a_time, unless_cancelled(is_cancelled):
        spread = spread_map(image, teacher)
    ArrayPlanes(out, axes).write(out, 0, whole, spread)
    return _mean_of_samples(out, axes)


def _map_block(noisy: Any, clean: Any, kind: Map, *, axes: str) -> Any:
    """The map of one plane of one channel, or of the mean of its samples."""
    noisy, clean = (_mean_of_samples(image, axes) for image in (noisy, clean))
    sides = [
        n for letter, n in zip(axes.replace("S", ""), noisy.shape, strict=True) if letter in "YX"
    ]
    before, after = (image.reshape(sides).astype(np.float32) for image in (noisy, clean))
    return getattr(plane_maps(before, after), kind).reshape(noisy.shape)


def _mean_of_samples(image: Any, axes: str) -> Any:
    """The image without its RGB samples, if it has any; alpha does not count."""
    if "S" not in axes:
        return image
    colours = slice(ArrayPlanes(image, axes).channels)
    samples = (*(slice(None) for _ in axes[: axes.index("S")]), colours)
    return image[samples].mean(axes.index("S"), dtype=np.float32)
