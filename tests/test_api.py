"""The Python API: train, distil, denoise, load."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from core.makers import (
    THREE_STEPS,
    assert_one_sentence,
    neighbour_denoiser,
    noisy_stack,
    random_denoiser,
    same_weights,
)
from napari.layers import Image

import napari_aprrd
from napari_aprrd import api
from napari_aprrd.axes import convert
from napari_aprrd.core.background import Background, CancelledError
from napari_aprrd.core.config import DenoiseConfig, DistillConfig, TrainConfig
from napari_aprrd.core.data.scaling import Calibration, Normalisation
from napari_aprrd.core.errors import DataWarning, UserError
from napari_aprrd.core.jobs import STOP, Progress
from napari_aprrd.core.model.denoiser import Denoiser

ENDLESS = {**THREE_STEPS, "steps": 10_000_000}
QUIET = {"progress": False}
DTYPES = ["u1", "u2", "i2", "f4", "f8"]
DEADLINE = 30.0  # seconds


def random_model(channels: int = 1, kind: Any = "student-1.00M") -> Denoiser:
    """Never trained; its output is spread over 8 bits."""
    denoiser = random_denoiser(kind, channels=channels)
    denoiser.normalisation = Normalisation((70.0,) * channels, (60.0,) * channels)
    denoiser.calibration = Calibration((1.5,) * channels, (20.0,) * channels)
    return denoiser


noisy = functools.partial(noisy_stack, dtype=np.float32)


@pytest.fixture(scope="module")
def model() -> Denoiser:
    return random_model()


def first_progress(handle: Background[Any]) -> Progress:
    begun = time.monotonic()
    while handle.progress is None or handle.progress.stage == "Inspect noise":
        assert time.monotonic() - begun < DEADLINE
        with pytest.raises(TimeoutError):
            handle.result(timeout=0.01)
    return handle.progress


def test_the_package_offers_the_api() -> None:
    for name in ("train_apr", "distill_rd", "denoise", "load"):
        assert getattr(napari_aprrd, name) is getattr(api, name)
    assert set(napari_aprrd.__all__) <= set(dir(napari_aprrd))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = napari_aprrd.nothing


@pytest.mark.parametrize("dtype", DTYPES)
def test_train_distil_denoise(dtype: str) -> None:
    image = noisy(2, 40, 48, dtype=dtype)
    before = image.copy()
    teacher = api.train_apr(image, **THREE_STEPS, **QUIET)
    student = api.distill_rd(teacher, image, **THREE_STEPS, **QUIET)
    assert teacher.is_teacher
    assert not student.is_teacher
    for model in (teacher, student):
        clean = api.denoise(image, model, **QUIET)
        assert (clean.shape, clean.dtype) == (image.shape, image.dtype)
        assert np.isfinite(clean).all()
        assert (clean != image).any()
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("dtype", [*DTYPES, "f2", "u4", ">u2"])
def test_the_image_is_denoised_as_the_model_predicts(model: Denoiser, dtype: str) -> None:
    image = noisy(40, 48, dtype=dtype)
    clean = api.denoise(image, model, **QUIET)
    assert clean.dtype == np.dtype(dtype).newbyteorder("=")
    expected = model.predict(image[None].astype(np.float32))[0]
    np.testing.assert_array_equal(clean, convert(expected, clean.dtype))
    assert clean.min() < clean.max()


@pytest.mark.parametrize("value", [200.0, 1e9])
def test_a_bright_image_does_not_wrap_around(value: float) -> None:
    model = random_model()
    model.calibration = Calibration((0.0,), (value + 100.0,))
    assert (api.denoise(noisy(40, 40, dtype=np.uint8), model, **QUIET) == 255).all()


def test_half_precision_does_not_overflow_to_infinity() -> None:
    model = random_model()
    model.calibration = Calibration((0.0,), (70_000.0,))  # the largest float16 is 65504
    clean = api.denoise(noisy(40, 40, dtype=np.float16), model, **QUIET)
    assert np.isfinite(clean).all()


def test_float32_keeps_all_digits(model: Denoiser) -> None:
    image = noisy(40, 48, dtype=np.uint8)
    clean = api.denoise(image, model, dtype="float32", **QUIET)
    assert clean.dtype == np.float32
    np.testing.assert_array_equal(clean, model.predict(image[None].astype(np.float32))[0])
    assert (clean != np.rint(clean)).any()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_invalid_pixels_stay_where_they_are(dtype: str) -> None:
    image = noisy(2, 48, 48, dtype=dtype)
    image[0, 5:9, 7] = np.nan
    image[1, 40, 40:] = np.inf
    image[1, 0, 0] = -np.inf
    teacher = api.train_apr(image, **THREE_STEPS, **QUIET)
    student = api.distill_rd(teacher, image, **THREE_STEPS, **QUIET)
    for model in (teacher, student):
        clean = api.denoise(image, model, **QUIET)
        valid = np.isfinite(image)
        np.testing.assert_array_equal(clean[~valid], image[~valid])
        assert np.isfinite(clean[valid]).all()


def test_planes_of_a_stack_are_denoised_one_by_one(model: Denoiser) -> None:
    stack = noisy(2, 3, 33, 47)
    clean = api.denoise(stack, model, axes="TZYX", **QUIET)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(clean[index], api.denoise(stack[index], model, **QUIET))


def test_axes_say_where_rows_and_columns_are(model: Denoiser) -> None:
    stack = noisy(3, 33, 47)
    clean = api.denoise(stack, model, **QUIET)
    turned = api.denoise(stack.transpose(2, 1, 0), model, axes="XYT", **QUIET)
    np.testing.assert_array_equal(turned.transpose(2, 1, 0), clean)


def test_colours_are_channels_and_alpha_is_kept() -> None:
    model = random_model(channels=3)
    image = np.moveaxis(noisy(4, 40, 48, dtype=np.uint8), 0, -1)
    with pytest.warns(DataWarning, match='alpha, which is copied; axes="YXZ" reads it otherwise'):
        clean = api.denoise(image, model, **QUIET)
    np.testing.assert_array_equal(clean[..., 3], image[..., 3])
    np.testing.assert_array_equal(clean[..., :3], api.denoise(image[..., :3], model, **QUIET))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (5, 9)])
def test_tiny_images_are_denoised(shape: tuple[int, int]) -> None:
    for kind in ("blind-spot", "student-1.00M", "student-1.02M"):
        clean = api.denoise(noisy(*shape), random_model(kind=kind), **QUIET)
        assert clean.shape == shape
        assert np.isfinite(clean).all()


@pytest.mark.parametrize("container", [list, tuple])
def test_a_list_gives_a_list(model: Denoiser, container: Any) -> None:
    images = [noisy(40, 48, dtype=np.uint8), noisy(2, 33, 35, seed=1)]
    clean = api.denoise(container(images), model, **QUIET)
    assert isinstance(clean, list)
    assert len(clean) == 2
    for ours, image in zip(clean, images, strict=True):
        assert ours.dtype == image.dtype
        np.testing.assert_array_equal(ours, api.denoise(image, model, **QUIET))


def test_training_takes_images_of_several_sizes() -> None:
    teacher = api.train_apr([noisy(40, 48), noisy(2, 33, 35)], **THREE_STEPS, **QUIET)
    assert teacher.record["train"]["planes"] == 3
    student = api.distill_rd(teacher, [noisy(40, 48), noisy(33, 35)], **THREE_STEPS, **QUIET)
    assert student.record["distill"]["planes"] == 2
    assert student.record["train"] == teacher.record["train"]


def test_settings_come_from_a_config_and_single_fields() -> None:
    image, config = noisy(40, 48), TrainConfig(**THREE_STEPS, seed=1)
    teacher = api.train_apr(image, config, seed=2, **QUIET)
    recorded = teacher.record["train"]["config"]
    assert (recorded["seed"], recorded["width"], recorded["steps"]) == (2, 4, 3)
    assert config.seed == 1
    student = api.distill_rd(teacher, image, DistillConfig(**THREE_STEPS), student="1.02M", **QUIET)
    assert student.architecture.kind == "student-1.02M"
    clean = api.denoise(image, student, DenoiseConfig(calibrate=False), tile=64, **QUIET)
    expected = student.predict(image[None], DenoiseConfig(calibrate=False, tile=64))[0]
    np.testing.assert_array_equal(clean, expected)


def test_the_same_seed_gives_the_same_weights() -> None:
    image = noisy(40, 48)
    first, second, other = (
        api.train_apr(image, **THREE_STEPS, **QUIET, seed=seed, device="cpu") for seed in (3, 3, 4)
    )
    assert same_weights(first, second)
    assert not same_weights(first, other)


@pytest.mark.parametrize("kind", [Path, str])
def test_a_model_may_be_a_path(tmp_path: Path, model: Denoiser, kind: Any) -> None:
    model.save(tmp_path / "model.aprrd")
    image = noisy(40, 48)
    path = kind(tmp_path / "model.aprrd")
    expected = api.denoise(image, model, **QUIET)
    np.testing.assert_array_equal(api.denoise(image, path, **QUIET), expected)
    assert same_weights(api.load(path), model)


def test_a_path_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no file"):
        api.load(tmp_path / "model.aprrd")
    (tmp_path / "model.aprrd").write_text("no model")
    with pytest.raises(UserError, match="not a napari-aprrd model"):
        api.denoise(noisy(40, 48), tmp_path / "model.aprrd", **QUIET)


@pytest.mark.usefixtures("report_every_step")
def test_a_function_hears_the_progress(model: Denoiser, capfd: pytest.CaptureFixture[str]) -> None:
    image, heard = noisy(3, 40, 48), []
    teacher = api.train_apr(image, **THREE_STEPS, progress=heard.append)
    assert all(isinstance(report, Progress) for report in heard)
    steps = [report.step for report in heard if report.stage == "Train teacher"]
    assert steps == [1, 2, 3]
    heard.clear()
    api.distill_rd(teacher, image, **THREE_STEPS, progress=heard.append)
    assert [r.step for r in heard if r.stage == "Distil student"] == [1, 2, 3]
    heard.clear()
    api.denoise(image, model, progress=heard.append)
    assert [(r.stage, r.step, r.total) for r in heard] == [("Denoise", n, 3) for n in (1, 2, 3)]
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("report_every_step")
def test_a_function_may_stop_training_and_keep_it() -> None:
    teacher = api.train_apr(noisy(40, 48), **ENDLESS, progress=lambda report: STOP)
    assert teacher.record["train"]["steps"] == 1
    assert teacher.record["train"]["stopped"]


def test_half_a_denoised_image_is_no_result(model: Denoiser) -> None:
    with pytest.raises(KeyboardInterrupt):
        api.denoise(noisy(3, 40, 48), model, progress=lambda report: STOP)


def test_progress_is_a_bar_on_stderr_or_nothing(
    model: Denoiser, capfd: pytest.CaptureFixture[str]
) -> None:
    image = noisy(2, 40, 48)
    api.denoise(image, model)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Denoise" in err
    assert "2/2" in err
    api.train_apr(image, **THREE_STEPS, progress=False)
    api.denoise(image, model, progress=False)
    assert capfd.readouterr() == ("", "")


def test_without_a_model_one_is_learnt_first(tiny_presets: Any) -> None:
    tiny_presets(3)
    image, heard = noisy(2, 40, 48), list[Progress]()
    clean = api.denoise(image, seed=1, progress=heard.append)
    teacher = api.train_apr(image, seed=1, **QUIET)
    expected = api.denoise(image, api.distill_rd(teacher, image, seed=1, **QUIET), **QUIET)
    np.testing.assert_array_equal(clean, expected)
    stages = list(dict.fromkeys(report.stage for report in heard))
    assert stages[0] == "Inspect noise"
    assert stages[-1] == "Denoise"
    steps = [report.step for report in heard]
    assert steps == sorted(steps)
    assert steps[-1] == heard[-1].total


def test_without_a_model_a_terminal_shows_each_stage_with_its_steps(
    tiny_presets: Any, capfd: Any
) -> None:
    tiny_presets(3)
    api.denoise(noisy(40, 48), seed=1)
    told = capfd.readouterr().err
    assert told.count(" 3/3 ") >= 2  # of the teacher and of the student
    assert "/1000" not in told


def test_without_a_model_layers_and_lists_are_denoised_too(tiny_presets: Any) -> None:
    tiny_presets(3)
    layer = Image(noisy(40, 48), name="cells")
    first, second = api.denoise([layer, noisy(33, 35)], **QUIET)
    assert first.name == "cells denoised"
    assert {"train", "distill", "denoise"} <= set(first.metadata["napari-aprrd"])
    assert second.shape == (33, 35)


def test_without_a_model_neighbours_of_a_stack_can_be_asked_for(tiny_presets: Any) -> None:
    tiny_presets(3)
    stack = noisy(3, 64, 64)
    clean = api.denoise(stack, seed=1, neighbours=1, progress=False)
    teacher = api.train_apr(stack, seed=1, neighbours=1, **QUIET)
    student = api.distill_rd(teacher, stack, seed=1, **QUIET)
    assert (teacher.neighbours, student.neighbours, student.stack_axis) == (1, 1, "T")
    np.testing.assert_array_equal(clean, api.denoise(stack, student, **QUIET))
    alone = api.denoise(stack, seed=1, neighbours=0, progress=False)
    assert (alone != clean).any()


def test_planes_that_a_model_of_stacks_denoises_alone_are_told() -> None:
    model = neighbour_denoiser()
    with pytest.warns(DataWarning, match=r"frames \(axis T\), and this image has none"):
        api.denoise(noisy_stack(40, 48), model, **QUIET)
    with pytest.warns(DataWarning, match="its planes are denoised alone"):
        api.denoise(da.from_array(noisy_stack(2, 40, 48)), model, axes="ZYX", progress=False)
    teacher = neighbour_denoiser("blind-spot")
    with pytest.warns(DataWarning, match="its planes are denoised alone"):
        student = api.distill_rd(teacher, noisy_stack(72, 72), **THREE_STEPS, progress=False)
    assert student.neighbours == 1
    api.denoise(noisy_stack(2, 40, 48), model, **QUIET)  # a stack: nothing is said


def test_images_without_a_stack_beside_one_are_told_of_when_it_is_learnt(
    tiny_presets: Any,
) -> None:
    tiny_presets(3)
    heard: list[Progress] = []
    images = [noisy(3, 64, 64), noisy(64, 64)]
    api.denoise(images, seed=1, neighbours=1, progress=heard.append)
    notes = [report.note for report in heard if "denoised alone" in report.note]
    assert len(notes) == 1
    assert_one_sentence(notes[0], "this image has none")


def test_stopped_while_it_learns_it_denoises_with_what_is_there(tiny_presets: Any) -> None:
    tiny_presets(10_000_000)
    image = noisy(2, 40, 48)
    handle = api.denoise(image, background=True)
    assert first_progress(handle).stage == "Train teacher"
    handle.stop()
    assert handle.result(DEADLINE).shape == image.shape


def test_what_has_no_effect_with_or_without_a_model_is_refused(model: Denoiser) -> None:
    with pytest.raises(UserError, match="trained already: minutes, seed; leave them out"):
        api.denoise(noisy(40, 48), model, minutes=1, seed=0)
    with pytest.raises(UserError, match="shifts has no effect without a model"):
        api.denoise(noisy(40, 48), shifts=(1, 2))


def test_without_a_model_what_is_wrong_is_told_at_once_in_the_background_too() -> None:
    with pytest.raises(UserError, match="1 and 3 channels cannot be trained on together"):
        api.denoise([noisy(40, 48), noisy(40, 48, 3)], background=True)
    with pytest.raises(UserError, match="minutes"):
        api.denoise(noisy(40, 48), minutes=-1, background=True)


def test_in_the_background_the_result_is_the_same(model: Denoiser) -> None:
    image = noisy(2, 40, 48)
    handle = api.denoise(image, model, background=True)
    assert isinstance(handle, Background)
    np.testing.assert_array_equal(handle.result(DEADLINE), api.denoise(image, model, **QUIET))
    assert handle.done
    assert handle.progress is not None
    assert (handle.progress.stage, handle.progress.step) == ("Denoise", 2)


def test_in_the_background_a_list_gives_a_list(model: Denoiser) -> None:
    handle = api.denoise([noisy(40, 48), noisy(33, 35)], model, background=True)
    assert [image.shape for image in handle.result(DEADLINE)] == [(40, 48), (33, 35)]


def test_a_job_in_the_background_can_be_cancelled() -> None:
    handle = api.train_apr(noisy(40, 48), **ENDLESS, background=True)
    assert first_progress(handle).stage == "Train teacher"
    assert not handle.done
    handle.cancel()
    with pytest.raises(CancelledError):
        handle.result(DEADLINE)
    assert handle.done


def test_a_job_in_the_background_can_be_stopped_and_kept() -> None:
    handle = api.train_apr(noisy(40, 48), **ENDLESS, background=True)
    assert first_progress(handle).total == ENDLESS["steps"]
    handle.stop()
    teacher = handle.result(DEADLINE)
    assert teacher.record["train"]["stopped"]
    assert 1 <= teacher.record["train"]["steps"] < ENDLESS["steps"]


def test_an_error_in_the_background_is_raised_with_the_result() -> None:
    handle = api.train_apr(np.ones((40, 48)), **THREE_STEPS, background=True)
    with pytest.raises(UserError, match="The image is constant"):
        handle.result(DEADLINE)


@pytest.mark.parametrize("background", [False, True])
def test_an_unknown_setting_is_refused_at_once(model: Denoiser, background: bool) -> None:
    image, options = noisy(40, 48), {"background": background, "nothing": 1}
    with pytest.raises(UserError, match=r"no setting 'nothing'\. The settings are: preset"):
        api.train_apr(image, **options)
    with pytest.raises(UserError, match="no setting 'nothing'"):
        api.distill_rd(random_model(kind="blind-spot"), image, **options)
    with pytest.raises(UserError, match=r"no setting 'nothing'\. The settings are: shifts"):
        api.denoise(image, model, **options)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"steps": 0}, "steps"),
        ({"shift": 0}, "shift"),
        ({"window": 4}, "window"),
        ({"patch": 33}, "patch"),
    ],
)
def test_values_out_of_bounds_are_refused(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(UserError, match=rf"(?i){name}"):
        api.train_apr(noisy(40, 48), **settings)


def test_other_channels_than_the_models_are_refused(model: Denoiser) -> None:
    colours = np.moveaxis(noisy(3, 40, 48), 0, -1)
    with pytest.raises(UserError, match=r"trained on 1 channel\(s\), the image has 3"):
        api.denoise(colours, model, **QUIET)
    with pytest.raises(UserError, match=r"trained on 1 channel\(s\), the images have 3"):
        api.distill_rd(random_model(kind="blind-spot"), colours, **THREE_STEPS, **QUIET)
    with pytest.raises(UserError, match="Images with 1 and 3 channels"):
        api.train_apr([colours, noisy(40, 48)], **THREE_STEPS, **QUIET)


def test_a_student_teaches_nobody(model: Denoiser) -> None:
    with pytest.raises(UserError, match="student already"):
        api.distill_rd(model, noisy(40, 48), **THREE_STEPS, **QUIET)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("cells.tif", r"must be an array or a layer.*read_picture\('cells.tif'\).data"),
        (Path("cells.tif"), "must be an array or a layer, not a name"),
        ([[1.0, 2.0]], "must be an array, got (list|float)"),
        (None, "must be an array, got NoneType"),
        (np.ones((40, 48), complex), "type complex128 cannot be denoised"),
        (np.ones((40, 48), bool), "type bool cannot be denoised"),
        (np.ones(40), "at least two dimensions"),
        (np.ones((0, 40)), "The image is empty"),
    ],
)
def test_what_is_no_image_is_refused(model: Denoiser, image: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        api.denoise(image, model, **QUIET)
    with pytest.raises(UserError, match=message):
        api.train_apr([noisy(40, 48), image], **THREE_STEPS, **QUIET)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([], "There is no image"),
        (noisy(1, 2), "at least 8 x 8 pixels, got 1 x 2"),
        (np.full((40, 48), 5.0), r"constant \(value 5\)"),
        (np.full((40, 48), np.nan), "no finite pixels"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused(image: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        api.train_apr(image, **THREE_STEPS, **QUIET)


def test_a_layer_gives_a_layer(model: Denoiser) -> None:
    data = noisy(3, 40, 48, dtype=np.uint16)
    look = {"scale": (2, 0.1, 0.2), "units": ("s", "um", "um"), "axis_labels": ("t", "y", "x")}
    layer = Image(data, name="cells", **look)
    clean = api.denoise(layer, model, **QUIET)
    assert isinstance(clean, Image)
    assert clean.name == "cells denoised"
    np.testing.assert_array_equal(clean.scale, layer.scale)
    assert clean.units == layer.units
    assert clean.axis_labels == layer.axis_labels
    np.testing.assert_array_equal(clean.data, api.denoise(data, model, **QUIET))
    np.testing.assert_array_equal(layer.data, noisy(3, 40, 48, dtype=np.uint16))


def test_layers_and_arrays_may_be_mixed(model: Denoiser) -> None:
    data = noisy(40, 48)
    clean = api.denoise([Image(data, name="cells"), data], model, **QUIET)
    assert [type(result) for result in clean] == [Image, np.ndarray]
    np.testing.assert_array_equal(clean[0].data, clean[1])


def test_layers_train_like_their_arrays() -> None:
    data = np.moveaxis(noisy(3, 40, 48, dtype=np.uint8), 0, -1)
    settings = {**THREE_STEPS, **QUIET, "device": "cpu"}
    teacher = api.train_apr(Image(data, rgb=True), **settings)
    assert teacher.channels == 3
    assert same_weights(teacher, api.train_apr(data, **settings))
