"""How an image was read: as one sentence, and as a value with a field for each fact."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..axes import count_axes
from .picture import Picture
from .units import symbol


@dataclass(frozen=True)
class ImageDescription:
    """How an image was read from its file.

    Parameters
    ----------
    file : str
        Name of the file, without its folder; of an image in a Zarr, from the Zarr on.
    series, series_count : int
        Number of the image in the file, from 1, and how many there are.
    name : str
        Of the image; may be empty.
    axes : str
        One letter for each dimension.
    named : bool
        False: the file does not say what the axes are, and they were guessed.
    shape : tuple of int
    dtype : str
    scale : dict of str to float
        Size of a step along an axis, where it is known.
    units : dict of str to str
        Of the steps, where they are known.
    channels : tuple of str
        Names of the channels; empty where there are none.
    notes : tuple of str
        Sentences on what was guessed or left out, and how to choose otherwise.
    """

    file: str
    series: int
    series_count: int
    name: str
    axes: str
    named: bool
    shape: tuple[int, ...]
    dtype: str
    scale: dict[str, float]
    units: dict[str, str]
    channels: tuple[str, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """One line: file, image, axes, lengths, type, steps; then the notes."""
        which = f"series {self.series} of {self.series_count}" if self.series_count > 1 else ""
        if self.name and self.series_count > 1:
            which += f" ({self.name!r})"
        facts = [which, count_axes(self.shape, self.axes, self.named), self.dtype, *self.known]
        return " ".join([f"{self.file}: {', '.join(filter(None, facts))}.", *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)

    @property
    def known(self) -> list[str]:
        """What is known beyond the numbers: size of a pixel, time between frames, channels."""
        named = ", ".join(name or "?" for name in self.channels) if any(self.channels) else ""
        return [*self._steps(), f"channels {named}"] if named else self._steps()

    def _steps(self) -> list[str]:
        """Sizes of a pixel in one text, and the time between frames in another."""
        space = [(self.scale[a], symbol(self.units.get(a, ""))) for a in "ZYX" if a in self.scale]
        steps = []
        if len({unit for _, unit in space}) == 1:  # one unit serves all
            steps.append(f"{' x '.join(f'{step:.4g}' for step, _ in space)} {space[0][1]}")
        elif space:
            steps.append(" x ".join(f"{step:.4g} {unit}" for step, unit in space))
        if "T" in self.scale:
            steps.append(f"{self.scale['T']:.4g} {symbol(self.units.get('T', ''))}")
        return [step.strip() for step in steps]


def describe(picture: Picture) -> ImageDescription:
    """Describe how an image was read."""
    return ImageDescription(
        file=_short_name(picture.path) if picture.path is not None else "",
        series=picture.series,
        series_count=picture.series_count,
        name=picture.name,
        axes=picture.axes,
        named=picture.named,
        shape=tuple(map(int, picture.data.shape)),
        dtype=str(picture.data.dtype),
        scale=dict(picture.scale),
        units=dict(picture.units),
        channels=tuple(channel.name for channel in picture.channels),
        notes=picture.notes,
    )


def _short_name(path: Path) -> str:
    """Name without its folder, from the Zarr on for a path inside one: "scan.zarr/0"."""
    zarrs = [parent for parent in path.parents if parent.suffix.lower() == ".zarr"]
    return path.relative_to(zarrs[-1].parent).as_posix() if zarrs else path.name
