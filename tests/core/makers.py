"""Small random material, the same for the same seed."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_aprrd.core.config import DenoiseConfig
from napari_aprrd.core.data.planes import MemoryPlanes
from napari_aprrd.core.data.scaling import Normalisation
from napari_aprrd.core.jobs import STOP, Job, Progress
from napari_aprrd.core.model.architecture import Architecture, NetworkKind
from napari_aprrd.core.model.denoiser import Denoiser

# "auto" is this device in all tests; see `tests/conftest.py`.
DEVICE = torch.device(os.environ.get("NAPARI_APRRD_TEST_DEVICE") or "cpu")
ON_CPU = DEVICE.type == "cpu"
# Grey levels of images around 100. A GPU picks its convolutions by the layout of the weights and by
# how many channels there are, so that equal networks may round differently.
ROUNDING = 0.0 if ON_CPU else 0.01
# Of weights after a few steps on two devices: where a gradient is nearly 0, its rounding decides
# which way Adam goes.
ACROSS = {"rtol": 0.02, "atol": 0.01}
KINDS: tuple[NetworkKind, ...] = ("blind-spot", "student-1.00M", "student-1.02M")
# Settings of networks and crops that take milliseconds; a test adds the steps that it needs.
TINY: dict[str, Any] = {"batch": 1, "patch": 32, "width": 4, "depth": 2}
THREE_STEPS: dict[str, Any] = {**TINY, "steps": 3}
BRIEF: dict[str, Any] = {**TINY, "steps": 6, "batch": 2}  # what a loss is compared over
SMALL_TILES = DenoiseConfig(tile=64, device="cpu")


def random_denoiser(
    kind: NetworkKind = "blind-spot",
    *,
    channels: int = 1,
    width: int = 4,
    depth: int = 2,
    seed: int = 0,
    separate: bool = False,
    neighbours: int = 0,
) -> Denoiser:
    """A denoiser that was never trained; neighbours, if it sees any, are along T."""
    architecture = Architecture(
        kind=kind,
        channels=channels,
        width=width,
        depth=depth,
        separate=separate,
        neighbours=neighbours,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = architecture.build()
        for name, parameter in network.named_parameters():  # biases that are not zero
            if name.endswith("bias") or "join" in name:  # nor what joins the neighbours
                torch.nn.init.normal_(parameter, std=0.1)
    normalisation = Normalisation((0.0,) * channels, (1.0,) * channels)
    record = {"train": {"stack_axis": "T"}} if neighbours else {}
    return Denoiser(network, architecture, normalisation, record=record)


def neighbour_denoiser(
    kind: NetworkKind = "student-1.00M",
    *,
    axis: str = "T",
    neighbours: int = 1,
    channels: int = 1,
    separate: bool = False,
) -> Denoiser:
    """A denoiser of `noisy_stack` that was never trained, and to which neighbours matter."""
    architecture = Architecture(
        kind=kind, channels=channels, width=4, depth=2, separate=separate, neighbours=neighbours
    )
    normalisation = Normalisation((100.0,) * channels, (30.0,) * channels)
    denoiser = Denoiser.fresh(architecture, normalisation, seed=0)
    for name, parameter in denoiser.network.named_parameters():
        if name.endswith("beside.join.weight"):  # which is zero at first
            torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(0))
    denoiser.record = {"train": {"stack_axis": axis}}
    return denoiser


class Distorted(nn.Module):
    """Blurs, then compresses by a gain and adds an offset: what L1 does to skewed noise."""

    def __init__(self, gain: float, offset: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.offset = offset

    def forward(self, image: Tensor) -> Tensor:
        blurred = nn.functional.avg_pool2d(image, 5, 1, 2, count_include_pad=False)
        return self.gain * blurred + self.offset


def distorted_denoiser(gain: float, offset: float) -> Denoiser:
    denoiser = random_denoiser("student-1.00M", channels=2)
    denoiser.network = Distorted(gain, offset)
    denoiser.normalisation = Normalisation((100.0, 90.0), (60.0, 40.0))
    return denoiser


def noisy_image(*shape: int, seed: int = 0, noise: float = 10.0) -> NDArray[np.float32]:
    """Waves of amplitude 30 around 100 and white noise, (C, H, W)."""
    rng = np.random.default_rng(seed)
    c, y, x = np.indices(shape)
    clean = 100 + 30 * np.sin(y / 6 + c) * np.cos(x / 7)
    return (clean + rng.normal(0, noise, shape)).astype(np.float32)


def noisy_planes(*sizes: tuple[int, int], channels: int = 1, seed: int = 0) -> MemoryPlanes:
    """Planes of these sizes, 64 x 64 if none is given."""
    return MemoryPlanes(
        [noisy_image(channels, *size, seed=seed + i) for i, size in enumerate(sizes or [(64, 64)])]
    )


class LazyPlanes(MemoryPlanes):
    """Planes that are read window by window, in another thread."""

    in_memory = False


def noisy_stack(*shape: int, dtype: Any = np.uint16, seed: int = 0) -> NDArray[Any]:
    """As `noisy_image`, of any number of dimensions and any type."""
    image = noisy_image(int(np.prod(shape[:-2])), *shape[-2:], seed=seed)
    return image.reshape(shape).astype(dtype)


def random_pixels(*shape: int, dtype: Any = np.uint16) -> NDArray[Any]:
    """Whole numbers of 0 to 249, without any structure."""
    return np.random.default_rng(3).integers(0, 250, shape).astype(dtype)


def white_noise(*shape: int, dtype: Any = np.uint16) -> NDArray[Any]:
    """Normal noise of standard deviation 10 around 100."""
    return np.random.default_rng(0).normal(100, 10, shape).astype(dtype)


def ramp(*shape: int, dtype: Any = np.uint16) -> NDArray[Any]:
    """0, 1, ... 250, 0, 1, ...: all pixels that lie near each other differ."""
    return (np.arange(np.prod(shape)).reshape(shape) % 251).astype(dtype)


def drive(job: Job[Any], *, stop_at: str | None = None) -> tuple[Any, list[Progress]]:
    """Run a job: its result and reports. `stop_at` names the stage whose report hears STOP.

    At every report the consumer must be free of the engine's no-gradient modes.
    """
    reports: list[Progress] = []
    answer = None
    while True:
        try:
            reports.append(job.send(answer))
        except StopIteration as end:
            return end.value, reports
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        answer = STOP if reports[-1].stage == stop_at else None


def assert_one_sentence(text: str, expected: str = "") -> None:
    """A user is told one whole sentence; it may start with the file or option it is about."""
    text = text.strip()
    assert expected in text
    assert text[0].isupper() or text.startswith(("/", "--")), text
    assert text.endswith("."), text
    assert "\n" not in text
    assert ". " not in text, text
    assert "Traceback" not in text


def same_weights(a: Denoiser, b: Denoiser) -> bool:
    """True when all weights are equal to the bit, wherever they are."""
    ours, theirs = weights_of(a), weights_of(b)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def similar_weights(a: Denoiser, b: Denoiser) -> bool:
    """True when two devices learnt the same: equal to the bit if both were the CPU."""
    if ON_CPU:
        return same_weights(a, b)
    ours, theirs = weights_of(a), weights_of(b)
    same_names = ours.keys() == theirs.keys()
    return same_names and all(torch.allclose(ours[k], theirs[k], **ACROSS) for k in ours)


def weights_of(denoiser: Denoiser) -> dict[str, Tensor]:
    """All weights, on the CPU."""
    return {name: value.cpu() for name, value in denoiser.network.state_dict().items()}


def assert_same_pixels(found: NDArray[Any], expected: NDArray[Any]) -> None:
    """The same image to the bit; from a GPU, but for rounding."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)
