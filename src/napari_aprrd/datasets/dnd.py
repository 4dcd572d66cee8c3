"""Darmstadt Noise Dataset: T. Plötz and S. Roth, CVPR 2017."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UserError, cannot_read
from .sample import Denoise, Sample, find_files, write_mat

PAGE = "the page 'Darmstadt Noise Dataset' (noise.visinf.tu-darmstadt.de)"
_WHITE = 255  # white level that all images have here; in the files it is 1


@dataclass(frozen=True)
class Dnd:
    """DND in sRGB: boxes of 50 photographs, whose references are kept by its page.

    Parameters
    ----------
    info : Path
        info.mat; beside it images_srgb/0001.mat, ...
    """

    info: Path

    @classmethod
    def find(cls, root: Path) -> Dnd:
        """Find info.mat and the images.

        Raises
        ------
        UserError
            If they, or h5py, which reads them, are missing.
        """
        info = find_files(root, "info.mat", PAGE)[0]
        find_files(info.parent, "images_srgb/*.mat", PAGE)
        _hdf5()
        return cls(info)

    def training(self) -> Iterator[Sample]:
        """Yield all boxes: the paper's self-supervised model trains on what it denoises."""
        for image, boxes in enumerate(self._boxes(), start=1):
            path = self.info.parent / "images_srgb" / f"{image:04d}.mat"
            find_files(path.parent, path.name, PAGE)
            with _opened(path) as file:
                for number, (top, left, bottom, right) in enumerate(boxes, start=1):
                    # Matlab counts from 1, both ends included, and columns come first.
                    window = file["InoisySRGB"][:, left - 1 : right, top - 1 : bottom]
                    noisy = _WHITE * np.asarray(window, np.float32).T
                    yield Sample(f"{image:04d}_{number:02d}", "YXS", noisy)

    def scored(self) -> Iterator[Sample]:
        """Yield nothing: the references are kept by the page."""
        yield from ()

    def submit(self, denoise: Denoise, out: Path) -> list[Path]:
        """Write a file per box, 0001_01.mat, and bundled/0001.mat, which the page accepts."""
        bundled = out / "bundled"
        bundled.mkdir(parents=True, exist_ok=True)
        images: dict[str, list[NDArray[np.float32]]] = {}
        for sample in self.training():
            crop = np.clip(denoise(sample.noisy) / np.float32(_WHITE), 0, 1)
            images.setdefault(sample.name[:4], []).append(crop)
            write_mat(out / f"{sample.name}.mat", {"Idenoised_crop": crop})
        written = []
        for name, crops in images.items():
            cells = np.empty(len(crops), object)  # a cell array in Matlab
            cells[:] = crops
            content = {"Idenoised": cells, "israw": False, "eval_version": "1.0"}
            written.append(write_mat(bundled / f"{name}.mat", content))
        return written

    def _boxes(self) -> list[NDArray[np.int64]]:
        """Boxes (20, 4) of each image: top, left, bottom, right."""
        try:
            with _opened(self.info) as file:
                references = np.ravel(file["info"]["boundingboxes"][()])
                return [np.asarray(file[r], np.int64).T for r in references]
        except KeyError as error:
            raise UserError(f"{self.info} names no boxes; get it again from {PAGE}.") from error


def _opened(path: Path) -> Any:
    try:
        return _hdf5().File(path)
    except (OSError, MemoryError) as error:
        raise cannot_read(path, "a Matlab file (version 7.3)", error) from error


def _hdf5() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise UserError(
            "DND's files are read with h5py; install it: pip install 'napari-aprrd[datasets]'."
        ) from error
    return h5py
