"""Pairs of image files: PolyU, CC, and any folder with noisy and clean images in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import UserError
from ..files.formats import READABLE, read_picture
from .sample import Denoise, Sample

POLYU = "the page 'PolyU-Real-World-Noisy-Images-Dataset' (github.com/csjunxu)"
CC = "the page 'Cross-Channel Image Noise Modeling' (snam.ml/research/ccnoise)"
_REAL_MEAN = (("real", "mean"),)
_WORDS = (("noisy", "reference"), ("noisy", "clean"), ("noisy", "gt"), ("NOISY", "GT"), *_REAL_MEAN)


@dataclass(frozen=True)
class Pairs:
    """Image files, noisy and clean, whose paths differ in one word.

    Parameters
    ----------
    files : tuple of (Path, Path)
        Paths of the noisy and the clean image of each pair.
    """

    files: tuple[tuple[Path, Path], ...]

    @classmethod
    def find(cls, root: Path) -> Pairs:
        """Find cell_noisy.tif with cell_reference.tif, noisy/cell.tif with clean/cell.tif, ...

        Raises
        ------
        UserError
            If none are found.
        """
        files = _pairs(root, _WORDS)
        if not files:
            words = "; ".join(f"'{noisy}' and '{clean}'" for noisy, clean in _WORDS)
            raise UserError(
                f"There are no pairs in {root}: the names of two files or folders must differ in "
                f"{words}."
            )
        return cls(files)

    @classmethod
    def of_polyu(cls, root: Path) -> Pairs:
        """Find the 100 crops of PolyU: CroppedImages/*_real.JPG and *_mean.JPG."""
        cropped = root / "CroppedImages"
        return cls._published(cropped if cropped.is_dir() else root, "*_real.JPG", POLYU)

    @classmethod
    def of_cc(cls, root: Path) -> Pairs:
        """Find the 15 crops of CC: *_real.png and *_mean.png."""
        return cls._published(root, "*_real.png", CC)

    @classmethod
    def _published(cls, root: Path, pattern: str, page: str) -> Pairs:
        files = _pairs(root, _REAL_MEAN)
        if not files:
            both = f"{pattern} with its {pattern.replace('real', 'mean')}"
            raise UserError(f"There is no {both} in {root}; get them from {page}.")
        return cls(files)

    def training(self) -> Iterator[Sample]:
        """Yield all noisy images; training needs no others."""
        for noisy, _ in self.files:
            picture = read_picture(noisy)
            yield Sample(_name(noisy), picture.axes, np.asarray(picture.data))

    def scored(self) -> Iterator[Sample]:
        """Yield all pairs."""
        for (_, clean), sample in zip(self.files, self.training(), strict=True):
            reference = np.asarray(read_picture(clean).data)
            yield Sample(sample.name, sample.axes, sample.noisy, reference)

    def submit(self, denoise: Denoise, out: Path) -> list[Path]:
        """Write nothing: there is no page to submit to."""
        return []


def _pairs(root: Path, words: Iterable[tuple[str, str]]) -> tuple[tuple[Path, Path], ...]:
    """Find noisy files whose path becomes that of another file when one word is replaced."""
    images = (p for p in sorted(root.rglob("[!.]*")) if p.suffix.lower() in READABLE)
    files = [p.relative_to(root) for p in images]
    known = set(files)
    found: dict[Path, Path] = {}
    for noisy_word, clean_word in words:
        for noisy in files:
            clean = Path(str(noisy).replace(noisy_word, clean_word))
            if clean != noisy and clean in known:
                found.setdefault(root / noisy, root / clean)
    return tuple(sorted(found.items()))


def _name(path: Path) -> str:
    return f"{path.parent.name}_{path.stem}"
