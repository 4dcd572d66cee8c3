"""The trust report of arrays, layers and files; its maps as lazy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import dask.array as da
import numpy as np

from . import _layers
from .api import planes_of
from .axes import ArrayPlanes
from .core.denoiser import Denoiser
from .core.errors import UserError
from .core.files import write_atomically
from .core.trust import Look, TrustReport, examine, look
from .io import Picture, read_picture
from .report_page import page

Map = Literal["residual", "removed", "left"]
_SHOWN = 512  # pixels: side of the window that a page shows


def trust_report(
    noisy: Any, clean: Any, model: Denoiser | None = None, *, axes: str | None = None
) -> TrustReport:
    """Say whether a denoised image can be trusted, without a clean reference.

    Parameters
    ----------
    noisy, clean : array or napari Image layer
        The source, and what `denoise` made of it. A few windows of them are read.
    model : Denoiser, optional
        A teacher tells how far its outputs at different shifts agree.
    axes : str, optional
        One letter of "ITZCYXS" for each dimension, where it cannot be inferred.

    Returns
    -------
    TrustReport
        ``verdicts`` in plain words, and what they are based on; ``status`` is "good", "look" or
        "bad".

    Raises
    ------
    UserError
        If the images do not belong together, or there is nothing to measure.

    Examples
    --------
    >>> for verdict in aprrd.trust_report(noisy, clean).verdicts:
    ...     print(verdict.status, verdict.sentence)
    """
    source, result = planes_of(noisy, axes), planes_of(clean, axes)
    if _layers.is_image_layer(noisy) and not _layers.is_image_layer(clean):
        result = ArrayPlanes(clean, source.axes)
    return report_on(source, result, model)


def report_on(noisy: ArrayPlanes, clean: ArrayPlanes, model: Denoiser | None = None) -> TrustReport:
    """The trust report of planes; along T they are frames of a film."""
    if noisy.data.shape != clean.data.shape:
        raise UserError("The denoised image must have the shape of its source.")
    return examine(noisy, clean, model, frames=film(noisy))


def film(planes: ArrayPlanes) -> Sequence[int]:
    """Numbers of the planes at the middle of all other axes, frame by frame; none without T."""
    if "T" not in planes.plane_axes:
        return ()
    shape = planes.plane_shape
    numbers = np.arange(np.prod(shape)).reshape(shape)
    axis = planes.plane_axes.index("T")
    middle = tuple(slice(None) if a == axis else n // 2 for a, n in enumerate(shape))
    return [int(number) for number in numbers[middle]]


def write_report(source: Picture, target: Path, model: Denoiser | None = None) -> list[Path]:
    """Write NAME.report.html and NAME.report.json beside a denoised file.

    Parameters
    ----------
    source : Picture
        The noisy one.
    target : Path
        The denoised one.
    model : Denoiser, optional
        That denoised it.

    Returns
    -------
    list of Path
    """
    result = read_picture(target, source.axes)
    noisy, clean = (ArrayPlanes(picture.data, source.axes) for picture in (source, result))
    report = report_on(noisy, clean, model)
    text = page(target.name, report, middle(noisy, clean), result.record)
    written = []
    for kind, content in (("html", text), ("json", report.model_dump_json(indent=1))):
        path = target.with_name(f"{target.stem}.report.{kind}")
        write_atomically(path, lambda p, content=content: p.write_text(content, "utf-8"))  # type: ignore[misc]
        written.append(path)
    return written


def middle(noisy: ArrayPlanes, clean: ArrayPlanes) -> Look:
    """The middle of the middle plane, first channel."""
    plane = len(noisy.sizes) // 2
    rows, columns = (
        slice(max(0, (n - _SHOWN) // 2), min(n, (n + _SHOWN) // 2)) for n in noisy.sizes[plane]
    )
    return look(noisy.read(plane, rows, columns)[0], clean.read(plane, rows, columns)[0])


def lazy_map(noisy: Any, clean: Any, axes: str, kind: Map) -> Any:
    """A map of each plane, computed when it is looked at.

    Parameters
    ----------
    noisy, clean : array
        Of the same shape.
    axes : str
        One letter for each dimension; of RGB samples the mean is taken.
    kind : {"residual", "removed", "left"}
        See `Look`.

    Returns
    -------
    dask.array.Array
        Shape of the image without samples, float32.
    """
    chunks = tuple(-1 if letter in "YXS" else 1 for letter in axes)
    both = [
        (data if hasattr(data, "dask") else da.from_array(data, chunks=chunks)).rechunk(chunks)
        for data in (noisy, clean)
    ]
    return da.map_blocks(
        _map_block,
        *both,
        axes,
        kind,
        dtype=np.float32,
        meta=np.empty(0, np.float32),
        drop_axis=[axes.index("S")] if "S" in axes else [],
    )


def _map_block(noisy: Any, clean: Any, axes: str, kind: Map) -> Any:
    """The map of one plane of one channel, or of the mean of its samples."""
    if "S" in axes:
        samples = (*(slice(None) for _ in axes[: axes.index("S")]), slice(3))
        noisy, clean = (
            image[samples].mean(axes.index("S"), dtype=np.float32) for image in (noisy, clean)
        )
    sides = [
        n for letter, n in zip(axes.replace("S", ""), noisy.shape, strict=True) if letter in "YX"
    ]
    before, after = (image.reshape(sides).astype(np.float32) for image in (noisy, clean))
    return getattr(look(before, after), kind).reshape(noisy.shape)
