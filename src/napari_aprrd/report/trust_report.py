"""The trust report of arrays, layers and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.labelled import is_labelled
from ..axes import ArrayPlanes
from ..core.atomic_files import write_atomically
from ..core.errors import UserError
from ..core.model.denoiser import Denoiser
from ..core.trust.report import PlaneMaps, TrustReport, examine, plane_maps
from ..files.formats import read_picture
from ..files.picture import Picture, with_axes_in_order
from ..given.images import planes_of
from ..layers import KEY, is_image_layer
from ..signatures import AnyImage
from .page import page

_SHOWN = 512  # pixels: side of the window on a page; a larger one would be scaled down by browsers


def trust_report(
    noisy: AnyImage, clean: AnyImage, model: Denoiser | None = None, *, axes: str | None = None
) -> TrustReport:
    """Say whether a denoised image can be trusted, without a clean reference.

    Parameters
    ----------
    noisy, clean : array, xarray.DataArray or napari Image layer
        The source, and what `denoise` made of it. A few windows of them are read.
    model : Denoiser, optional
        If it is a teacher, the agreement of its outputs at different shifts is reported.
    axes : str, optional
        One letter of "ITZCYXS" for each dimension, where it cannot be inferred.

    Returns
    -------
    TrustReport
        ``verdicts`` in plain words, and what they are based on; ``status`` is "good", "warn" or
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
    if (is_image_layer(noisy) or is_labelled(noisy)) and not is_image_layer(clean):
        result = ArrayPlanes(result.data, source.axes)
    record = clean.metadata.get(KEY) if is_image_layer(clean) else None
    return report_on(source, result, model, record)


def report_on(
    noisy: ArrayPlanes,
    clean: ArrayPlanes,
    model: Denoiser | None = None,
    record: Mapping[str, Any] | None = None,
) -> TrustReport:
    """Write the trust report of planes, which are frames of a film along T.

    Parameters
    ----------
    noisy, clean : ArrayPlanes
    model : Denoiser, optional
        The model that denoised them.
    record : mapping, optional
        How the denoised image was made, as it holds it.
    """
    if noisy.data.shape != clean.data.shape:
        raise UserError("The denoised image must have the shape of its source.")
    return examine(noisy, clean, model, frames=film(noisy), record=record)


def film(planes: ArrayPlanes) -> Sequence[int]:
    """Numbers of the planes along T, in the middle of all other axes; none without T."""
    if "T" not in planes.plane_axes:
        return ()
    shape = planes.plane_shape
    numbers = np.arange(np.prod(shape)).reshape(shape)
    axis = planes.plane_axes.index("T")
    middle = tuple(slice(None) if a == axis else n // 2 for a, n in enumerate(shape))
    return [int(number) for number in numbers[middle]]


def write_report(source: Picture, target: Path, model: Denoiser | None = None) -> list[Path]:
    """Write NAME.report.html and NAME.report.json beside a denoised file called NAME.

    The ending stays in the name, so that the reports on cells.tif and cells.png differ.

    Parameters
    ----------
    source : Picture
        The noisy image.
    target : Path
        The denoised image file.
    model : Denoiser, optional
        The model that denoised it.

    Returns
    -------
    list of Path
    """
    # OME-Zarr has an order of its own; what names no axes has those of the source.
    result = with_axes_in_order(read_picture(target), source.axes)
    noisy, clean = (ArrayPlanes(picture.data, source.axes) for picture in (source, result))
    report = report_on(noisy, clean, model, result.record)
    text = page(target.name, report, middle(noisy, clean), result.record)
    written = []
    for kind, content in (("html", text), ("json", report.model_dump_json(indent=1))):
        path = target.with_name(f"{target.name}.report.{kind}")
        encoded = content.encode("utf-8", "backslashreplace")  # names may be of another encoding
        write_atomically(path, lambda p, encoded=encoded: p.write_bytes(encoded))  # type: ignore[misc]
        written.append(path)
    return written


def middle(noisy: ArrayPlanes, clean: ArrayPlanes) -> PlaneMaps:
    """Images and maps of the middle of the middle plane, first channel."""
    plane = len(noisy.sizes) // 2
    rows, columns = (
        slice(max(0, (n - _SHOWN) // 2), min(n, (n + _SHOWN) // 2)) for n in noisy.sizes[plane]
    )
    return plane_maps(noisy.read(plane, rows, columns)[0], clean.read(plane, rows, columns)[0])
