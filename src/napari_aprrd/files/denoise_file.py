"""Denoising from file to file, tile by tile: memory stays flat, and what was killed goes on.

The output grows in a folder beside its final place, with a journal of the tiles that are done.
Started again, the work goes on with the missing ones. Only the finished file gets the name that
was asked for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..axes import ArrayPlanes
from ..core.atomic_files import cannot_write, hidden_beside, remove_leftovers
from ..core.config import DenoiseConfig
from ..core.errors import UserError
from ..core.jobs import STOP, Clock, Job, Progress, report_progress
from ..core.model.denoiser import Denoiser
from ..core.model.half_precision import HowComputed
from ..core.model.provenance import of_output
from ..denoise_arrays.at_once import output_dtype
from ..denoise_arrays.tiles import PlaneTile
from .formats import check_format
from .ome_zarr import ome_zarr
from .picture import Picture
from .tile_writer import TileWriter

if TYPE_CHECKING:
    from .dask_workers import Cluster


_MOST_FAILURES = 10  # tiles; after which something else is wrong
_IMAGE = "image.zarr"  # in the folder of an output that grows
_HOW = "how.json"  # beside it: the precision, so that a later start goes on with the same


def denoise_file(
    picture: Picture,
    target: Path,
    denoiser: Denoiser,
    config: DenoiseConfig,
    *,
    cluster: Cluster | None = None,
) -> Job[bool]:
    """Denoise a picture into a file.

    Parameters
    ----------
    picture : Picture
        As read from its file.
    target : Path
        TIFF, NPY, PNG, JPEG or OME-Zarr, by its name.
    denoiser : Denoiser
    config : DenoiseConfig
    cluster : Cluster, optional
        Dask workers to compute on; else this process does.

    Yields
    ------
    Progress
        Steps are tiles.

    Returns
    -------
    bool
        True when the file is there; False when stopped before, with the tiles done kept.

    Raises
    ------
    UserError
        If tiles could not be read; all others are kept for the next start.
    """
    clock, folder = Clock(), partial_folder(target)
    planes = ArrayPlanes(picture.data, picture.axes)
    denoiser.check_channels(planes.channels)
    denoiser.check_settings(config)
    try:
        journal = Journal.open(folder, picture, denoiser, denoiser.fitted(config))
    except OSError as error:
        raise cannot_write(target, error) from error
    config = journal.config
    out = journal.array(planes, output_dtype(picture.data.dtype, config))
    tiles = denoiser.tiles(planes.size, config)
    units = [PlaneTile(p, *tile) for p in range(len(planes.sizes)) for tile in tiles]
    missing = [number for number in range(len(units)) if number not in journal.done]
    model = denoiser.matched(planes, config)
    if cluster is not None:
        results = cluster.results(picture, folder, config, model, units, missing)
    else:
        writer = TileWriter(planes, out, config)
        model.to(config.device)
        failures = writer.denoise([units[number] for number in missing], model, journal.how)
        results = zip(missing, failures, strict=True)
    try:
        if not (yield from _all_done(results, journal, len(units), clock)):
            return False
    except OSError as error:
        raise cannot_write(target, error) from error
    record = of_output(denoiser, planes, config, precision=journal.how.precision)
    record["denoise"]["input"]["file"] = picture.path.name if picture.path else ""
    _finish(replace(picture, data=out, record=record), target, folder)
    return True


def _all_done(
    results: Iterator[tuple[int, str]], journal: Journal, count: int, clock: Clock
) -> Job[bool]:
    """Mark tiles as they are done; False when stopped before the last of `count`.

    Raises
    ------
    UserError
        If tiles failed.
    """
    done, failures = journal.done, list[str]()
    note = f"Going on: {len(done)} of {count} tiles are done." if done else ""
    said = journal.how.note  # in an earlier start
    for number, failure in results:
        if failure:
            failures.append(failure)
            if len(failures) >= _MOST_FAILURES:
                break
        else:
            journal.mark_done(number)
        expert = not note and journal.how.note != said
        if expert:
            note = said = journal.how.note
        done_so_far = (len(done), count, clock.seconds)
        progress = Progress("Denoise", *done_so_far, note=note, expert=expert)
        note = ""
        if (yield from report_progress(progress, clock)) is STOP and len(done) < count:
            return False
    if failures:
        raise UserError(
            f"{failures[0]} {len(failures)} of {count} tiles failed. The others are kept: "
            "start again to go on."
        )
    return True


def _finish(clean: Picture, target: Path, folder: Path) -> None:
    remove_leftovers(target)
    file_format = check_format(target, clean.data.dtype, clean.axes, clean.data.shape)
    file_format.save_grown(folder / _IMAGE, clean, target)
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise cannot_write(target, error) from error


def partial_folder(target: Path) -> Path:
    """Where an output grows until it is complete."""
    return hidden_beside(target, "", ".partial")


class Journal:
    """Which tiles of an output are done, and how they were computed."""

    def __init__(
        self, folder: Path, config: DenoiseConfig, done: set[int], how: HowComputed
    ) -> None:
        self.folder, self.config, self.done, self.how = folder, config, done, how

    @classmethod
    def open(
        cls, folder: Path, picture: Picture, denoiser: Denoiser, config: DenoiseConfig
    ) -> Journal:
        """Go on with what is there, if it came from the same source, model and settings."""
        wanted = config.model_dump(mode="json")
        tile = wanted.pop("tile")
        del wanted["device"]
        data = picture.data
        identity = {
            "source": [picture.stamp, list(map(int, data.shape)), str(data.dtype), picture.axes],
            "model": denoiser.fingerprint(),
            "config": wanted,
        }
        try:
            found = json.loads((folder / "identity.json").read_text())
            tile, same = found.pop("tile"), found == identity
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            same = False  # nothing there, or not a journal
        done, how = set[int](), HowComputed()
        if same:
            journal = folder / "done.txt"
            lines = journal.read_text().split("\n")[:-1] if journal.exists() else []
            done = {int(line) for line in lines if line.isdecimal()}
            how = HowComputed.from_text(_text_of(folder / _HOW))
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "identity.json").write_text(json.dumps({**identity, "tile": tile}))
        return cls(folder, DenoiseConfig.of(config, tile=tile), done, how)

    def array(self, planes: ArrayPlanes, dtype: Any) -> Any:
        """The output so far."""
        import zarr

        image = self.folder / _IMAGE
        if self.done:
            return zarr.open_array(image / "0", mode="r+")
        shutil.rmtree(image, ignore_errors=True)
        return ome_zarr.create(image, planes.data.shape, dtype, planes.chunks(self.config.tile))

    def mark_done(self, number: int) -> None:
        """Remember that a tile is written, also after the program was killed."""
        if self.how.is_tried and not (self.folder / _HOW).exists():
            (self.folder / _HOW).write_text(self.how.as_text())
        with (self.folder / "done.txt").open("a") as file:
            file.write(f"{number}\n")
        self.done.add(number)


def _text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""
