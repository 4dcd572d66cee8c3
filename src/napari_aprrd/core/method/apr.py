"""Adjacent Pixel Replacer (APR): two noisy images from one, without downsampling.

H. Kim and N. I. Cho, "APR-RD: Complementary Two Steps for Self-Supervised Real Image
Denoising", AAAI 2025, section "Scale-Preserving Sampling".
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .norms import Norm, mean_norm
from .random_bits import below, halves, random_bits


def replacer_maps(
    batch: int, height: int, width: int, *, window: int = 3, generator: torch.Generator
) -> Tensor:
    """Draw the index maps of H(y) = (h1(y), h2(y)).

    For every pixel an ordered pair of two *different* offsets is drawn uniformly from the
    window; coordinates that fall off the image are clamped to its border.

    Parameters
    ----------
    batch, height, width : int
        Number of images and their size in pixels. Each image gets maps of its own.
    window : int
        Side of the window in pixels, odd, at least 3.
    generator : torch.Generator
        CPU generator: the same state gives the same maps on every device.

    Returns
    -------
    Tensor, shape (2, B, H * W), int64
        Flat pixel indices; the first axis is h1, h2. All channels share them.
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"The replacer window must be odd and at least 3, got {window}.")
    size, shape = window * window, (batch, height, width)
    first = torch.randint(size, shape, generator=generator)
    # Draw from the other size - 1 offsets by skipping over the first one.
    second = torch.randint(size - 1, shape, generator=generator)
    second += second >= first
    return _maps(torch.stack((first, second)), window)


def hashed_maps(batch: int, height: int, width: int, *, window: int = 3, seed: Tensor) -> Tensor:
    """Index maps as those of `replacer_maps`, made on the device of a seed.

    Parameters
    ----------
    batch, height, width, window : int
        As for `replacer_maps`.
    seed : Tensor, scalar
        A whole number: the same one gives the same maps on every device.

    Returns
    -------
    Tensor, shape (2, B, H * W), int64
    """
    bits = random_bits(seed, batch * height * width).view(batch, height, width)
    upper, lower = halves(bits)
    first, second = below(window * window, upper), below(window * window - 1, lower)
    return _maps(torch.stack((first, second + (second >= first))), window)


def _maps(offsets: Tensor, window: int) -> Tensor:
    """Flat indices (2, B, H * W) of pixels at offsets in the window, (2, B, H, W)."""
    (height, width), device = offsets.shape[2:], offsets.device
    reach = window // 2
    rows = torch.arange(height, device=device)[:, None] + offsets // window - reach
    columns = torch.arange(width, device=device) + offsets % window - reach
    indices = rows.clamp_(0, height - 1) * width + columns.clamp_(0, width - 1)
    return indices.flatten(2)


def replace_pixels(image: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Apply the replacer: return (h1(image), h2(image)).

    Parameters
    ----------
    image : Tensor, shape (B, C, H, W)
        Noisy images y, or the network's output f(y).
    maps : Tensor, shape (2, B, H * W), int64
        From `replacer_maps`; y and f(y) take the same maps.

    Returns
    -------
    tuple of two Tensors, shape (B, C, H, W)
    """
    b, c, h, w = image.shape
    flat = image.reshape(b, c, h * w)
    h1, h2 = (flat.gather(2, m[:, None].expand(b, c, h * w)).view(b, c, h, w) for m in maps)
    return h1, h2


def apr_loss(
    network: Callable[[Tensor], Tensor],
    noisy: Tensor,
    maps: Tensor,
    *,
    regularization: float = 4.0,
    norm: Norm = "l1",
    mask: Tensor | None = None,
) -> Tensor:
    """APR loss, equation [6].

    |f(h1(y)) - h2(y)| + lambda * |f(h1(y)) - h2(y) - (h1(f^(y)) - h2(f^(y)))|

    Parameters
    ----------
    network : callable
        The blind-spot network f at its training shift, (B, C, H, W) -> (B, C, H, W).
    noisy : Tensor, shape (B, C, H, W)
        y, normalised.
    maps : Tensor, shape (2, B, H * W), int64
        The replacer's maps, see `replacer_maps`.
    regularization : float
        lambda. At 0 the second pass through the network is skipped.
    norm : {"l1", "l2"}
        L1 as in the paper, or mean squared error.
    mask : Tensor, shape (B, 1 or C, H, W), bool, optional
        Pixels to learn from; default all.

    Returns
    -------
    Tensor, scalar
        Means over all elements.
    """
    h1, h2 = replace_pixels(noisy, maps)
    difference_target = torch.zeros_like(noisy)
    if regularization > 0:
        with torch.no_grad():  # f^ is a constant in equation [6]: no gradient
            f1, f2 = replace_pixels(network(noisy), maps)
        difference_target = f1 - f2
    predicted = network(h1)
    loss = mean_norm(predicted - h2, norm, mask)
    if regularization > 0:
        residual = predicted - h2 - difference_target
        loss = loss + regularization * mean_norm(residual, norm, mask)
    return loss
