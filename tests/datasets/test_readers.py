"""Readers find the published files and give their pixels."""

from __future__ import annotations

import base64
import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.io import loadmat

from napari_aprrd.core.errors import UserError
from napari_aprrd.datasets import open_dataset

from . import layouts
from .layouts import photo, write


def brighter(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) + np.float32(1.4)


def test_sidd_learns_from_medium_and_is_scored_on_the_validation_blocks(tmp_path: Path) -> None:
    data = open_dataset("sidd", layouts.sidd(tmp_path))
    names = [sample.name for sample in data.training()]
    assert names == [
        f"{scene}_NOISY_SRGB_{n}" for scene in ("0001", "0002") for n in ("010", "011")
    ]
    blocks = list(data.scored())
    assert len(blocks) == 6
    np.testing.assert_array_equal(blocks[4].noisy, photo(4))
    np.testing.assert_array_equal(blocks[4].reference, photo(4, noise=0))


def test_sidd_submission(tmp_path: Path) -> None:
    data = open_dataset("sidd", layouts.sidd(tmp_path))
    mat, table = data.submit(brighter, tmp_path)
    content = loadmat(mat)
    cells = content["DenoisedBlocksSrgb"]
    assert cells.shape == (2, 3)
    assert cells[1, 2].dtype == np.uint8
    np.testing.assert_array_equal(cells[1, 2], photo(5) + 1)
    assert content["TimeMPSrgb"].item() > 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["ID"] for row in rows] == list("012345")
    assert base64.b64decode(rows[5]["BLOCK"]) == cells[1, 2].tobytes()


def test_dnd_boxes_are_those_of_matlab(tmp_path: Path) -> None:
    samples = list(open_dataset("dnd", layouts.dnd(tmp_path)).training())
    assert [sample.name for sample in samples] == ["0001_01", "0001_02", "0002_01", "0002_02"]
    whole = photo(1, side=60)[:48]
    np.testing.assert_allclose(samples[3].noisy, whole[4:40, 8:48], atol=1e-4)


def test_dnd_submission(tmp_path: Path) -> None:
    data = open_dataset("dnd", layouts.dnd(tmp_path / "dnd"))
    written = data.submit(brighter, tmp_path / "out")
    assert [path.name for path in written] == ["0001.mat", "0002.mat"]
    bundle = loadmat(written[0])
    assert bundle["Idenoised"].shape == (1, 2)
    assert bundle["israw"].item() == 0
    assert bundle["eval_version"].item() == "1.0"
    crop = loadmat(tmp_path / "out" / "0001_02.mat")["Idenoised_crop"]
    assert crop.dtype == np.float32
    np.testing.assert_array_equal(bundle["Idenoised"][0, 1], crop)
    expected = brighter(photo(0, side=60)[4:40, 8:48]) / 255
    np.testing.assert_allclose(crop, expected, atol=1e-5)


def test_dnd_without_h5py_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.dnd(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"napari-aprrd\[datasets\]"):
        open_dataset("dnd", tmp_path)


def test_polyu_and_cc_pair_real_with_mean(tmp_path: Path) -> None:
    (sample,) = open_dataset("polyu", layouts.polyu(tmp_path / "polyu")).scored()
    assert "CroppedImages" in sample.name
    samples = list(open_dataset("cc", layouts.cc(tmp_path / "cc")).scored())
    np.testing.assert_array_equal(samples[1].noisy, photo(2))
    np.testing.assert_array_equal(samples[1].reference, photo(2, noise=0))


@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        ("a_noisy.tif", "a_reference.tif"),
        ("noisy/a.tif", "clean/a.tif"),
        ("0001_NOISY_SRGB_010.tif", "0001_GT_SRGB_010.tif"),
    ],
)
def test_names_make_pairs(noisy: str, clean: str, tmp_path: Path) -> None:
    for name in (noisy, clean):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    stack = np.arange(2 * 40 * 40, dtype=np.uint16).reshape(2, 40, 40)
    tifffile.imwrite(tmp_path / noisy, stack, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / clean, stack // 2, metadata={"axes": "ZYX"})
    write(tmp_path / "other.png", photo(0))
    (sample,) = open_dataset("pairs", tmp_path).scored()
    assert sample.axes == "ZYX"
    np.testing.assert_array_equal(sample.noisy, stack)
    np.testing.assert_array_equal(sample.reference, stack // 2)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("sidd", "Smartphone Image Denoising Dataset"),
        ("dnd", "Darmstadt Noise Dataset"),
        ("polyu", "PolyU-Real-World-Noisy-Images-Dataset"),
        ("cc", "Cross-Channel Image Noise Modeling"),
        ("pairs", "'noisy' and 'reference'"),
    ],
)
def test_missing_files_name_the_official_page(name, page: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=page) as caught:
        open_dataset(name, tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_sidd_without_medium_cannot_be_learnt_from(tmp_path: Path) -> None:
    layouts.sidd(tmp_path)
    for path in tmp_path.rglob("*_NOISY_SRGB_*.PNG"):
        path.unlink()
    with pytest.raises(UserError, match="Smartphone Image Denoising Dataset"):
        list(open_dataset("sidd", tmp_path).training())


def test_a_foreign_mat_file_is_refused(tmp_path: Path) -> None:
    layouts.sidd(tmp_path)
    (tmp_path / "ValidationNoisyBlocksSrgb.mat").write_bytes(b"no Matlab file" * 20)
    with pytest.raises(UserError, match="is not a Matlab file"):
        list(open_dataset("sidd", tmp_path).scored())
