"""Photographs as a camera's small sensor takes them in poor light, from clean pictures.

Noise of photons and of reading is added to linear light under a Bayer filter. Demosaicing then
spreads it over neighbours and colours, white balance makes it stronger in red and blue, the sRGB
curve makes it stronger in the dark, and 8 bits cut it off at black and white. These are the steps
of the simple pipeline with which the photographs of SIDD were rendered (Abdelhamed et al. 2018).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Real = NDArray[np.float64]

TOP = 255.0  # of 8 bits
_BALANCE = np.array([2.0, 1.0, 1.6])  # typical gains of red, green and blue in daylight
_TOE, _SLOPE = 0.0031308, 12.92  # sRGB (IEC 61966-2-1) is a line below this light
_SIDE = 256  # pixels, as the crops on which SIDD is validated
# Pictures that scikit-image ships, and the corners of their crops. None of them may be among those
# that the starting weights learnt from: tests/test_starter_pictures.py.
_CROPS = (
    *(("astronaut", 0, 128), ("astronaut", 256, 0), ("chelsea", 20, 60), ("chelsea", 44, 195)),
    *(("coffee", 60, 60), ("coffee", 144, 330), ("rocket", 10, 230), ("rocket", 171, 0)),
)
# Light of one photon, in units of white, and read noise: from a bright room to near darkness.
_STRENGTHS = ((0.01, 0.01), (0.02, 0.01), (0.03, 0.01), (0.03, 0.02))

# Gradient-corrected linear interpolation (Malvar, He, Cutler, ICASSP 2004, figure 2), in eighths:
# the middle of each filter and what is right of it and below it, which is mirrored.
_GREEN, _IN_ROW, _CROSS = (
    np.pad(np.array(quarter), ((2, 0), (2, 0)), mode="reflect") / 8
    for quarter in (
        [[4, 2, -1], [2, 0, 0], [-1, 0, 0]],
        [[5, 4, -1], [0, -1, 0], [0.5, 0, 0]],
        [[6, 0, -1.5], [0, 2, 0], [-1.5, 0, 0]],
    )
)


class Photograph(NamedTuple):
    """A noisy photograph and its truth, (H, W, 3)."""

    name: str
    noisy: NDArray[np.uint8]
    clean: NDArray[np.uint8]
    uncut: Real  # the noisy one before it was rounded and cut off at 0 and 255


def camera_like(seed: int = 0) -> list[Photograph]:
    """Eight crops of clean photographs with strong noise of a small camera.

    Parameters
    ----------
    seed : int
        Same seed, same noise.
    """
    import skimage.data  # takes its time to import, and only this function needs it

    photographs = []
    for number, (name, top, left) in enumerate(_CROPS):
        picture = getattr(skimage.data, name)()
        clean = picture[top : top + _SIDE, left : left + _SIDE, :3]
        photon, read = _STRENGTHS[number % len(_STRENGTHS)]
        uncut = photographed(clean, photon=photon, read=read, seed=len(_CROPS) * seed + number)
        label = f"camera_like_{name}_{number % 2}"
        photographs.append(Photograph(label, as_8_bits(uncut), clean, uncut))
    return photographs


def photographed(clean: NDArray[Any], *, photon: float, read: float, seed: int = 0) -> Real:
    """Take a photograph of a clean picture.

    Parameters
    ----------
    clean : ndarray, shape (H, W, 3)
        Values of sRGB, 0 to 255.
    photon : float
        Light of one photon, and standard deviation of the read noise, in units of the light that
        saturates the sensor.
    read : float
        See photon.
    seed : int
        Same seed, same noise.

    Returns
    -------
    ndarray, shape (H, W, 3)
        Values of sRGB, before they are rounded and cut off; the curve goes on below 0 as its mirror
        image.
    """
    rng = np.random.default_rng(seed)
    mosaic = _mosaic(linear(clean / TOP) / _BALANCE)
    # Many photons and few alike: a Gaussian of the same variance has no steps, as SIDD's noise.
    noisy = mosaic + rng.normal(size=mosaic.shape) * np.sqrt(photon * mosaic + read**2)
    return TOP * curved(demosaicked(noisy * _mosaic(np.broadcast_to(_BALANCE, clean.shape))))


def as_8_bits(picture: Real) -> NDArray[np.uint8]:
    """Round to whole numbers, and cut off at 0 and 255."""
    return picture.round().clip(0, TOP).astype(np.uint8)


def linear(values: Real) -> Real:
    """Light of values of sRGB, both 0 to 1."""
    return np.where(values <= _SLOPE * _TOE, values / _SLOPE, ((values + 0.055) / 1.055) ** 2.4)


def curved(light: Real) -> Real:
    """Values of sRGB of light, both 0 to 1 and beyond."""
    size = np.abs(light)
    bent = 1.055 * np.maximum(size, _TOE) ** (1 / 2.4) - 0.055
    return np.asarray(np.sign(light) * np.where(size <= _TOE, _SLOPE * size, bent))


def demosaicked(mosaic: Real) -> Real:
    """All colours of each pixel, (H, W, 3), from one: RGGB, (H, W)."""
    filters = (_GREEN, _IN_ROW, _IN_ROW.T, _CROSS)
    green, row, column, cross = (ndimage.convolve(mosaic, f, mode="mirror") for f in filters)
    colours = np.stack([cross, green, cross], axis=-1)  # right at the sites of blue and red
    for colour, (y, x) in ((0, (0, 0)), (2, (1, 1))):
        colours[y::2, x::2, colour] = mosaic[y::2, x::2]
        colours[y::2, 1 - x :: 2, colour] = row[y::2, 1 - x :: 2]  # green, in this colour's rows
        colours[1 - y :: 2, x::2, colour] = column[1 - y :: 2, x::2]
        colours[y::2, 1 - x :: 2, 1] = mosaic[y::2, 1 - x :: 2]
    return colours


def _mosaic(colours: Real) -> Real:
    """The colour of each pixel that a Bayer filter (RGGB) lets through: (H, W)."""
    mosaic = colours[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = colours[::2, ::2, 0], colours[1::2, 1::2, 2]
    return mosaic
