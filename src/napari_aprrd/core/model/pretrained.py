"""Pre-trained weights to start from, made without any of the user's images.

They were pre-trained, supervised: simulated noise on public pictures and simulated scenes, whose
truth is known. `starter/` in the repository names the pictures and makes the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..config import DistillConfig, TrainConfig
from ..data.planes import Image
from ..data.scaling import Calibration, Normalisation
from ..method.networks import PerChannel
from .architecture import Architecture
from .denoiser import Denoiser
from .methods_text import PRETRAINING

Name = Literal["teacher", "student"]

# Highest learning rate of a teacher that starts from these weights. With 3e-3 the result is 0.06 to
# 0.17 dB worse: docs/experiments.md#kept.
LEARNING_RATE = 1e-3
_SIZE = {"channels": 1, "width": 16, "depth": 3}  # of the networks in the two files
FITTING: dict[Name, Architecture] = {
    "teacher": Architecture(kind="blind-spot", **_SIZE),
    "student": Architecture(kind="student-1.00M", **_SIZE),
}


def sentence(pretrained: bool, teacher: dict[str, Any] | None = None) -> str:
    """Sentence for users on the weights that a network starts from.

    Parameters
    ----------
    pretrained : bool
    teacher : dict, optional
        Record of the teacher whose student it is.
    """
    if pretrained:
        return "Starts from weights pre-trained on public pictures and simulated scenes."
    if teacher is not None and "imported" in teacher:
        return "The student starts from random weights; its teacher was trained elsewhere."
    if teacher is not None and teacher.get("train", {}).get("start") == "starter":
        return "The student starts from random weights; its teacher was pre-trained."
    return "Starts from random weights: no pre-training."


def record(pretrained: bool) -> dict[str, str]:
    """Entries for a model's record on the weights that its network started from."""
    if not pretrained:
        return {"start": "scratch", "pretraining": "none"}
    return {"start": "starter", "pretraining": PRETRAINING}


def path_of(name: Name, *, stacked: bool = False) -> Path:
    """Path of the weights, which are part of the package; those for stacks see neighbours."""
    file = f"{name}-stack" if stacked else name
    return Path(__file__).parent / "weights" / f"{file}.safetensors"


def fits(config: TrainConfig) -> bool:
    """Whether a teacher of one channel with these settings starts from the weights."""
    wanted = FITTING["teacher"]
    size = (config.width, config.depth)
    return config.start == "starter" and size == (wanted.width, wanted.depth)


def begin(denoiser: Denoiser, config: TrainConfig | DistillConfig) -> bool:
    """Give a fresh denoiser the starting weights, if the settings ask for them and they fit.

    They fit networks of the default size with one channel, and sets of these, one per channel.

    Returns
    -------
    bool
        Whether the denoiser has them now.
    """
    name: Name = "teacher" if denoiser.is_teacher else "student"
    if config.start != "starter" or not _fits(denoiser, FITTING[name]):
        return False
    weights = load_file(path_of(name, stacked=denoiser.neighbours > 0))
    for network in _networks(denoiser.network):
        take(network, weights)
    return True


def take(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network weights that were made for more or fewer neighbours.

    The channels of the nearest neighbours come first: of more, those of the others are left out;
    for others than the weights know, they are zeros.
    """
    own = network.state_dict()
    fitting = {name: _fitted(weight, own[name]) for name, weight in weights.items()}
    network.load_state_dict({**own, **fitting})


def first_look(noisy: Image) -> Image:
    """Denoise with the untrained starting student: quick, but less good than after training.

    Parameters
    ----------
    noisy : ndarray, shape (C, H, W), float32

    Returns
    -------
    ndarray, shape (C, H, W), float32
        The denoised image, each channel with the mean and contrast of the noisy one. Pixels
        that are not finite stay as they are.

    Raises
    ------
    UserError
        If the image is constant or holds no finite pixel.
    """
    channels = len(noisy)
    student = starting_student(Normalisation.of(noisy.reshape(channels, -1)))
    output = student.predict(noisy)
    before, after = (image.reshape(channels, -1) for image in (noisy, output))
    return Calibration.measure(before, after).apply(output)


def starting_student(normalisation: Normalisation) -> Denoiser:
    """The untrained student, for as many channels as the normalisation has."""
    channels = len(normalisation.offset)
    size = Architecture.of(FITTING["student"], channels=channels, separate=channels > 1)
    student = Denoiser.fresh(size, normalisation, 0)
    begin(student, DistillConfig())
    return student


def _fits(denoiser: Denoiser, wanted: Architecture) -> bool:
    found = denoiser.architecture
    if not isinstance(found, Architecture):
        return False
    alone: dict[str, Any] = {"neighbours": 0}
    if found.separate:
        alone |= {"channels": 1, "separate": False}
    return Architecture.of(found, **alone) == wanted


def _fitted(weight: Tensor, like: Tensor) -> Tensor:
    """A weight for as many input channels as another, of which those of neighbours come last."""
    if weight.shape == like.shape:
        return weight
    fitted = torch.zeros_like(like)
    common = min(weight.shape[1], like.shape[1])
    fitted[:, :common] = weight[:, :common]
    return fitted


def _networks(network: nn.Module) -> list[nn.Module]:
    return list(network.networks) if isinstance(network, PerChannel) else [network]
