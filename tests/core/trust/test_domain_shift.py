"""Images that are not like those a model learnt from: what is said, and matching them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.curve import Curve
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.scaling import Calibration, Normalisation
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.denoiser import Denoiser
from napari_aprrd.core.noise.report import inspect
from napari_aprrd.core.trust.domain_shift import misfit, missing_neighbours

from ..makers import assert_one_sentence, neighbour_denoiser, noisy_planes, random_denoiser

SIZE = 160


def scene(
    gain: float = 1.0, noise: float = 200.0, shot: float = 0.0, dark: float = 0.0, seed: int = 0
) -> NDArray[np.float32]:
    """Bright spots on a background of 400 with noise, less `dark`; then times a gain."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIZE, SIZE)) / SIZE
    clean = 400 + 3000 * (np.sin(7 * x) * np.cos(5 * y)) ** 2 - dark
    noisy = rng.normal(clean, np.sqrt(noise**2 + shot * clean.clip(0)))
    return (gain * noisy[None]).astype(np.float32)


def model_of(*images: NDArray[np.float32], noise: bool = True, **record: Any) -> Denoiser:
    """A model with the record of a training on these images."""
    planes = MemoryPlanes(list(images))
    model = random_denoiser("student-1.00M", channels=planes.channels)
    model.normalisation = Normalisation.measure(planes)
    model.record = {"train": {}, **record}
    if noise:
        model.record["noise"] = inspect(planes).model_dump(mode="json")
    return model


def said(model: Denoiser, *images: NDArray[Any]) -> str:
    return misfit(model, MemoryPlanes([image.astype(np.float32) for image in images]))


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("shot", [0.0, 20.0])
@pytest.mark.parametrize(
    ("factor", "words"),
    [(1 / 16, "16 times darker"), (1 / 4095, "4100 times darker"), (16.0, "16 times brighter")],
)
def test_another_scale_is_told_with_figures(
    factor: float, words: str, shot: float, noise: bool
) -> None:
    model, image = model_of(scene(shot=shot), noise=noise), scene(factor, shot=shot, seed=1)
    sentence = said(model, image)
    assert f"These images are {words} than those this model learnt from (mean " in sentence
    assert f"against {model.normalisation.offset[0]:.3g})" in sentence
    assert "normalise='image'" in sentence


def test_the_eight_bit_copy_of_a_scene_is_told() -> None:
    assert "16 times darker" in said(model_of(scene()), np.rint(scene() / 16).clip(0, 255))


@pytest.mark.parametrize(
    "image",
    [
        scene(seed=3),
        scene(0.5),  # half the exposure
        scene(2.0),
        scene(noise=400),
        scene(noise=100),
        scene()[:, :40, :40],
        np.random.default_rng(0).normal(400, 200, (1, SIZE, SIZE)),  # an empty field
    ],
)
def test_what_differs_from_day_to_day_is_not_told(image: NDArray[Any]) -> None:
    assert not said(model_of(scene(), scene(seed=2)), image)


def test_an_empty_field_of_photon_noise_is_not_told() -> None:
    """Its mean, contrast and noise are far below those of the training, and yet it was seen."""
    model = model_of(scene(noise=20, shot=20, dark=390))
    rng = np.random.default_rng(0)
    empty = rng.normal(10, np.sqrt(20**2 + 20 * 10), (1, SIZE, SIZE))
    assert not said(model, empty)


def test_noise_of_another_strength_is_told() -> None:
    model = model_of(scene(noise=30))
    assert "The noise of these images is 13 times stronger" in said(model, scene(noise=400))
    model = model_of(scene(noise=400))
    assert "times weaker than in those" in said(model, scene(noise=30))


def test_another_offset_is_told() -> None:
    image = scene()
    assert "far brighter" in said(model_of(image), image + 30_000)
    assert "far darker" in said(model_of(image + 30_000), image)


def test_one_channel_of_two_is_told() -> None:
    both = np.concatenate([scene(), scene(seed=1)])
    other = np.concatenate([scene(), scene(1 / 16, seed=1)])
    assert not said(model_of(both), both)
    assert "16 times darker" in said(model_of(both), other)


def test_nothing_is_said_where_nothing_is_known() -> None:
    model = model_of(scene())
    constant = np.full((1, SIZE, SIZE), 3.0)
    assert not said(model, constant)
    model.record = {}
    assert not said(model, scene(1 / 16))


def test_published_networks_take_0_to_255() -> None:
    photo = np.random.default_rng(0).normal(30, 12, (3, 64, 64)).clip(0, 255)
    model = random_denoiser("student-1.00M", channels=3)
    model.normalisation, model.record = Normalisation((0.0,) * 3, (255.0,) * 3), {"imported": "x"}
    assert not said(model, photo)
    assert not said(model, photo / 4)  # a night
    assert "intensities of 0 to 255" in said(model, photo / 255)
    assert "intensities of 0 to 255" in said(model, photo * 257)
    with pytest.raises(UserError, match="scale the images"):
        model.matched(MemoryPlanes([photo.astype(np.float32)]), BY_IMAGE)


def test_a_large_source_is_looked_at_in_a_few_windows() -> None:
    read = []

    class Large(MemoryPlanes):
        def read(self, plane: int, rows: slice, columns: slice) -> NDArray[np.float32]:
            read.append((plane, rows, columns))
            return super().read(plane, rows, columns)

    stack = np.tile(scene(), (1, 4, 4))
    assert misfit(model_of(scene()), Large([stack / 16] * 20))
    assert len(read) <= 8


BY_IMAGE = DenoiseConfig(normalise="image")
BENT = (Curve((400.0, 1200.0, 2000.0), (-60.0, 0.0, 90.0)),)


@pytest.mark.parametrize(
    "calibration",
    [None, Calibration((1.2,), (-150.0,)), Calibration((1.2,), (-150.0,), BENT)],
)
def test_matched_to_the_image_any_gain_and_offset_give_the_same_picture(
    calibration: Calibration | None,
) -> None:
    image, config = scene(), DenoiseConfig(normalise="image")
    model = model_of(scene(seed=1))
    model.calibration = calibration
    expected = model.predict(image, config)
    for gain, offset in ((1 / 16, 0.0), (2.0, 5000.0)):
        output = model.predict(gain * image + np.float32(offset), config)
        np.testing.assert_allclose((output - offset) / gain, expected, rtol=1e-3, atol=3)
    unlike = model.predict(image / 16)
    assert np.abs(16 * unlike - expected).mean() > 50


def test_matched_to_the_images_it_learnt_from_nothing_changes() -> None:
    image = scene()
    model = model_of(image)
    model.calibration = Calibration((1.2,), (-150.0,))
    same = model.matched(MemoryPlanes([image]), BY_IMAGE)
    assert same.network is model.network
    assert same.calibration is not None
    np.testing.assert_allclose(same.calibration.offset, model.calibration.offset, rtol=1e-4)
    np.testing.assert_allclose(same.predict(image), model.predict(image), rtol=1e-4, atol=0.5)


def test_a_model_of_stacks_says_that_planes_are_denoised_alone() -> None:
    stack = MemoryPlanes(noisy_planes((8, 8), (8, 8)).images, stack_axes="Z")
    single = noisy_planes((8, 8))
    told = missing_neighbours(neighbour_denoiser(axis="T"), stack)
    assert_one_sentence(told, "learnt from neighbouring frames (axis T), and this image has none")
    assert "slices (axis Z)" in missing_neighbours(neighbour_denoiser(axis="Z"), single)
    assert missing_neighbours(neighbour_denoiser(axis="Z"), stack) == ""
    assert missing_neighbours(random_denoiser(), single) == ""
