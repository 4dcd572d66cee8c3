"""A few cases of each strategy of fuzz/image_files.py; NAPARI_APRRD_FUZZ=5000 asks for more."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "fuzz" / "image_files.py"
CASES = int(os.environ.get("NAPARI_APRRD_FUZZ", "25"))


@pytest.fixture(scope="module")
def fuzz() -> Iterator[Any]:
    spec = spec_from_file_location("fuzz_image_files", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    shutil.rmtree(module.FOLDER, ignore_errors=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["foreign", "names", "ome_xml", "photograph", "tiff", "zarr_metadata"]
)
def test_a_picture_or_one_sentence_comes_out(fuzz: Any, name: str) -> None:
    assert name in fuzz.CHECKS
    _, error = fuzz.run(name, CASES)
    if error is not None:
        raise error
