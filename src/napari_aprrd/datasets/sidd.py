"""Smartphone Image Denoising Dataset: A. Abdelhamed et al., CVPR 2018."""

from __future__ import annotations

import base64
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.atomic_files import write_atomically
from ..core.errors import UserError, cannot_read
from ..files.formats import read_picture
from ..metrics import to_uint8
from .sample import Denoise, Sample, find_files, write_mat

PAGE = "the page 'Smartphone Image Denoising Dataset' (abdokamel.github.io/sidd)"
NOISY, CLEAN = "ValidationNoisyBlocksSrgb", "ValidationGtBlocksSrgb"
BENCHMARK = "BenchmarkNoisyBlocksSrgb"


@dataclass(frozen=True)
class Sidd:
    """SIDD in sRGB: trained on SIDD Medium, scored on the validation and benchmark blocks.

    Parameters
    ----------
    root : Path
        Folder with Data/*/*_NOISY_SRGB_*.PNG (SIDD Medium) and the *.mat files, at any depth.
    """

    root: Path

    @classmethod
    def find(cls, root: Path) -> Sidd:
        """Check that there are blocks to be scored on.

        Raises
        ------
        UserError
        """
        if not any(any(root.rglob(f"{name}.mat")) for name in (NOISY, BENCHMARK)):
            raise UserError(
                f"There is neither {NOISY}.mat nor {BENCHMARK}.mat in {root}; get them from {PAGE}."
            )
        if any(root.rglob(f"{NOISY}.mat")):
            find_files(root, f"{CLEAN}.mat", PAGE)
        return cls(root)

    def training(self) -> Iterator[Sample]:
        """Yield the noisy photographs of SIDD Medium."""
        for path in find_files(self.root, "*_NOISY_SRGB_*.PNG", PAGE):
            yield Sample(path.stem, "YXS", np.asarray(read_picture(path).data))

    def scored(self) -> Iterator[Sample]:
        """Yield the validation blocks; none if their file is missing."""
        if not any(self.root.rglob(f"{NOISY}.mat")):
            return
        noisy, clean = self._blocks(NOISY), self._blocks(CLEAN)
        for image, block in np.ndindex(noisy.shape[:2]):
            place = (image, block)
            yield Sample(f"{image + 1:02d}_{block + 1:02d}", "YXS", noisy[place], clean[place])

    def submit(self, denoise: Denoise, out: Path) -> list[Path]:
        """Write SubmitSrgb.mat for the official page, SubmitSrgb.csv for its Kaggle competition."""
        if not any(self.root.rglob(f"{BENCHMARK}.mat")):
            return []
        noisy = self._blocks(BENCHMARK)
        start = time.perf_counter()
        cells = np.empty(noisy.shape[:2], object)  # a cell array of images in Matlab
        for place in np.ndindex(cells.shape):
            cells[place] = to_uint8(denoise(noisy[place]))
        megapixels = np.prod(noisy.shape[:4]) / 1e6
        content = {
            "DenoisedBlocksSrgb": cells,
            "TimeMPSrgb": (time.perf_counter() - start) / megapixels,
            "OptionalData": {"MethodName": "napari-aprrd"},
        }
        return [write_mat(out / "SubmitSrgb.mat", content), _write_csv(out, cells)]

    def _blocks(self, name: str) -> NDArray[np.uint8]:
        """Read blocks: (images, blocks, Y, X, 3)."""
        from scipy.io import loadmat

        path = find_files(self.root, f"{name}.mat", PAGE)[0]
        try:
            return np.asarray(loadmat(path)[name], np.uint8)
        except KeyError as error:
            raise UserError(f"{path} does not hold {name}; get it again from {PAGE}.") from error
        except (*(ValueError, TypeError, NotImplementedError), OSError, MemoryError) as error:
            raise cannot_read(path, "a Matlab file", error, recognised=_is_matlab(path)) from error


def _is_matlab(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(6) == b"MATLAB"
    except OSError:
        return False


def _write_csv(out: Path, cells: NDArray[Any]) -> Path:
    """Write the blocks of each image as base64."""
    path = out / "SubmitSrgb.csv"

    def write(temporary: Path) -> None:
        with temporary.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["ID", "BLOCK"])
            for number, block in enumerate(cells.flat):
                writer.writerow([number, base64.b64encode(block.tobytes()).decode()])

    write_atomically(path, write)
    return path
