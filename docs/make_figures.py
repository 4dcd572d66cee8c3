"""Makes the figures in docs/images that explain the method, with the plugin's own code and data.

Run from the repository's folder: python docs/make_figures.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage import data

import napari_aprrd as aprrd
from napari_aprrd.cli.demo import side_by_side
from napari_aprrd.core.config import ALL_SHIFTS, DenoiseConfig
from napari_aprrd.core.data.synthetic import NoiseKind, NoiseModel, noisy_cells
from napari_aprrd.core.method.apr import replace_pixels, replacer_maps
from napari_aprrd.core.method.networks import BlindSpotNetwork
from napari_aprrd.core.method.rd import recharge, recharge_masks

IMAGES = Path(__file__).parent / "images"
KINDS: tuple[NoiseKind, ...] = ("white", "blobby", "line-x")
Panels = list[tuple[str, np.ndarray]]


def main(folder: Path = IMAGES) -> None:
    noisy, truth = noisy_cells()
    teacher = aprrd.train_apr(noisy, axes="TYX")
    student = aprrd.distill_rd(teacher, noisy, axes="TYX")
    clean = aprrd.denoise(noisy, student, axes="TYX")
    y, part = noisy[0].astype(np.float32), np.s_[100:148, 100:148]

    def draw(name: str, panels: Panels, zoom: int) -> None:
        picture = Image.fromarray(side_by_side(panels, zoom))
        picture.save(folder / f"{name}.png", optimize=True)

    close = np.s_[60:188, 60:188]
    draw("neighbours", [(name, image[close]) for name, image in beside(noisy, truth)], 3)
    before_and_after = [("noisy", y), ("napari-aprrd", clean[0]), ("truth", truth[0])]
    draw("before_after", before_and_after, 2)
    draw("real_noise", denoised_galaxies(), 3)
    draw("noise", noise_of_each_kind(), 5)
    draw("replacer", [(name, image[part]) for name, image in replaced(y)], 6)
    draw("blind_spot", [hidden_from_the_middle(shift) for shift in (0, 1, 3, 5)], 8)
    draw("recharge", [(name, image[part]) for name, image in recharged(teacher, y)], 5)


def beside(noisy: np.ndarray, truth: np.ndarray) -> Panels:
    """A frame denoised alone, and with those before and after it, by equally short trainings."""
    frame = min(1, len(noisy) - 1)
    panels = [("noisy", noisy[frame])]
    for name, neighbours in (("each frame alone", 0), ("with its neighbours", None)):
        short: dict[str, Any] = {"axes": "TYX", "preset": "fast"}
        teacher = aprrd.train_apr(noisy, neighbours=neighbours, **short)
        student = aprrd.distill_rd(teacher, noisy, **short)
        panels.append((name, aprrd.denoise(noisy, student, axes="TYX")[frame]))
    return [*panels, ("truth", truth[frame])]


def denoised_galaxies() -> Panels:
    """A part of the Hubble Deep Field, which comes with scikit-image: real noise, no truth."""
    noisy = data.hubble_deep_field()[..., 0]
    student = aprrd.distill_rd(aprrd.train_apr(noisy), noisy)
    part, both = np.s_[500:660, 160:320], (noisy, aprrd.denoise(noisy, student))
    faint = (np.sqrt(np.clip(image[part].astype(np.float32), 5, 90) - 5) for image in both)
    return list(zip(("noisy", "napari-aprrd"), faint, strict=True))


def noise_of_each_kind(side: int = 256, shown: int = 56) -> Panels:
    """Noise on nothing, with what the noise report says of its neighbours."""
    panels = []
    for kind in KINDS:
        noise = NoiseModel(kind=kind).sample(np.full((side, side), 100, np.float32), seed=0)
        report = aprrd.inspect_noise(noise)
        x, y = (round(report.correlation[along][0], 1) + 0.0 for along in "xy")  # no -0.0
        panels.append((f"{kind}: {x} in x, {y} in y", noise[:shown, :shown]))
    return panels


def replaced(y: np.ndarray) -> Panels:
    """y, h1(y), h2(y)."""
    maps = replacer_maps(1, *y.shape, generator=torch.Generator().manual_seed(0))
    h1, h2 = replace_pixels(torch.from_numpy(y)[None, None], maps)
    return [("h1(y)", h1[0, 0].numpy()), ("h2(y)", h2[0, 0].numpy()), ("y", y)]


def hidden_from_the_middle(shift: int, side: int = 32, shown: int = 27) -> tuple[str, np.ndarray]:
    """The pixels (white) that the output in the middle does not depend on."""
    torch.manual_seed(0)
    network = BlindSpotNetwork(width=4, depth=2).double()
    image = torch.randn(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    middle, half = side // 2, shown // 2
    network(image, shift)[0, 0, middle, middle].backward()
    window = slice(middle - half, middle + half + 1)
    return f"shift {shift}", (image.grad[0, 0, window, window] == 0).double().numpy()


def recharged(teacher: aprrd.Denoiser, y: np.ndarray) -> Panels:
    """f_0(y), f_5(y), the mask M_0 and the recharged target x~_0."""
    outputs = torch.from_numpy(teacher.targets(y[None], ALL_SHIFTS, DenoiseConfig()))
    noisy = torch.from_numpy(teacher.normalisation.apply(y[None]))
    generator = torch.Generator().manual_seed(0)
    masks = recharge_masks(1, len(ALL_SHIFTS), *y.shape, generator=generator)
    target = recharge(outputs[None], noisy[None], masks)[0, 0, 0].numpy()
    f_0, f_5 = outputs[0, 0].numpy(), outputs[-1, 0].numpy()
    mask = np.where(masks[0, 0, 0], target.max(), target.min())
    return [("f_0(y)", f_0), ("f_5(y)", f_5), ("M_0", mask), ("recharged f_0(y)", target)]


if __name__ == "__main__":
    main()
