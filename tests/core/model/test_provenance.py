"""What is noted down of how a result came about."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.planes import Image, MemoryPlanes
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.denoiser import load
from napari_aprrd.core.model.provenance import HASHED_WHOLE, identify, of_output

from ..makers import noisy_image, noisy_planes, random_denoiser


@dataclass(frozen=True)
class DiskPlanes(MemoryPlanes):
    in_memory = False


@dataclass(frozen=True)
class BrokenPlanes(DiskPlanes):
    def read(self, plane: int, rows: slice, columns: slice) -> Image:
        raise UserError("This part cannot be read.")


def test_one_pixel_more_or_less_is_another_image() -> None:
    planes = noisy_planes((600, 520), (40, 50))
    same = MemoryPlanes([image.copy() for image in planes.images])
    assert identify(planes) == identify(same)
    assert identify(planes)["of"] == "all pixels"
    same.images[1][0, 39, 49] += 1
    assert identify(planes) != identify(same)
    turned = MemoryPlanes([np.zeros((1, 4, 9), "f4")]), MemoryPlanes([np.zeros((1, 9, 4), "f4")])
    assert identify(turned[0]) != identify(turned[1])


def test_large_and_lazy_sources_say_that_only_some_of_them_was_hashed() -> None:
    image = noisy_image(1, 300, 300)
    lazy = DiskPlanes([image])
    assert identify(lazy)["of"] == "8 windows of 64 x 64 pixels"
    assert identify(lazy) != identify(DiskPlanes([image + 1]))
    large = np.broadcast_to(np.float32(1), (1, 2, HASHED_WHOLE))
    assert "windows" in identify(MemoryPlanes([large]))["of"]


def test_what_cannot_be_read_does_not_stop_the_work() -> None:
    assert identify(BrokenPlanes([noisy_image(1, 64, 64)]))["of"].startswith("0 windows")


def test_the_hash_of_a_model_is_that_of_its_file(tmp_path: Path) -> None:
    model = random_denoiser()
    model.record = {"train": {"seed": 1, "note": "µm"}}
    model.save(tmp_path / "model.aprrd")
    of_file = hashlib.sha256((tmp_path / "model.aprrd").read_bytes()).hexdigest()
    assert model.fingerprint() == of_file == load(tmp_path / "model.aprrd").fingerprint()


def test_the_record_of_an_output_holds_that_of_its_model() -> None:
    model, planes = random_denoiser(), noisy_planes()
    model.record = {"train": {"seed": 1}}
    record = of_output(model, planes, DenoiseConfig(tile=64))
    assert record["train"] == {"seed": 1}
    assert record["denoise"]["model"] == model.fingerprint()
    assert record["denoise"]["config"]["tile"] == 64
    assert record["denoise"]["input"] == identify(planes)
    assert {"napari-aprrd", "torch", "python"} <= record["denoise"]["versions"].keys()
    assert json.loads(json.dumps(record)) == record
    assert model.record == {"train": {"seed": 1}}
