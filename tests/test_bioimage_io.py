"""Packages of bioimage.io are valid, and give what the student gives."""

from __future__ import annotations

import io
import warnings
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import call, succeed
from core.makers import assert_one_sentence, neighbour_denoiser, noisy_image, random_denoiser

import napari_aprrd as aprrd
from napari_aprrd.core.data.curve import Curve
from napari_aprrd.core.data.scaling import Calibration, Normalisation
from napari_aprrd.core.errors import DataWarning
from napari_aprrd.files.bioimage_io import InUnitsOfTheSource

INNER = (slice(None), slice(20, -20), slice(20, -20))  # what lies outside is padded otherwise


def calibrated(kind: str) -> aprrd.Denoiser:
    student = random_denoiser(kind, channels=2)  # type: ignore[arg-type]
    student.normalisation = Normalisation((90.0, 80.0), (30.0, 20.0))
    curves = (Curve((70.0, 90.0, 110.0), (5.0, -3.0, 4.0)), Curve((), ()))
    student.calibration = Calibration((1.1, 0.9), (3.0, -2.0), curves)
    return student


def needs_bioimageio() -> None:
    try:
        pydantic = tuple(int(part) for part in version("pydantic").split(".")[:2])
        spec = version("bioimageio.spec")
    except PackageNotFoundError:
        pytest.skip("bioimageio.core is not installed (extra bioimageio)")
    if pydantic >= (2, 14) and spec.startswith("0.5.12."):
        pytest.skip("bioimageio.spec 0.5.12 cannot read any model with pydantic 2.14 or newer")


@pytest.mark.filterwarnings("ignore")  # of bioimageio.core and what it imports
@pytest.mark.parametrize("kind", ["student-1.00M", "student-1.02M"])
def test_bioimageio_accepts_the_package_and_agrees_with_us(kind: str, tmp_path: Path) -> None:
    needs_bioimageio()
    import bioimageio.core as bioimageio

    student = calibrated(kind)
    aprrd.export(student, tmp_path / "package.zip")
    model = bioimageio.load_model(tmp_path / "package.zip", perform_io_checks=False)
    summary = bioimageio.test_model(model)  # also runs it on its test image
    assert summary.status == "passed", summary.format()
    image = noisy_image(2, 96, 112)
    tensor = bioimageio.Tensor.from_numpy(image[None], dims=("batch", "channel", "y", "x"))
    output = bioimageio.predict(model=model, inputs={"noisy": tensor}).members["denoised"]
    inner = (slice(None), slice(20, -20), slice(20, -20))  # what lies outside is padded otherwise
    np.testing.assert_allclose(
        output.data.values[0][inner], student.predict(image)[inner], rtol=1e-4
    )


def test_the_exported_network_gives_the_units_of_the_source() -> None:
    student = calibrated("student-1.00M")
    image = noisy_image(2, 96, 96)
    with torch.no_grad():
        output = InUnitsOfTheSource(student)(torch.from_numpy(image)[None])[0].numpy()
    np.testing.assert_allclose(output[INNER], student.predict(image)[INNER], rtol=1e-4)


def test_the_command_writes_a_package(tmp_path: Path) -> None:
    calibrated("student-1.00M").save(tmp_path / "student.aprrd")
    arguments = ["export", tmp_path / "student.aprrd", "-o", tmp_path / "p.zip", "--name", "Cells"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        succeed(*arguments)
    with zipfile.ZipFile(tmp_path / "p.zip") as package:
        names = set(package.namelist())
        assert b'"name": "Cells"' in package.read("rdf.yaml")
    assert names == {"rdf.yaml", "README.md", "weights.pt", "noisy.npy", "denoised.npy"}


@pytest.mark.filterwarnings("ignore:.torch.jit.load")
def test_a_student_of_stacks_denoises_planes_alone_and_says_so(tmp_path: Path) -> None:
    student = neighbour_denoiser(channels=2)
    with pytest.warns(DataWarning, match="there it denoises each plane alone"):
        aprrd.export(student, tmp_path / "p.zip")
    with zipfile.ZipFile(tmp_path / "p.zip") as package:
        assert b"denoises each plane alone" in package.read("README.md")
        network = torch.jit.load(io.BytesIO(package.read("weights.pt")))
    image = noisy_image(2, 96, 96)
    with torch.no_grad():
        output = network(torch.from_numpy(image)[None])[0].numpy()
    np.testing.assert_allclose(output[INNER], student.predict(image)[INNER], rtol=1e-4)
    student.save(tmp_path / "s.aprrd")
    told = call("export", tmp_path / "s.aprrd", "-o", tmp_path / "q.zip").stderr
    assert_one_sentence(told, "each plane alone")


def test_a_teacher_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(aprrd.UserError, match="distil this teacher first"):
        aprrd.export(random_denoiser(), tmp_path / "p.zip")
    assert not any(tmp_path.iterdir())
