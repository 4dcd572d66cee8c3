"""Reading windows, normalising, filling invalid pixels, drawing crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_aprrd.core.data.crops import CropSampler, held_out_pixels
from napari_aprrd.core.data.planes import CutPlanes, Image, MemoryPlanes, Places, fill_invalid
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.errors import UserError

from ..makers import noisy_image, noisy_planes

IDENTITY = Normalisation((0.0,), (1.0,))


def numbered(height: int, width: int) -> MemoryPlanes:
    """A plane whose pixel values are their indices."""
    return MemoryPlanes([np.arange(height * width, dtype=np.float32).reshape(1, height, width)])


def test_planes_in_memory_are_read_as_float32() -> None:
    planes = MemoryPlanes([np.arange(24, dtype=np.uint16).reshape(2, 3, 4), np.ones((2, 5, 6))])
    assert planes.channels == 2
    assert list(planes.sizes) == [(3, 4), (5, 6)]
    window = planes.read(0, slice(1, 3), slice(2, 4))
    assert window.dtype == np.float32
    np.testing.assert_array_equal(window[1], [[18, 19], [22, 23]])


def read_window(planes: MemoryPlanes, rng: np.random.Generator, side: int) -> Image:
    return planes.read(*Places(planes.sizes).draw(rng, side))


def test_parts_of_planes_are_together_the_planes() -> None:
    planes = noisy_planes((100, 65), (20, 30), channels=2)
    cut = CutPlanes.of(planes, 64)
    assert cut.sizes == [(50, 32), (50, 33), (50, 32), (50, 33), (20, 30)]
    assert (cut.channels, cut.in_memory) == (2, True)
    parts = [cut.read(n, slice(0, h), slice(0, w)) for n, (h, w) in enumerate(cut.sizes)]
    rows = [np.concatenate(parts[start : start + 2], axis=2) for start in (0, 2)]
    whole = np.concatenate(rows, axis=1)
    np.testing.assert_array_equal(whole, planes.images[0])
    np.testing.assert_array_equal(parts[4], planes.images[1])
    np.testing.assert_array_equal(
        cut.read(3, slice(1, 5), slice(2, 4)), planes.images[0][:, 51:55, 34:36]
    )


def test_windows_lie_anywhere_in_the_plane() -> None:
    planes, rng = numbered(9, 12), np.random.default_rng(0)
    corners = set()
    for _ in range(400):
        window = read_window(planes, rng, 8)
        top, left = divmod(int(window[0, 0, 0]), 12)
        np.testing.assert_array_equal(
            window, planes.read(0, slice(top, top + 8), slice(left, left + 8))
        )
        corners.add((top, left))
    assert corners == {(top, left) for top in range(2) for left in range(5)}


def test_windows_are_smaller_where_the_plane_is() -> None:
    assert read_window(numbered(5, 20), np.random.default_rng(0), 8).shape == (1, 5, 8)


def test_large_planes_are_read_more_often() -> None:
    planes = MemoryPlanes([np.zeros((1, 10, 10)), np.ones((1, 10, 30))])
    rng = np.random.default_rng(0)
    share = np.mean([read_window(planes, rng, 4).mean() for _ in range(1000)])
    assert abs(share - 0.75) < 5 * (0.75 * 0.25 / 1000) ** 0.5


def test_normalisation_gives_each_channel_mean_0_and_standard_deviation_1() -> None:
    image = noisy_image(2, 64, 80) * np.array([1, 50], np.float32)[:, None, None] + 1000
    normalisation = Normalisation.measure(MemoryPlanes([image]))
    normal = normalisation.apply(image)
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal.mean((1, 2)), 0, atol=0.02)
    np.testing.assert_allclose(normal.std((1, 2)), 1, atol=0.05)
    np.testing.assert_allclose(normalisation.undo(normal), image, rtol=1e-5)


def test_hot_pixels_have_no_say_in_the_normalisation() -> None:
    image = noisy_image(1, 64, 64)
    hot = image.copy()
    hot[0, 10, ::16] = 1e6
    without, with_hot = (Normalisation.measure(MemoryPlanes([i])) for i in (image, hot))
    assert with_hot.scale == pytest.approx(without.scale, rel=0.05)


def test_normalisation_ignores_invalid_pixels() -> None:
    image = noisy_image(1, 64, 64)
    without = Normalisation.measure(MemoryPlanes([image[:, 1:]]))
    image[0, 0] = np.resize([np.nan, np.inf, -np.inf], 64)
    assert Normalisation.measure(MemoryPlanes([image])) == without


def test_a_dark_image_with_few_bright_spots_is_not_constant() -> None:
    image = np.full((1, 64, 64), 7, np.float32)
    image[0, 30, 30] = 90
    assert Normalisation.measure(MemoryPlanes([image])) == Normalisation((7.0,), (83.0,))


@pytest.mark.parametrize("bad_channel", [0, 1])
@pytest.mark.parametrize("value", [3, np.nan, np.inf])
def test_a_constant_or_empty_channel_is_not_learnt_and_changes_nothing_in_others(
    value: float, bad_channel: int
) -> None:
    image = noisy_image(2, 64, 64)
    good = Normalisation.measure(MemoryPlanes([image[1 - bad_channel :][:1]]))
    image[bad_channel] = value
    found = Normalisation.measure(MemoryPlanes([image]))
    assert found.not_learnt == (bad_channel,)
    assert (found.offset[1 - bad_channel], found.scale[1 - bad_channel]) == (
        *good.offset,
        *good.scale,
    )
    assert not np.nan_to_num(found.apply(noisy_image(2, 64, 64))[bad_channel]).any()


@pytest.mark.parametrize(("value", "message"), [(3, "constant"), (np.nan, "no finite pixels")])
def test_images_with_only_constant_or_empty_channels_are_refused(
    value: float, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Normalisation.measure(MemoryPlanes([np.full((2, 64, 64), value, np.float32)]))


def test_the_message_gives_the_value_of_the_constant_channel() -> None:
    image = np.full((2, 64, 64), 3, np.float32)
    image[0] = np.nan
    with pytest.raises(UserError, match="value 3"):
        Normalisation.measure(MemoryPlanes([image]))


def test_finite_images_are_not_filled() -> None:
    image = noisy_image(1, 20, 20)
    assert fill_invalid(image) is image


def test_invalid_pixels_become_the_mean_of_their_finite_neighbours() -> None:
    image = noisy_image(2, 20, 24)
    image[0, 10, 10], image[0, 10, 11], image[0, 0, 0], image[1, 5, 5] = np.nan, np.inf, -np.inf, 9
    filled = fill_invalid(image)
    assert filled.dtype == np.float32
    near = image[0, 7:14, 7:14]
    assert filled[0, 10, 10] == pytest.approx(near[np.isfinite(near)].mean(), rel=1e-4)
    corner = image[0, :4, :4]
    assert filled[0, 0, 0] == pytest.approx(corner[np.isfinite(corner)].mean(), rel=1e-4)
    valid = np.isfinite(image)
    np.testing.assert_array_equal(filled[valid], image[valid])
    assert np.isnan(image[0, 10, 10])  # the source is left alone


def test_far_from_finite_pixels_the_mean_of_the_channel_is_taken() -> None:
    image = noisy_image(1, 40, 40)
    image[0, 10:30, 10:30] = np.nan
    assert fill_invalid(image)[0, 20, 20] == pytest.approx(np.nanmean(image), rel=1e-4)


def test_an_image_without_finite_pixels_becomes_finite() -> None:
    assert np.isfinite(fill_invalid(np.full((1, 8, 8), np.nan, np.float32))).all()


def test_crops_come_in_all_eight_orientations_equally_often() -> None:
    sampler = CropSampler(numbered(32, 32), IDENTITY, batch=50, patch=32, seed=0)
    image = torch.arange(32.0 * 32).view(32, 32)
    turned = [torch.rot90(i, k) for i in (image, image.flip(0)) for k in range(4)]
    crops = torch.cat([sampler.draw().values for _ in range(16)])[:, 0]
    counts = torch.tensor([sum(torch.equal(crop, t) for crop in crops) for t in turned])
    assert counts.sum() == 800
    assert (counts - 100).abs().max() < 5 * (800 / 8 * 7 / 8) ** 0.5


def test_crops_are_normalised_batches_without_invalid_pixels() -> None:
    image = noisy_image(3, 48, 64)
    image[:, 20, 20] = np.nan
    normalisation = Normalisation((100.0, 50.0, 0.0), (60.0, 10.0, 1.0))
    batch = (
        CropSampler(MemoryPlanes([image]), normalisation, batch=6, patch=32, seed=0).draw().values
    )
    assert batch.shape == (6, 3, 32, 32)
    assert batch.dtype == torch.float32
    assert batch.isfinite().all()
    low, high = np.nanmin(image, axis=(1, 2)), np.nanmax(image, axis=(1, 2))
    for c, (offset, scale) in enumerate([(100, 60), (50, 10), (0, 1)]):
        assert batch[:, c].min() >= (low[c] - offset) / scale - 1e-4
        assert batch[:, c].max() <= (high[c] - offset) / scale + 1e-4


def test_the_seed_decides_the_crops() -> None:
    def draw(seed: int) -> torch.Tensor:
        return CropSampler(noisy_planes(), IDENTITY, batch=4, patch=32, seed=seed).draw().values

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("size", [(7, 64), (64, 7), (1, 1)])
def test_planes_of_a_few_pixels_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=f"at least 8 x 8 pixels, got {size[0]} x {size[1]}"):
        CropSampler(noisy_planes((64, 64), size), IDENTITY, batch=1, patch=32, seed=0)


def test_held_out_pixels_are_the_same_wherever_a_window_lies() -> None:
    whole = held_out_pixels(3, slice(0, 200), slice(0, 300), share=0.2)
    window = held_out_pixels(3, slice(37, 90), slice(101, 222), share=0.2)
    np.testing.assert_array_equal(window, whole[37:90, 101:222])
    other = held_out_pixels(4, slice(0, 200), slice(0, 300), share=0.2)
    assert (other != whole).any()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_the_share_of_held_out_pixels_is_kept(share: float) -> None:
    mask = held_out_pixels(0, slice(0, 4000), slice(0, 4000), share=share)
    assert mask.mean() == pytest.approx(share, abs=5 * (share / 62_500) ** 0.5)
    blocks = mask[:3200, :3200].reshape(200, 16, 200, 16)
    np.testing.assert_array_equal(blocks.all((1, 3)), blocks.any((1, 3)))  # whole blocks


def test_crops_turn_together_with_their_masks() -> None:
    planes = numbered(64, 64)
    sampler = CropSampler(planes, IDENTITY, batch=20, patch=32, seed=0, hold_out=0.3)
    crops = sampler.draw()
    whole = held_out_pixels(0, slice(0, 64), slice(0, 64), share=0.3).ravel()
    for values, held_out in zip(crops.values[:, 0], crops.held_out[:, 0], strict=True):
        np.testing.assert_array_equal(held_out, whole[values.long()])
