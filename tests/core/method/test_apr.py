"""The Adjacent Pixel Replacer."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from napari_aprrd.core.method.apr import replace_pixels, replacer_maps

from .. import naive
from ..makers import DEVICE


def draw(batch: int, height: int, width: int, *, window: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return replacer_maps(batch, height, width, window=window, generator=generator)


def drawn_offsets(maps: Tensor, height: int, width: int, reach: int) -> Tensor:
    """Offsets of interior pixels, where nothing is clamped: (2, B, h, w, 2)."""
    maps = maps.reshape(2, -1, height, width)
    rows = maps // width - torch.arange(height)[:, None]
    columns = maps % width - torch.arange(width)
    return torch.stack((rows, columns), -1)[:, :, reach:-reach, reach:-reach]


def random_offsets(batch: int, height: int, width: int) -> Tensor:
    return torch.randint(-1, 2, (batch, height, width, 2))


def flat_indices(offsets: Tensor) -> Tensor:
    _, height, width, _ = offsets.shape
    rows = (torch.arange(height)[:, None] + offsets[..., 0]).clamp(0, height - 1)
    columns = (torch.arange(width) + offsets[..., 1]).clamp(0, width - 1)
    return (rows * width + columns).flatten(1)


def test_replacing_equals_the_plain_definition() -> None:
    torch.manual_seed(0)
    image, offsets = torch.rand(2, 3, 5, 7).to(DEVICE), [random_offsets(2, 5, 7) for _ in range(2)]
    maps = torch.stack([flat_indices(o) for o in offsets]).to(DEVICE)
    replaced = replace_pixels(image, maps)
    for h, o in zip(replaced, offsets, strict=True):
        assert torch.equal(h, naive.replace(image, o))


def test_a_channels_last_image_gives_the_same() -> None:
    image, maps = torch.rand(2, 3, 8, 6).to(DEVICE), draw(2, 8, 6).to(DEVICE)
    last = image.contiguous(memory_format=torch.channels_last)
    for a, b in zip(replace_pixels(image, maps), replace_pixels(last, maps), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize("size", [(4, 9), (2, 2), (1, 6)])
def test_every_pixel_comes_from_its_window_clamped_to_the_image(
    size: tuple[int, int], window: int
) -> None:
    height, width = size
    maps, reach = draw(50, height, width, window=window), window // 2
    for h in maps:
        offsets = naive.offsets_of(h, height, width)
        assert offsets.abs().max() <= reach
        assert (h >= 0).all()
        assert (h < height * width).all()


def test_offsets_beyond_the_border_are_clamped_to_it() -> None:
    # At the corner four offsets fall on the pixel itself, two on each neighbour, one diagonally.
    n, width = 20_000, 2
    counts = torch.bincount(draw(n, 2, width)[0, :, 0], minlength=4)
    share = torch.tensor([4, 2, 2, 1]) / 9
    deviation = (counts - n * share) / (n * share * (1 - share)).sqrt()
    assert deviation.abs().max() < 4  # standard deviations


@pytest.mark.parametrize("window", [3, 5])
def test_both_outputs_never_take_the_same_offset(window: int) -> None:
    h1, h2 = drawn_offsets(draw(4, 40, 50, window=window), 40, 50, window // 2)
    assert (h1 != h2).any(-1).all()


@pytest.mark.parametrize("window", [3, 5])
def test_all_ordered_pairs_are_equally_frequent(window: int) -> None:
    size, reach = window**2, window // 2
    offsets = drawn_offsets(draw(4, 104, 104, window=window), 104, 104, reach)
    first, second = (offsets[..., 0] + reach) * window + offsets[..., 1] + reach
    observed = torch.bincount((first * size + second).flatten(), minlength=size**2)
    pairs = ~torch.eye(size, dtype=torch.bool).flatten()
    assert observed[~pairs].sum() == 0
    observed = observed[pairs].double()
    expected = observed.mean()
    chi_square = float(((observed - expected) ** 2 / expected).sum())
    # Of uniform draws: mean n, standard deviation sqrt(2 n). Five of them are exceeded about
    # once in 10,000 seeds; a bias of 10 % of the pairs' frequency adds 0.01 * 40,000 draws.
    n = size * (size - 1) - 1
    assert chi_square < n + 5 * math.sqrt(2 * n)


def test_neighbouring_pixels_are_drawn_independently() -> None:
    offsets = drawn_offsets(draw(2, 102, 102), 102, 102, 1)[0].double()  # (B, h, w, 2)
    for a, b in [(offsets[:, 1:], offsets[:, :-1]), (offsets[:, :, 1:], offsets[:, :, :-1])]:
        correlation = (a * b).mean() / offsets.var()
        assert abs(correlation) < 5 / math.sqrt(a.numel())


def test_all_channels_share_the_draw_and_images_do_not() -> None:
    image = torch.rand(1, 1, 16, 16).expand(2, 3, 16, 16)
    for h in replace_pixels(image, draw(2, 16, 16)):
        assert torch.equal(h[:, :1].expand_as(h), h)
        assert not torch.equal(h[0], h[1])


def test_image_and_output_take_the_same_maps() -> None:
    image, maps = torch.rand(2, 2, 9, 9), draw(2, 9, 9)
    for h_of_y, h_of_f in zip(
        replace_pixels(image, maps), replace_pixels(image**2 + 1, maps), strict=True
    ):
        assert torch.equal(h_of_y**2 + 1, h_of_f)


def test_the_seed_decides() -> None:
    assert torch.equal(draw(2, 8, 8, seed=1), draw(2, 8, 8, seed=1))
    assert not torch.equal(draw(2, 8, 8, seed=1), draw(2, 8, 8, seed=2))


@pytest.mark.parametrize("window", [-3, 0, 1, 2, 4, 6])
def test_even_and_small_windows_are_refused(window: int) -> None:
    with pytest.raises(ValueError, match="odd and at least 3"):
        draw(1, 8, 8, window=window)
