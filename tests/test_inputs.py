"""The pictures of one command: open once, but never all of a large folder at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_aprrd.files import inputs
from napari_aprrd.files.inputs import Files, OpenPictures, say_nothing
from napari_aprrd.files.picture import EVERYTHING


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Four TIFFs of 2000 bytes."""
    made = [tmp_path / f"{number}.tif" for number in range(4)]
    for number, path in enumerate(made):
        tifffile.imwrite(path, np.full((40, 50), number, np.uint8))
    return made


@pytest.mark.parametrize(("limit", "value"), [("IN_MEMORY", 4500), ("MOST_OPEN", 2)])
def test_pictures_of_a_folder_do_not_pile_up(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(inputs, limit, value)
    opened = OpenPictures()
    first, second, again, third = (
        opened.read(path, EVERYTHING, 2**20, say_nothing)
        for path in (*paths[:2], paths[0], paths[2])
    )
    assert again is first
    for path, picture in ((paths[0], first), (paths[2], third)):  # the last two that were used
        assert opened.read(path, EVERYTHING, 2**20, say_nothing) is picture
    assert opened.read(paths[1], EVERYTHING, 2**20, say_nothing) is not second


def test_a_picture_larger_than_the_limit_stays_open_while_it_is_in_use(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "IN_MEMORY", 1000)
    opened = OpenPictures()
    first = opened.read(paths[0], EVERYTHING, 2**20, say_nothing)
    assert opened.read(paths[0], EVERYTHING, 2**20, say_nothing) is first


def test_a_file_that_has_changed_is_read_again(paths: list[Path]) -> None:
    files = Files({paths[0]: paths[0].with_name("out.tif")})
    assert files.read(paths[0]) is files.read(paths[0])
    tifffile.imwrite(paths[0], np.full((40, 60), 9, np.uint8))
    assert files.read(paths[0]).data.shape == (40, 60)
