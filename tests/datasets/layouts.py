"""Tiny data sets in the exact layout of the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import imageio.v3 as iio
import numpy as np
from core.makers import noisy_image
from numpy.typing import NDArray
from scipy.io import savemat

SIDE = 40


def photo(seed: int, *, noise: float = 10.0, side: int = SIDE) -> NDArray[np.uint8]:
    image = noisy_image(3, side, side, seed=seed, noise=noise)
    return np.moveaxis(image, 0, -1).round().clip(0, 255).astype(np.uint8)


def write(path: Path, image: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, image)


def sidd(root: Path) -> Path:
    """Medium: two scenes with two exposures; validation and benchmark: 2 images of 3 blocks."""
    data = root / "SIDD_Medium_Srgb" / "Data"
    for scene in ("0001_001_S6_00100_00060_3200_L", "0002_001_S6_00100_00020_3200_N"):
        for exposure in ("010", "011"):
            for kind, noise in (("NOISY", 10.0), ("GT", 0.0)):
                name = f"{scene[:4]}_{kind}_SRGB_{exposure}.PNG"
                write(data / scene / name, photo(int(scene[:4]), noise=noise))
    for name, noise in (
        ("ValidationNoisyBlocksSrgb", 10.0),
        ("ValidationGtBlocksSrgb", 0.0),
        ("BenchmarkNoisyBlocksSrgb", 10.0),
    ):
        blocks = np.array([[photo(3 * i + b, noise=noise) for b in range(3)] for i in range(2)])
        savemat(root / f"{name}.mat", {name: blocks})  # (2, 3, Y, X, 3), uint8
    return root


def dnd(root: Path) -> Path:
    """Two images with two boxes each; Matlab 7.3 files, whose columns come first."""
    (root / "images_srgb").mkdir(parents=True)
    boxes = np.array([[1, 1, 36, 40], [5, 9, 40, 48]])  # top, left, bottom, right, from 1
    with h5py.File(root / "info.mat", "w") as file:
        references = np.empty((1, 2), h5py.ref_dtype)
        for image in range(2):
            stored = file.create_dataset(f"#refs#/{image}", data=boxes.T.astype(np.float64))
            references[0, image] = stored.ref
        file.create_dataset("info/boundingboxes", data=references, dtype=h5py.ref_dtype)
    for image in range(2):
        pixels = photo(image, side=60)[:48].astype(np.float32) / 255  # (48, 60, 3)
        with h5py.File(root / "images_srgb" / f"{image + 1:04d}.mat", "w") as file:
            file["InoisySRGB"] = pixels.T
    return root


def polyu(root: Path) -> Path:
    for folder in ("OriginalImages", "CroppedImages"):
        for kind, noise in (("real", 10.0), ("mean", 0.0)):
            name = f"Canon5D2_5_160_3200_chair_5_{kind}.JPG"
            write(root / folder / name, photo(1, noise=noise))
    return root


def cc(root: Path) -> Path:
    for kind, noise in (("real", 10.0), ("mean", 0.0)):
        write(root / f"5dmark3_iso3200_1_{kind}.png", photo(1, noise=noise))
        write(root / f"d800_iso1600_2_{kind}.png", photo(2, noise=noise))
    return root
