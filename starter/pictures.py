"""The pictures that the starting weights learn from, as planes of light from 0 to about 1.

    python starter/pictures.py PHOTOGRAPHS pictures.npz

writes them into one file of about 25 MB, for a machine that has neither the photographs nor a
network to fetch them. `make.py` takes that file instead of the folder and says where the
photographs are from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import skimage
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]

PICTURES = (  # of scikit-image
    *("brick", "camera", "cell", "coins", "grass", "gravel", "ihc", "microaneurysms", "moon"),
    *("motorcycle_left", "page"),
)
PHOTOGRAPHS = (  # of Lomiri (its copyright file says by whom), and of scikit-learn
    *("aitzgorri_by_Aitzol_Berasategi", "friends_by_Aitzol_Berasategi"),
    *("life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi"),
    *("Picture_0B_by_freespace", "Picture_1A_by_freespace", "seeding_by_Clements_Engelhardt"),
    *("sunset_by_Aitzol_Berasategi", "umang_by_Abhishek_Mudgal", "Wine_by_Jakkub_Mede"),
    *("china", "flower"),
)
LONGEST = 1000  # pixels: about the longer side of a photograph once its own noise is averaged away
BRIGHTEST = 1.2  # of the light that nearly all pixels stay below


def pictures(place: Path) -> list[Image]:
    """Each colour of all pictures: of the folder of photographs, or of a file made before."""
    if place.is_dir():
        return photographed(place)
    with np.load(place) as file:
        return [file[name] * np.float32(BRIGHTEST / 255) for name in file.files]


def photographed(folder: Path) -> list[Image]:
    """Each colour of all pictures, at half the size or less, which takes their noise; 0 to 1."""
    images, own = [], Path(skimage.__file__).parent / "data"
    for place, names in ((own, PICTURES), (folder, PHOTOGRAPHS)):
        for name in names:
            picture = np.atleast_3d(iio.imread(next(place.rglob(f"{name}.*")))).astype(np.float32)
            images += [stretched(colour) for colour in np.moveaxis(picture[..., :3], -1, 0)]
    return images


def stretched(image: Image) -> Image:
    """Means of squares of pixels, and nearly all of them from 0 to 1."""
    factor = max(2, round(max(image.shape) / LONGEST)) if min(image.shape) > 300 else 1
    middle = slice(factor // 2, None, factor)
    smaller = ndimage.uniform_filter(image, factor)[middle, middle]
    low, high = np.percentile(smaller, [0.5, 99.5])
    scaled = (smaller - low) / max(high - low, 1e-6)
    return np.asarray(scaled.clip(0, BRIGHTEST), dtype=np.float32)


def main() -> None:
    folder, file = map(Path, sys.argv[1:3])
    # 255 levels: their steps are far below the weakest noise that is learnt from.
    levels = [
        (image * (255 / BRIGHTEST)).round().astype(np.uint8) for image in photographed(folder)
    ]
    np.savez_compressed(file, *levels)


if __name__ == "__main__":
    main()
