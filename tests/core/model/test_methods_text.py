"""The methods paragraph says what the record says, and cites what was used."""

from __future__ import annotations

from typing import Any

import pytest

from napari_aprrd.core.config import DenoiseConfig, DistillConfig, TrainConfig
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.methods_text import PRETRAINING, methods
from napari_aprrd.core.model.provenance import of_output
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train

from ..makers import drive, noisy_planes, random_denoiser

STAGES = ("train", "distill")
STARTER_SIZE = {
    "steps": 2,
    "batch": 2,
    "patch": 32,
}  # of the default size


def record_of(start: str) -> dict[str, Any]:
    """Of an image, after all stages of networks that start in one way."""
    planes = noisy_planes((64, 64), (64, 64))
    size = {**STARTER_SIZE, "start": start}
    teacher, _ = drive(train(planes, TrainConfig(**size, shift=2, replace=True, seed=3)))
    student, _ = drive(distill(teacher, planes, DistillConfig(**size)))
    made = of_output(student, planes, DenoiseConfig())
    for stage in ("train", "distill", "denoise"):
        made[stage]["versions"] = {"napari-aprrd": "9.8", "torch": "7.6"}
    return made


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return record_of("starter")


@pytest.fixture(scope="module")
def from_scratch() -> dict[str, Any]:
    return record_of("scratch")


def test_every_stage_is_told_with_its_settings_and_its_data(record: dict[str, Any]) -> None:
    text = methods(record)
    for part in (
        "Images were denoised with napari-aprrd 9.8 (PyTorch 7.6), which implements APR-RD [1].",
        "standard deviation 9.",
        "Adjacent Pixel Replacer (APR) (window 3, lambda 4, shift 2)",
        "for 2 steps of 2 crops of 32 x 32 pixels",
        "seed 3",
        "distilled into a student (16 features, 3 poolings)",
        "In all, 2 planes (0.008 megapixels) were denoised",
        record["denoise"]["model"][:12],
        record["denoise"]["input"]["sha256"][:12] + ").",
    ):
        assert part in text
    paragraph, references = text.split("\n\n")
    assert "\n" not in paragraph
    assert references.splitlines()[0].startswith("[1] H. Kim and N. I. Cho")
    assert references.splitlines()[1] == "[2] The napari-aprrd developers, napari-aprrd 9.8."


def test_pre_training_is_named_where_it_was_used(record: dict[str, Any]) -> None:
    text = methods(record)
    assert (
        "The blind-spot network and the student started from weights that come with napari-aprrd "
        f"and were pre-trained ({PRETRAINING}); the rest was learnt from the noisy images "
        "themselves, without clean images of the specimen."
    ) in text
    assert all(w in PRETRAINING for w in ("supervised", "public pictures", "simulated scenes"))
    undescribed = [{k: v for k, v in record[n].items() if k != "pretraining"} for n in STAGES]
    older = {**record, **dict(zip(STAGES, undescribed, strict=True))}
    assert "pre-trained (supervised" in methods(older)  # records made before it was described


def test_a_start_from_scratch_says_that_there_was_no_pre_training(
    from_scratch: dict[str, Any], record: dict[str, Any]
) -> None:
    text = methods(from_scratch)
    assert "Both networks were initialised at random: there was no pre-training" in text
    assert "pre-trained" not in text
    mixed = methods({**from_scratch, "distill": record["distill"]})
    assert "The student started from weights that come with" in mixed
    assert "The blind-spot network was initialised at random." in mixed
    teacher_alone = {n: from_scratch[n] for n in ("train", "noise")}
    assert "The blind-spot network was initialised at random: there was no" in methods(
        teacher_alone
    )


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"config": {"recharge": "off"}}, "by distillation (targets"),
        ({"config": {"recharge": "random"}}, "by Recharged Distillation (RD) (targets"),
        ({"recharged": 0.0421}, "more than the noise does (4.2 % of the pixels), the excess"),
        ({"recharged": 0.0}, "by distillation (targets"),
        ({"config": {"recharge": True}}, "by Recharged Distillation (RD)"),  # older records
        ({"config": {"recharge": False, "give_back": True}}, "the excess was given back"),
    ],
)
def test_recharging_is_named_only_where_targets_were_recharged(
    record: dict[str, Any], stage: dict[str, Any], words: str
) -> None:
    config = {**record["distill"]["config"], **stage.get("config", {})}
    told = {**record["distill"], "recharged": 0.01, **stage, "config": config}
    text = methods({**record, "distill": told})
    assert words in text
    assert ("RD)" in text) is (words != "by distillation (targets")


def test_only_what_was_used_is_cited(record: dict[str, Any]) -> None:
    plain = {**record["train"], "config": {**record["train"]["config"], "replace": False}}
    viewed = {**record["denoise"], "versions": {"napari": "0.9", "napari-aprrd": "9.8"}}
    text = methods({**record, "train": plain, "denoise": viewed})
    assert "plain loss [2]" in text
    assert "Adjacent Pixel Replacer" not in text
    assert "[2] S. Chen" in text
    assert "[3] napari contributors" in text
    assert "[4] The napari-aprrd developers" in text
    assert "Chen" not in methods(record)
    assert "napari contributors" not in methods(record)


def test_a_model_alone_and_an_imported_one_have_their_paragraph(record: dict[str, Any]) -> None:
    text = methods({"train": record["train"]})
    assert text.startswith("A denoising model was made with napari-aprrd 9.8")
    assert "student" not in text
    model = random_denoiser()
    model.record = {"imported": "bsn.pth"}
    text = methods(of_output(model, noisy_planes(), DenoiseConfig(shifts=(1, 2))))
    assert "The weights were imported from bsn.pth and trained elsewhere." in text
    assert "clean" not in text  # nobody here knows what they were trained on
    assert "1 plane (0.004 megapixels) was denoised, as the mean over shifts 1, 2" in text


@pytest.mark.parametrize(
    "strange", [{"train": {"a": 1}}, {"train": 3}, {"denoise": {"config": {}}}]
)
def test_strange_records_are_refused(strange: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="incomplete"):
        methods(strange)


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ("with", "its targets were made with the neighbouring slices."),
        ("alone", "its targets were made without the neighbouring slices, which an estimate"),
        ("both", "its targets were made with and without the neighbouring slices."),
    ],
)
def test_neighbouring_planes_are_named_where_they_were_used(
    record: dict[str, Any], views: str, words: str
) -> None:
    assert "neighbour" not in methods(record)
    train, distilled = record["train"], record["distill"]
    stack = {"axis": "Z", "neighbours": 2, "correlation": {"1": 0.012, "2": 0.0}}
    seen: dict[str, Any] = {
        **record,
        "train": {**train, "config": {**train["config"], "neighbours": 2}, "stack_axis": "Z"},
        "noise": {**record["noise"], "stack": stack},
        "distill": {**distilled, "config": {**distilled["config"], "targets": views}},
    }
    text = methods(seen)
    assert (
        "The network saw 2 neighbouring slices on either side; noise correlation between slices "
        "0.01 at lag 1." in text
    )
    assert words in text
    seen["noise"] = record["noise"]  # neighbours that were asked for, and nothing was measured
    assert "The network saw 2 neighbouring slices on either side." in methods(seen)
    del seen["distill"]
    assert "Its outputs were made with the neighbouring slices." in methods(seen)
