"""APR and RD with another blind-spot network.

    python examples/custom_bsn.py [--steps 300] [--distill-steps 600]

The network here sees through dilated convolutions, after D-BSN (X. Wu et al., ECCV 2020): the
first one lacks its central weight, and later ones step twice as far, so that no path leads from a
pixel to itself. Stepping s pixels instead of one hides (2s - 1) x (2s - 1) pixels: the shift.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import napari_aprrd as aprrd

SLOPE = 0.1  # of LeakyReLU


class DilatedNetwork(nn.Module):
    """A blind-spot network in 40 lines; `forward` and `all_shifts` are all that is asked for.

    Parameters
    ----------
    channels : int
        Image channels C.
    width : int
        Features.
    layers : int
        Dilated convolutions after the first one.
    """

    def __init__(self, channels: int = 1, width: int = 16, layers: int = 3) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3)
        self.later = nn.ModuleList(nn.Conv2d(width, width, 3) for _ in range(layers))
        self.mix = nn.Conv2d(width, width, 1)
        self.last = nn.Conv2d(width, channels, 1)
        hole = torch.ones(3, 3)
        hole[1, 1] = 0
        self.register_buffer("hole", hole)

    def forward(self, image: Tensor, shift: int) -> Tensor:
        """Denoise (B, C, H, W). It is always blind to its own pixel: shift 0 is shift 1."""
        step = max(shift, 1)
        x = _dilated(image, self.first, self.first.weight * self.hole, step)
        for convolution in self.later:  # as residuals: they go on from what is there
            x = x + _dilated(x, convolution, convolution.weight, 2 * step)
        return self.last(F.leaky_relu(self.mix(x), SLOPE))

    def all_shifts(self, image: Tensor, shifts: Iterable[int]) -> Tensor:
        """Denoise with several blind spots: (B, C, H, W) -> (B, j, C, H, W)."""
        return torch.stack([self(image, shift) for shift in shifts], dim=1)

    def reach(self, shift: int) -> int:
        """How far an output looks to any side, in pixels."""
        return max(shift, 1) * (1 + 2 * len(self.later))


def _dilated(x: Tensor, convolution: nn.Conv2d, weight: Tensor, step: int) -> Tensor:
    x = F.conv2d(x, weight, convolution.bias, padding=step, dilation=step)
    return F.leaky_relu(x, SLOPE)


def main(steps: int, distill_steps: int) -> dict[str, aprrd.Denoiser]:
    """Train, distil, and print what came out."""
    noisy, truth = aprrd.noisy_cells((256, 256), kind="blobby")
    architecture = aprrd.OwnArchitecture(
        make=DilatedNetwork, channels=1, reach=DilatedNetwork().reach
    )
    teacher = aprrd.train_apr(noisy, architecture=architecture, steps=steps)
    student = aprrd.distill_rd(teacher, noisy, steps=distill_steps, recharge="random")
    models = {"teacher": teacher, "student": student}
    print(f"noisy  {aprrd.evaluate(noisy, truth).psnr:.2f} dB")
    for name, model in models.items():
        clean = aprrd.denoise(noisy, model, progress=False)
        print(f"{name:6s} {aprrd.evaluate(clean, truth).psnr:.2f} dB")
    return models


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--distill-steps", type=int, default=600)
    main(**vars(parser.parse_args()))
