"""The method written down plainly: the reference that the fast engine is compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d, leaky_relu, max_pool2d, pad

State = dict[str, Tensor]


def replace(image: Tensor, offsets: Tensor) -> Tensor:
    """One output of the replacer: (B, C, H, W) and offsets (B, H, W, 2) -> (B, C, H, W)."""
    batch, channels, height, width = image.shape
    result = torch.empty_like(image)
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                down, right = offsets[b, i, j].tolist()
                row = min(max(i + down, 0), height - 1)
                column = min(max(j + right, 0), width - 1)
                for c in range(channels):
                    result[b, c, i, j] = image[b, c, row, column]
    return result


def offsets_of(indices: Tensor, height: int, width: int) -> Tensor:
    """Offsets (B, H, W, 2) of flat source indices (B, H * W)."""
    offsets = torch.empty(len(indices), height, width, 2, dtype=torch.int64)
    for b in range(len(indices)):
        for i in range(height):
            for j in range(width):
                row, column = divmod(int(indices[b, i * width + j]), width)
                offsets[b, i, j] = torch.tensor([row - i, column - j])
    return offsets


def apr_loss(
    f: Callable[[Tensor], Tensor],
    y: Tensor,
    offsets_1: Tensor,
    offsets_2: Tensor,
    factor: float,
    *,
    power: int = 1,
    detach: bool = True,
) -> Tensor:
    """Equation [6]; `detach=False` keeps the gradient in f^, which the paper does not."""
    h1, h2 = replace(y, offsets_1), replace(y, offsets_2)
    f_hat = f(y).detach() if detach else f(y)
    f_hat_1, f_hat_2 = replace(f_hat, offsets_1), replace(f_hat, offsets_2)
    difference = f(h1) - h2
    regular = difference - (f_hat_1 - f_hat_2)
    first, second = torch.zeros(()), torch.zeros(())
    for x, r in zip(difference.flatten(), regular.flatten(), strict=True):
        first, second = first + abs(x) ** power, second + abs(r) ** power
    return first / y.numel() + factor * second / y.numel()


def recharge(targets: Tensor, y: Tensor, masks: Tensor) -> Tensor:
    """Equation [8]: targets (B, j, C, H, W), y (B, C, H, W), masks (B, j, 1, H, W)."""
    result = torch.empty_like(targets)
    batch, classes, channels, height, width = targets.shape
    for b in range(batch):
        for i in range(classes):
            for c in range(channels):
                for row in range(height):
                    for column in range(width):
                        m = float(masks[b, i, 0, row, column])
                        x = targets[b, i, c, row, column]
                        result[b, i, c, row, column] = x * (1 - m) + y[b, c, row, column] * m
    return result


def distillation_loss(student: Tensor, targets: Tensor, *, power: int = 1) -> Tensor:
    """Equation [9]: sum over the targets of the mean distance."""
    loss = torch.zeros(())
    for i in range(targets.shape[1]):
        total = torch.zeros(())
        for x, t in zip(student.flatten(), targets[:, i].flatten(), strict=True):
            total = total + abs(x - t) ** power
        loss = loss + total / student.numel()
    return loss


def apr_step(
    state: State,
    optimizer: torch.optim.Optimizer,
    y: Tensor,
    indices: Tensor,
    *,
    shift: int = 5,
    factor: float = 4.0,
    detach: bool = False,
) -> Tensor:
    """A step of training as published: float32, with gradient in f^; its loss, equation [6].

    `indices` are the flat ones of both replaced images, (2, B, H * W).
    """

    def f(x: Tensor) -> Tensor:
        return blind_spot(state, x, shift)

    def h(x: Tensor, source: Tensor) -> Tensor:
        source = source[:, None].expand(-1, x.shape[1], -1)
        return torch.gather(x.reshape(*x.shape[:2], -1), 2, source).view(x.shape)

    optimizer.zero_grad()
    h1, h2 = h(y, indices[0]), h(y, indices[1])
    f_hat = f(y).detach() if detach else f(y)
    difference = f(h1) - h2
    regular = difference - (h(f_hat, indices[0]) - h(f_hat, indices[1]))
    loss = difference.abs().mean() + factor * regular.abs().mean()
    loss.backward()
    optimizer.step()
    return loss.detach()


def distillation_step(
    state: State, optimizer: torch.optim.Optimizer, y: Tensor, targets: Tensor
) -> Tensor:
    """A step of distillation to targets (B, j, C, H, W); its loss, equation [9]."""
    optimizer.zero_grad()
    output = unet(state, y)
    losses = [(output - targets[:, i]).abs().mean() for i in range(targets.shape[1])]
    loss = torch.stack(losses).sum()
    loss.backward()
    optimizer.step()
    return loss.detach()


def blind_spot(state: State, image: Tensor, shift: int) -> Tensor:
    """AT-BSN at one shift, from the state dict of a checkpoint."""
    features = []
    for turns in (0, 1, 2, 3):
        turned = torch.rot90(image, -turns, (2, 3))
        seen = unet(state, turned, looks_up=True)
        features.append(torch.rot90(down(seen, shift), turns, (2, 3)))
    x = torch.cat(features, 1)
    x = leaky_relu(conv2d(x, state["nin_A.weight"], state["nin_A.bias"]), 0.1)
    x = leaky_relu(conv2d(x, state["nin_B.weight"], state["nin_B.bias"]), 0.1)
    return conv2d(x, state["nin_C.weight"], state["nin_C.bias"])


def down(x: Tensor, rows: int) -> Tensor:
    """Zeros come in at the top; as many rows at the bottom are cropped."""
    height = x.shape[2]
    return pad(x, (0, 0, rows, 0))[:, :, :height]


def unet(state: State, image: Tensor, *, looks_up: bool = False) -> Tensor:
    """U-Net with skips after the pools: of the blind-spot network and of student 1.00M."""

    def conv(x: Tensor, name: str) -> Tensor:
        weight, bias = state[f"unet.{name}.conv.weight"], state[f"unet.{name}.conv.bias"]
        if not looks_up:
            return leaky_relu(conv2d(x, weight, bias, padding=1), 0.1)
        height = x.shape[2]
        x = conv2d(pad(x, (0, 0, 1, 0)), weight, bias, padding=1)
        return leaky_relu(x[:, :, :height], 0.1)

    depth = _depth(state, "unet.dec{}.conv1.conv.weight")
    x = conv(image, "intro")
    pooled = {0: image}
    for level in range(1, depth + 1):
        x = conv(x, f"enc{level}.conv1")
        x = max_pool2d(down(x, 1) if looks_up else x, 2)
        pooled[level] = x
    x = conv(x, f"enc{depth + 1}.conv1")
    for level in range(depth, 0, -1):
        x = _double(x)
        x = torch.cat((x, pooled[level - 1]), 1)
        x = conv(conv(x, f"dec{level}.conv1"), f"dec{level}.conv2")
    return x


def student_102(state: State, image: Tensor) -> Tensor:
    """Student 1.02M: skips before the pools, no activation after the last convolution."""

    def conv(x: Tensor, name: str) -> Tensor:
        return conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    depth = _depth(state, "dec{}_2.conv.weight")
    x, unpooled = image, {}
    for level in range(1, depth + 1):
        unpooled[level] = leaky_relu(conv(x, f"enc{level}.conv"), 0.1)
        x = max_pool2d(unpooled[level], 2)
    x = leaky_relu(conv(x, f"enc{depth + 1}.conv"), 0.1)
    for level in range(depth, 0, -1):
        x = torch.cat((_double(x), unpooled[level]), 1)
        x = leaky_relu(conv(x, f"dec{level}_2.conv"), 0.1)
        if level > 1:
            x = leaky_relu(conv(x, f"dec{level}_1.conv"), 0.1)
    return conv(x, "dec1_1")


def _double(x: Tensor) -> Tensor:
    """Nearest upsampling: each pixel becomes 2 x 2."""
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def _depth(state: State, pattern: str) -> int:
    return max(level for level in range(1, 20) if pattern.format(level) in state)
