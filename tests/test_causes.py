"""Each reader tells missing, locked, too large, damaged and foreign files apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from core.makers import THREE_STEPS, assert_one_sentence, noisy_image, random_denoiser

from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import TrainConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.errors import UserError, cannot_read
from napari_aprrd.core.jobs import run
from napari_aprrd.core.model.denoiser import load
from napari_aprrd.core.model.published import import_checkpoint
from napari_aprrd.core.training import checkpoint
from napari_aprrd.core.training.train import train
from napari_aprrd.datasets.sidd import NOISY, Sidd
from napari_aprrd.files.formats import find_files, read_picture, write_picture
from napari_aprrd.files.picture import Picture


def _write_checkpoint(path: Path) -> None:
    kept = checkpoint.Checkpoint(path)
    planes = MemoryPlanes([noisy_image(1, 64, 64)])
    run(train(planes, TrainConfig(**THREE_STEPS), checkpoint=kept))


def _write_pth(path: Path) -> None:
    torch.save(random_denoiser("student-1.00M").network.state_dict(), path)


def _write_mat(path: Path) -> None:
    from scipy.io import savemat

    savemat(path, {NOISY: np.zeros((40, 32, 8, 8, 3), np.uint8)})


def _read_mat(path: Path) -> Any:
    return Sidd(path.parent)._blocks(NOISY)


def _image(path: Path) -> None:
    write_picture(path, Picture(noisy_image(1, 64, 64)[0].astype(np.uint8), "YX"))


READERS: dict[str, tuple[str, Callable[[Path], Any], Callable[[Path], Any], str, str]] = {
    name: (f"a{name}", _image, read_picture, said, module)
    for name, said, module in (
        (".tif", "is not a TIFF image", "tifffile.TiffFile"),
        (".png", "is not a PNG image", "imageio.v3.imread"),
        (".jpg", "is not a JPEG image", "imageio.v3.imread"),
        (".npy", "is not an NPY image", "numpy.load"),
    )
} | {
    "model": (
        *("m.aprrd", lambda p: random_denoiser().save(p), load, "is not a napari-aprrd model"),
        "napari_aprrd.core.model.model_file.safe_open",
    ),
    "checkpoint": (
        *("c", _write_checkpoint, checkpoint.read, "is not a checkpoint of napari-aprrd"),
        "napari_aprrd.core.training.checkpoint.deserialise",
    ),
    "import": (
        *("m.pth", _write_pth, import_checkpoint, "is not a published APR-RD checkpoint"),
        "torch.load",
    ),
    "mat": (f"{NOISY}.mat", _write_mat, _read_mat, "is not a Matlab file", "scipy.io.loadmat"),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_five_causes_are_five_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    name, write, read, foreign, opener = READERS[reader]
    path = tmp_path / name

    def said() -> str:
        with pytest.raises(UserError) as caught:
            read(path)
        message = str(caught.value)
        assert_one_sentence(message, name)
        return message

    if reader != "mat":  # looked for in a folder
        assert said().startswith("There is no file ")
    write(path)
    for error, words in (
        (PermissionError(13, "Permission denied"), "no permission to read"),
        (MemoryError(), "not enough memory to read"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ):

        def fail(*_: Any, error: Exception = error, **__: Any) -> Any:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(opener, fail)
            assert words in said()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "is damaged or incomplete" in said()
    path.write_bytes(b"these bytes are something else" * 9)
    assert foreign in said()


def test_zarr_folders_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    with pytest.raises(UserError, match="There is no file"):
        read_picture(path)
    path.mkdir()
    with pytest.raises(UserError, match="is not a Zarr image"):
        read_picture(path)
    (path / "zarr.json").write_text("{")
    with pytest.raises(UserError, match="is damaged or incomplete"):
        read_picture(path)


def test_a_folder_without_permission_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(UserError, match="no permission to read"):
        find_files([str(tmp_path)])


def test_a_part_that_does_not_fit_into_memory_has_a_cause() -> None:
    class Large:
        shape, dtype = (40, 48), np.dtype(np.uint8)

        def __getitem__(self, _: Any) -> Any:
            raise MemoryError

    with pytest.raises(UserError, match=r"cannot be read \(MemoryError\)"):
        ArrayPlanes(Large(), "YX").read(0, slice(0, 8), slice(0, 8))


def test_a_damaged_chunk_names_its_place(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", data=noisy_image(1, 64, 64)[0], chunks=(32, 32))
    (tmp_path / "a.zarr" / "c" / "0" / "0").write_bytes(b"not compressed")
    with pytest.raises(UserError, match="Plane 0, rows 0 to 8"):
        ArrayPlanes(array, "YX").read(0, slice(0, 8), slice(0, 8))


def test_running_out_of_memory_is_no_damage(tmp_path: Path) -> None:
    """Nor is it to be deleted: a checkpoint may be hours of work."""
    error = cannot_read(tmp_path, "a checkpoint", MemoryError(), recognised=True)
    assert "memory" in str(error)
    assert "damaged" not in str(error)


def test_a_model_named_as_a_checkpoint_is_not_to_be_deleted(tmp_path: Path) -> None:
    random_denoiser().save(tmp_path / "cells.aprrd")
    with pytest.raises(UserError, match="is not a checkpoint of napari-aprrd; name another file"):
        checkpoint.read(tmp_path / "cells.aprrd")
