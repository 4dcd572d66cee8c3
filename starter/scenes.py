"""Clean simulated scenes that the starting weights learn from; light from 0 to about 1.

They share no code and no shapes with `napari_aprrd.core.data.synthetic`, which draws the demo, the
sample data and the synthetic benchmarks: an image there must not look like one from here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.special import expit

Image = NDArray[np.float32]
Real = NDArray[np.float64]
Generator = np.random.Generator

FIRST_SEED = 770_000  # far from the seeds of tests and benchmarks, which count from 0


def scenes(count: int, side: int) -> list[Image]:
    """Scenes of all kinds, one kind after the other, each with a seed of its own."""
    return [scene(FIRST_SEED + i, KINDS[i % len(KINDS)], side) for i in range(count)]


def scene(seed: int, kind: Callable[[Generator, int], Real], side: int) -> Image:
    """One scene as a microscope shows it: blur, haze, background, and pixels of some size."""
    rng = np.random.default_rng(seed)
    fine = int(rng.integers(1, 3))  # drawing samples for each pixel
    image = kind(rng, fine * side)
    if kind is not smooth:
        image = ndimage.gaussian_filter(image, fine * rng.uniform(0.3, 2.2), mode="wrap")
        if rng.random() < 0.4:  # light from out of focus
            haze = ndimage.gaussian_filter(image, fine * rng.uniform(8, 30), mode="wrap")
            image = image + rng.uniform(0.2, 2) * haze
    image = image.reshape(side, fine, side, fine).mean((1, 3))
    image = (image - image.min()) / max(float(np.percentile(image, 99.8) - image.min()), 1e-9)
    background = rng.choice([0, 0.05, 0.2]) * rng.random()
    if rng.random() < 0.5:
        background = background + rng.uniform(0, 0.4) * unit(ramp(rng, side))
    return ((image.clip(0, 1.5) + background) / (1 + np.max(background))).astype(np.float32)


def tissue(rng: Generator, side: int) -> Real:
    """Cells side by side (Voronoi), with membranes, and in most of them a nucleus."""
    pitch = side * rng.uniform(0.04, 0.16)
    centres = rng.uniform(-pitch, side + pitch, (int((side / pitch + 2) ** 2), 2))
    (near, next_one), (owner, _) = nearest(centres, side)
    membrane = np.exp(-(((next_one - near) / rng.uniform(2, 6)) ** 2))
    inside = rng.lognormal(0, 0.6, len(centres))[owner] * rng.uniform(0.05, 0.6)
    nuclei = (near < pitch * rng.uniform(0.15, 0.35)) * rng.lognormal(0, 0.5, len(centres))[owner]
    parts = [membrane, inside, nuclei * (0.5 + unit(spectrum(rng, side, 1.2)))]
    return np.asarray(sum(rng.uniform(0, 1) * part for part in parts))


def nuclei(rng: Generator, side: int) -> Real:
    """Ellipses and rounded polygons with a texture, some over others."""
    image, mottle = np.zeros((side, side)), unit(spectrum(rng, side, rng.uniform(0.8, 2)))
    radius, corners = side * rng.uniform(0.015, 0.09), rng.choice([0, 5, 7])
    for _ in range(int(rng.uniform(0.2, 1) * (side / (3 * radius)) ** 2) + 1):
        y, x = (np.arange(side) - rng.uniform(0, side) for _ in range(2))
        at = (x + 1j * y[:, None]) * np.exp(1j * rng.uniform(0, 7))
        reach = np.hypot(at.real / rng.uniform(0.6, 1), at.imag / rng.uniform(0.8, 1.4))
        if corners:
            reach = reach * (1 + 0.12 * np.cos(corners * np.angle(at)))
        size = radius * rng.uniform(0.7, 1.4)
        image += rng.lognormal(0, 0.4) * expit((size - reach) / rng.uniform(0.4, 1.5))
    return image * (1 - rng.uniform(0.1, 0.8) * mottle)


def network(rng: Generator, side: int) -> Real:
    """Filaments that wander: microtubules, or thick and short like mitochondria."""
    count, steps = int(rng.integers(20, 220)), int(side * rng.choice([0.08, 0.4, 1.5]))
    bend = rng.uniform(0.005, 0.08)
    turns = ndimage.gaussian_filter1d(rng.normal(0, 3 * bend, (count, steps)), 4, axis=1)
    heading = rng.uniform(0, 7, (count, 1)) + np.cumsum(turns, axis=1)
    start = rng.uniform(0, side, (count, 2)) @ [1, 1j]
    path = start[:, None] + np.cumsum(np.exp(1j * heading), axis=1)
    light = rng.lognormal(0, 0.5, (count, 1)) * np.ones(steps)
    thickness = rng.choice([0, 0, 1, 3]) * rng.normal(size=(3, *path.shape))
    return sum(points(path + aside * 1j, light, side) for aside in thickness) + np.zeros(())


def fibres(rng: Generator, side: int) -> Real:
    """Long, nearly parallel fibres: a stretched random field, and the sharp crests of it."""
    flow = spectrum(rng, 2 * side, rng.uniform(0.5, 1.2), stretch=rng.uniform(5, 14))
    turned = ndimage.rotate(flow, rng.uniform(0, 180), reshape=False, order=1, mode="wrap")
    middle = turned[side // 2 : side // 2 + side, side // 2 : side // 2 + side]
    crests = np.exp(-((middle / rng.uniform(0.1, 0.7)) ** 2))
    patches = unit(spectrum(rng, side, 2.5))
    return (crests + rng.uniform(0, 0.5) * unit(middle)) * (0.1 + patches)


def puncta(rng: Generator, side: int) -> Real:
    """Few or many spots, alone or in groups; the field may be nearly empty."""
    count = int(np.exp(rng.uniform(np.log(8), np.log(3000))))
    at = rng.uniform(0, side, (count, 2)) @ [1, 1j]
    if rng.random() < 0.5:  # in groups
        at = at[rng.integers(0, max(count // 12, 1), count)]
        at = at + rng.normal(0, side / 30, (count, 2)) @ [1, 1j]
    light = rng.lognormal(0, rng.uniform(0.2, 1.2), count)
    return ndimage.gaussian_filter(points(at, light, side), rng.uniform(0.5, 2.5), mode="wrap")


def rings(rng: Generator, side: int) -> Real:
    """Vesicles: bright rims, some filled."""
    count = int(rng.integers(10, 150))
    centre = rng.uniform(0, side, (count, 2)) @ [1, 1j]
    radius = side * rng.uniform(0.008, rng.uniform(0.02, 0.08), count)
    angle, light = rng.uniform(0, 7, (count, 1500)), rng.lognormal(0, 0.5, (count, 1))
    edge = points(
        centre[:, None] + radius[:, None] * np.exp(1j * angle), light * radius[:, None], side
    )
    depth = radius[:, None] * np.sqrt(rng.random((count, 1500)))
    filled = (rng.random((count, 1)) < 0.4) * light * radius[:, None]
    inside = points(centre[:, None] + depth * np.exp(1j * angle), filled, side)
    return ndimage.gaussian_filter(edge + rng.uniform(0.2, 1) * inside, 1.5, mode="wrap")


def layers(rng: Generator, side: int) -> Real:
    """Layers of tissue as in a tomogram: wavy borders, light that fades with depth."""
    rows = np.arange(side)[:, None]
    wave = ndimage.gaussian_filter1d(rng.normal(size=side), side / 12, mode="wrap")
    wave *= side * rng.uniform(0, 0.1) / max(float(wave.std()), 1e-9)
    borders = np.sort(rng.uniform(0.1, 0.9, int(rng.integers(3, 10)))) * side
    image, shape = np.full((side, side), rng.uniform(0, 0.2)), np.ones(side)
    for border in borders:
        shape = ndimage.gaussian_filter1d(rng.normal(size=side), side / 20, mode="wrap")
        at = border + wave + shape * rng.uniform(0, 30)
        image += rng.normal(0, 0.5) * expit((rows - at) / rng.uniform(0.7, 3))
    band = spectrum(rng, side, rng.uniform(0.6, 1.5), stretch=rng.uniform(1, 5))
    image = (image - image.min()) * (1 + rng.uniform(0, 0.35) * band).clip(0.1)
    return image * np.exp(-rng.uniform(0, 2) * rows / side)


def texture(rng: Generator, side: int) -> Real:
    """Dense structure at all sizes, or labyrinths and grains made of it."""
    field = spectrum(rng, side, rng.uniform(0.8, 2.2), stretch=rng.uniform(1, 3))
    match rng.choice(["plain", "bright", "grains", "walls"]):
        case "bright":
            return np.exp(rng.uniform(0.5, 1.5) * field)
        case "grains":
            return np.asarray(expit((field - rng.uniform(-0.5, 1)) * rng.uniform(4, 30)))
        case "walls":
            return np.exp(-((field / rng.uniform(0.1, 0.5)) ** 2))
    return unit(field)


def smooth(rng: Generator, side: int) -> Real:
    """Almost nothing: slow gradients, some with an edge, or a few faint discs."""
    image = unit(ramp(rng, side))
    if rng.random() < 0.3:
        image = unit(image + rng.normal(0, 0.5) * (ramp(rng, side) > 0))
    if rng.random() < 0.3:
        image = image + rng.uniform(0.02, 0.5) * nuclei(rng, side)
    return image


# Networks learn smooth gradients less easily than structure, so these come twice as often.
KINDS = (tissue, nuclei, network, fibres, puncta, rings, layers, texture, smooth, smooth)


def ramp(rng: Generator, side: int) -> Real:
    """A straight slope, a slope that bends, or slow waves; about -1 to 1."""
    y, x = np.meshgrid(*2 * [np.linspace(-1, 1, side)], indexing="ij")
    along = rng.choice([x, y, x * np.cos(2.4) + y * np.sin(2.4), x - 0.3 * y])
    match rng.choice(["straight", "bowl", "waves"], p=[0.5, 0.25, 0.25]):
        case "bowl":
            middle = rng.uniform(-0.7, 0.7, 2)
            return 1 - (x - middle[0]) ** 2 - rng.uniform(0.2, 1) * (y - middle[1]) ** 2
        case "waves":
            return np.asarray(spectrum(rng, side, 4))
    return np.asarray(along * rng.choice([-1, 1]))


def spectrum(rng: Generator, side: int, power: float, stretch: float = 1) -> Real:
    """A random field of mean 0 and deviation 1 whose amplitudes fall as frequency ** -power."""
    down, right = np.fft.fftfreq(side)[:, None] * stretch, np.fft.rfftfreq(side)[None] / stretch
    falling = np.maximum(np.hypot(down, right), 1 / side) ** -power
    falling[0, 0] = 0
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) * falling, (side, side))
    return np.asarray(field / field.std())


def points(at: NDArray[np.complex128], light: Real, side: int) -> Real:
    """Light of points, each in its sample; what leaves on one side comes in on the other."""
    rows, columns = (np.floor(part).astype(int) % side for part in (at.imag, at.real))
    light = np.broadcast_to(light, at.shape)
    drawn = np.bincount((rows * side + columns).ravel(), light.ravel(), side * side)
    return np.asarray(drawn.reshape(side, side), dtype=np.float64)


def nearest(centres: Real, side: int) -> tuple[Real, NDArray[np.int_]]:
    """Distance to, and number of, the two centres next to each sample: (2, side, side) each."""
    distance, owner = cKDTree(centres).query(np.indices((side, side)).reshape(2, -1).T, k=2)
    return distance.T.reshape(2, side, side), owner.T.reshape(2, side, side)


def unit(image: Real) -> Real:
    """From 0 to 1."""
    return (image - image.min()) / max(float(np.ptp(image)), 1e-9)
