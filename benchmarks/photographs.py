"""Photographs with references, what else is learnt from beside them, and scores of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import skimage.data
import skimage.io
import tifffile
from numpy.typing import NDArray

from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.metrics import evaluate, to_uint8

SETS = {"nam12": "nam12", "polyu": "camera_rgb"}  # data sets, and how their files start
# Coloured pictures that scikit-image brings along. Others it would have to fetch.
OTHERS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


class Photographs(NamedTuple):
    """Noisy photographs and their references, each (C, H, W), and all planes to learn from."""

    noisy: list[NDArray[np.float32]]
    references: list[NDArray[np.float32]]
    planes: MemoryPlanes
    counts: dict[str, int]  # of each data set, in order

    def scores(self, images: list[NDArray[Any]]) -> dict[str, list[float]]:
        """PSNR, the same after a fit, and SSIM of each photograph in 8 bits."""
        with ThreadPoolExecutor() as pool:
            rows = list(pool.map(_score, images, self.references))
        names = ("psnr", "psnr_fitted", "ssim")
        return {name: [round(getattr(row, name), 4) for row in rows] for name in names}


def read(data: Path, side: int) -> Photographs:
    """Read the middle of all photographs, side x side pixels, and whole other pictures."""
    noisy: list[NDArray[np.float32]] = []
    references: list[NDArray[np.float32]] = []
    counts = {}
    for name, stem in SETS.items():
        for kind, images in (("noisy", noisy), ("reference", references)):
            stack = tifffile.imread(next(data.rglob(f"{stem}_{kind}.tif")))
            images += [_planar(image, side) for image in stack]
            counts[name] = len(stack)
    planes = MemoryPlanes([*noisy, *_others()], colours=True)
    return Photographs(noisy, references, planes, counts)


def _others() -> list[NDArray[np.float32]]:
    files = [Path(skimage.data.__file__).parent / name for name in OTHERS]
    return [_planar(skimage.io.imread(file)[..., :3]) for file in files if file.exists()]


def _planar(image: NDArray[Any], side: int | None = None) -> NDArray[np.float32]:
    """(H, W, 3) -> its middle, (3, side, side)."""
    image = np.moveaxis(image, -1, 0)
    if side is not None:
        top, left = ((n - side) // 2 for n in image.shape[1:])
        image = image[:, top : top + side, left : left + side]
    return image.astype(np.float32)


def _score(image: NDArray[Any], reference: NDArray[Any]) -> Any:
    image, reference = (to_uint8(np.moveaxis(x, 0, -1)) for x in (image, reference))
    return evaluate(image, reference, data_range=255, rgb=True)
