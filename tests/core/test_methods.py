"""The methods paragraph says what the record says, and cites what was used."""

from __future__ import annotations

from typing import Any

import pytest

from napari_aprrd.core.config import DenoiseConfig, DistillConfig, TrainConfig
from napari_aprrd.core.distill import distill
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.methods import methods
from napari_aprrd.core.record import of_output
from napari_aprrd.core.train import train

from .conftest import TINY
from .makers import drive, noisy_planes, random_denoiser


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """Of an image, after all stages."""
    planes = noisy_planes((64, 64), (64, 64))
    teacher, _ = drive(train(planes, TrainConfig(**TINY, shift=2, replace=True, seed=3)))
    student, _ = drive(distill(teacher, planes, DistillConfig(**TINY)))
    made = of_output(student, planes, DenoiseConfig())
    for stage in ("train", "distill", "denoise"):
        made[stage]["versions"] = {"napari-aprrd": "9.8", "torch": "7.6"}
    return made


def test_every_stage_is_told_with_its_settings_and_its_data(record: dict[str, Any]) -> None:
    text = methods(record)
    for part in (
        "Images were denoised by APR-RD [1], trained without clean images, with napari-aprrd 9.8",
        "(PyTorch 7.6)",
        "standard deviation 9.",
        "Adjacent Pixel Replacer (window 3, lambda 4, shift 2)",
        "for 6 steps of 2 crops of 32 x 32 pixels",
        "the excess was given back to them",
        "seed 3",
        "distilled into a student (4 features, 2 poolings)",
        "In all, 2 planes (0.008 megapixels) were denoised",
        record["denoise"]["model"][:12],
        record["denoise"]["input"]["sha256"][:12] + ").",
    ):
        assert part in text
    paragraph, references = text.split("\n\n")
    assert "\n" not in paragraph
    assert references.splitlines()[0].startswith("[1] H. Kim and N. I. Cho")
    assert references.splitlines()[1] == "[2] The napari-aprrd developers, napari-aprrd 9.8."


def test_only_what_was_used_is_cited(record: dict[str, Any]) -> None:
    plain = {**record["train"], "config": {**record["train"]["config"], "replace": False}}
    viewed = {**record["denoise"], "versions": {"napari": "0.9", "napari-aprrd": "9.8"}}
    text = methods({**record, "train": plain, "denoise": viewed})
    assert "plain loss [2]" in text
    assert "[2] S. Chen" in text
    assert "[3] napari contributors" in text
    assert "[4] The napari-aprrd developers" in text
    assert "Chen" not in methods(record)
    assert "napari contributors" not in methods(record)


def test_a_model_alone_and_an_imported_one_have_their_paragraph(record: dict[str, Any]) -> None:
    text = methods({"train": record["train"]})
    assert text.startswith("A denoising model was made by APR-RD [1]")
    assert "student" not in text
    model = random_denoiser()
    model.record = {"imported": "bsn.pth"}
    text = methods(of_output(model, noisy_planes(), DenoiseConfig(shifts=(1, 2))))
    assert "published weights" in text
    assert "1 plane (0.004 megapixels) was denoised, as the mean over shifts 1, 2" in text


@pytest.mark.parametrize(
    "strange", [{"train": {"a": 1}}, {"train": 3}, {"denoise": {"config": {}}}]
)
def test_strange_records_are_refused(strange: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="incomplete"):
        methods(strange)
