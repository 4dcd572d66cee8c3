"""Quality of an image compared with a reference: PSNR and SSIM."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.metrics import structural_similarity

from .core.errors import UserError


@dataclass(frozen=True)
class Scores:
    """Quality against a reference.

    Parameters
    ----------
    psnr : float
        Peak signal-to-noise ratio in dB of the image as it is.
    psnr_fitted : float
        Scale-invariant PSNR in dB: after the least-squares gain and offset to the reference.
    ssim : float
        Structural similarity (Gaussian weights, sigma 1.5), mean over planes.
    data_range : float
        Peak: 255 for 8-bit references, else the range of the reference.
    """

    psnr: float
    psnr_fitted: float
    ssim: float
    data_range: float

    def as_dict(self) -> dict[str, float | None]:
        """Convert to a dict for JSON, in which the infinite PSNR of equal images is None."""
        return {k: v if math.isfinite(v) else None for k, v in asdict(self).items()}


def evaluate(
    image: ArrayLike, reference: ArrayLike, *, data_range: float | None = None, rgb: bool = False
) -> Scores:
    """Compare an image with its reference.

    Parameters
    ----------
    image, reference : array_like
        Same shape (..., Y, X), or (..., Y, X, S) with `rgb`; a last axis of length 1 does not
        count. A reference without the leading axes is compared with every plane of the image.
        Pixels that are masked in one of them are left out.
    data_range : float, optional
        Peak value; default 255 for uint8 references, else maximum - minimum of the reference.
    rgb : bool
        The last axis holds colours.

    Returns
    -------
    Scores

    Raises
    ------
    UserError
        If the shapes do not fit, pixels are not finite or the reference is constant.
    """
    is_uint8 = getattr(reference, "dtype", None) == np.uint8
    x, r, counts = _to_compare(_single_channel(image), _single_channel(reference))
    inside = slice(None) if counts.all() else counts
    if data_range is None:
        data_range = 255.0 if is_uint8 else float(np.ptp(r[inside]))
    if data_range <= 0 or np.ptp(r[inside]) == 0:
        raise UserError("The reference is constant; nothing can be compared with it.")
    gain, offset = affine_fit(x[inside], r[inside])
    return Scores(
        psnr=_psnr(x[inside], r[inside], data_range),
        psnr_fitted=_psnr(gain * x[inside] + offset, r[inside], data_range),
        ssim=_ssim(x, r, counts, data_range, rgb),
        data_range=data_range,
    )


def _single_channel(image: ArrayLike) -> NDArray[Any]:
    """The image with its mask, without a last axis of length 1."""
    array = np.ma.asanyarray(image) if np.ma.isMaskedArray(image) else np.asarray(image)
    return array[..., 0] if array.ndim > 2 and array.shape[-1] == 1 else array


def _to_compare(
    image: NDArray[Any], reference: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Both images in one shape, equal where they are masked; and which pixels are not."""
    if image.shape[image.ndim - reference.ndim :] != reference.shape:
        raise UserError(
            f"The image has shape {image.shape}, the reference {reference.shape}; "
            "they must be equal."
        )
    masked = np.ma.getmaskarray(image) | np.ma.getmaskarray(reference)
    x, r = (np.asarray(np.ma.getdata(array), np.float64) for array in (image, reference))
    r = np.broadcast_to(r, x.shape)
    if masked.all():
        raise UserError("All pixels are masked; there is nothing to compare.")
    if masked.any():
        middle = r[~masked].mean()
        x, r = (np.where(masked, middle, array) for array in (x, r))
    if not (np.isfinite(x).all() and np.isfinite(r).all()):
        raise UserError("The images hold NaN or infinite pixels; they cannot be compared.")
    return x, r, ~masked


def affine_fit(x: NDArray[Any], reference: NDArray[Any]) -> tuple[float, float]:
    """Least-squares gain and offset that map x to the reference."""
    x0, r0 = x - x.mean(), reference - reference.mean()
    variance = float((x0 * x0).mean())
    gain = float((x0 * r0).mean()) / variance if variance > 0 else 0.0
    return gain, float(reference.mean() - gain * x.mean())


def _psnr(x: NDArray[Any], reference: NDArray[Any], data_range: float) -> float:
    error = float(((x - reference) ** 2).mean())
    return 10 * math.log10(data_range**2 / error) if error > 0 else math.inf


def _ssim(
    x: NDArray[Any],
    reference: NDArray[Any],
    counts: NDArray[np.bool_],
    data_range: float,
    rgb: bool,
) -> float:
    """Mean over planes, in them over the pixels that count."""
    plane = x.shape[-3:] if rgb else x.shape[-2:]
    if min(plane[:2]) < 11:
        raise UserError(f"SSIM needs images of at least 11 x 11 pixels, got {plane[:2]}.")
    options: dict[str, Any] = {
        "data_range": data_range,
        "channel_axis": -1 if rgb else None,
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
    }
    planes = zip(*(array.reshape(-1, *plane) for array in (x, reference, counts)), strict=True)
    values = []
    for a, b, inside in planes:
        if inside.all():
            values.append(structural_similarity(a, b, **options))
        elif inside.any():
            values.append(structural_similarity(a, b, full=True, **options)[1][inside].mean())
    return float(np.mean(values))


def to_uint8(image: ArrayLike) -> NDArray[np.uint8]:
    """Round and clip to 8 bits, as the benchmarks score and expect images."""
    return np.asarray(image, np.float64).round().clip(0, 255).astype(np.uint8)


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Mean of each score over images, as in published tables."""
    names = [field.name for field in fields(Scores)]
    return Scores(**{n: float(np.mean([getattr(s, n) for s in scores])) for n in names})
