"""Students as model packages of bioimage.io, for ilastik, deepImageJ and others.

The package's format: bioimage.io model description 0.5, https://bioimage.io/docs.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.atomic_files import write_atomically
from ..core.data.scaling import Calibration
from ..core.errors import DataWarning, UserError
from ..core.model.denoiser import Denoiser
from ..core.model.methods_text import PRETRAINING

FORMAT = "0.5.3"
SIDE = 128  # pixels, of the package's test image
PAPER = (
    'H. Kim and N. I. Cho, "APR-RD: Complementary Two Steps for Self-Supervised Real Image '
    'Denoising", AAAI 2025.'
)
PAGE = "https://github.com/HYK2017/APRRD"  # the paper's


def export(
    student: Denoiser, path: str | PathLike[str], name: str = "napari-aprrd student"
) -> None:
    """Write a student as a model package of bioimage.io.

    The package takes and gives images in the units of the source, float32, axes (batch, channel,
    y, x): normalisation and calibration are part of its network. Sides are multiples of
    2 ** depth.

    Parameters
    ----------
    student : Denoiser
    path : path
        Of the package, ``*.zip``.
    name : str
        Of the model, as its users read it.

    Raises
    ------
    UserError
        If it is a teacher, or the file cannot be written.

    Warns
    -----
    DataWarning
        If the student sees neighbouring planes, which such packages have not.
    """
    write_package(student, path, name)
    if said := planes_alone(student):
        warnings.warn(said, DataWarning, stacklevel=2)


def planes_alone(student: Denoiser) -> str:
    """Say that a package denoises planes alone, where its student knows more; else empty."""
    if not student.neighbours:
        return ""
    return (
        "This model learnt from neighbouring planes of stacks, which the programs that read its "
        "package do not give it: there it denoises each plane alone."
    )


def write_package(student: Denoiser, path: str | PathLike[str], name: str) -> None:
    """Write a package as `export` does, without a warning."""
    if student.is_teacher:
        raise UserError("Only students can be exported; distil this teacher first (RD).")
    student = student.copy().to("cpu")
    network = InUnitsOfTheSource(student).eval()
    image = _test_image(student)
    with torch.inference_mode():
        output = network(torch.from_numpy(image)).numpy()
    files = {
        "rdf.yaml": json.dumps(_description(student, name), indent=1).encode(),  # JSON is YAML
        "README.md": _documentation(student, name).encode(),
        "weights.pt": _torchscript(network, image),
        "noisy.npy": _npy(image),
        "denoised.npy": _npy(output),
    }
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    write_atomically(path, lambda temporary: temporary.write_bytes(package.getvalue()))


class InUnitsOfTheSource(nn.Module):
    """A student with its normalisation before and its calibration behind it.

    Parameters
    ----------
    student : Denoiser
    """

    offset: Tensor
    scale: Tensor
    gain: Tensor
    add: Tensor
    learnt: Tensor

    def __init__(self, student: Denoiser) -> None:
        super().__init__()
        self.network = student.network
        ones = (1.0,) * student.channels
        calibration = student.calibration or Calibration(ones, (0.0,) * student.channels)
        normalisation = student.normalisation
        offset, scale, gain, shift = (
            torch.tensor(values, dtype=torch.float32)[:, None, None]
            for values in (
                *(normalisation.offset, normalisation.scale),
                *(calibration.gain, calibration.offset),
            )
        )
        for name, values in {"offset": offset, "scale": scale, "gain": gain, "add": shift}.items():
            self.register_buffer(name, values)
        learnt = torch.ones(student.channels, 1, 1, dtype=torch.bool)
        learnt[list(normalisation.not_learnt)] = False
        self.register_buffer("learnt", learnt)
        self._partly = bool(normalisation.not_learnt)
        self._curves = len(calibration.curve)
        for channel, curve in enumerate(calibration.curve):
            for name, numbers in (("at", curve.at), ("correction", curve.add)):
                self.register_buffer(f"{name}{channel}", torch.tensor(numbers))

    def forward(self, image: Tensor) -> Tensor:
        """Denoise (B, C, H, W); channels that are not learnt stay as they are."""
        normal = (image - self.offset) / self.scale
        if self._partly:
            normal = normal * self.learnt
        output = self.network(normal) * self.scale + self.offset
        denoised: Tensor = self.gain * output + self.add
        if self._curves > 0:
            channels = [self._curved(c, denoised[:, c : c + 1]) for c in range(self._curves)]
            denoised = torch.cat(channels, dim=1)
        return torch.where(self.learnt, denoised, image) if self._partly else denoised

    def _curved(self, channel: int, values: Tensor) -> Tensor:
        """Add the corrections of a channel's curve, see `Curve`."""
        at, correction = (self.get_buffer(f"{name}{channel}") for name in ("at", "correction"))
        if len(at) < 2:
            return values
        inside = values.clamp(at[0], at[-1])
        right = torch.searchsorted(at, inside.contiguous()).clamp(1, len(at) - 1)
        share = (inside - at[right - 1]) / (at[right] - at[right - 1])
        return values + torch.lerp(correction[right - 1], correction[right], share)


def _description(student: Denoiser, name: str) -> dict[str, Any]:
    """What says how the files of the package belong together."""
    step = student.architecture.multiple
    any_size = {"min": 2 * step, "step": step}
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": name,
        "description": f"Removes noise. {_origin(student)}",
        "authors": [{"name": "The napari-aprrd developers"}],
        "cite": [{"text": PAPER, "url": PAGE}],
        "license": "BSD-3-Clause",
        "documentation": "README.md",
        "tags": ["denoising", "image-restoration", "self-supervised", "2d"],
        "inputs": [_tensor(student, "noisy", dict.fromkeys("yx", any_size))],
        "outputs": [
            _tensor(student, "denoised", {a: {"tensor_id": "noisy", "axis_id": a} for a in "yx"})
        ],
        "weights": {
            "torchscript": {
                "source": "weights.pt",
                "pytorch_version": torch.__version__.split("+")[0],
            }
        },
    }


def _tensor(student: Denoiser, name: str, sizes: dict[str, Any]) -> dict[str, Any]:
    channels = [f"channel{c}" for c in range(student.channels)]
    axes: list[dict[str, Any]] = [
        {"type": "batch"},
        {"type": "channel", "channel_names": channels},
        *({"type": "space", "id": axis, "size": size} for axis, size in sizes.items()),
    ]
    data = {"type": "float32"}
    return {"id": name, "axes": axes, "data": data, "test_tensor": {"source": f"{name}.npy"}}


def _test_image(student: Denoiser) -> NDArray[np.float32]:
    """Noise of the training data's mean and deviation, (1, C, SIDE, SIDE)."""
    noise = np.random.default_rng(0).normal(size=(student.channels, SIDE, SIDE))
    return student.normalisation.undo(noise.astype(np.float32))[None]


def _torchscript(network: nn.Module, image: NDArray[np.float32]) -> bytes:
    """TorchScript: what the programs that read such packages run."""
    content = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch would rather have another format
        torch.jit.save(torch.jit.trace(network, torch.from_numpy(image)), content)  # type: ignore[no-untyped-call]
    return content.getvalue()


def _npy(array: NDArray[np.float32]) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def _origin(student: Denoiser) -> str:
    """One sentence on what the student learnt from."""
    record = student.record
    stages = [record[name] for name in ("train", "distill") if "start" in record.get(name, {})]
    if not stages:
        return "The record of this model does not say how its training started."
    noisy = "Trained with napari-aprrd on noisy images, without clean images of the specimen"
    if "imported" in record:
        return (
            f"{noisy}, distilled from a teacher that was trained elsewhere ({record['imported']})."
        )
    started = [stage for stage in stages if stage["start"] == "starter"]
    if not started:
        return f"{noisy} and without pre-training."
    how = started[0].get("pretraining", PRETRAINING)
    return f"{noisy}, from weights that were pre-trained ({how})."


def _documentation(student: Denoiser, name: str) -> str:
    trained = student.record.get("distill", {})
    alone = f"\n{planes_alone(student)}".rstrip()
    return f"""# {name}

A student network. {_origin(student)}
The noisy images: {trained.get("planes", "?")} planes, {trained.get("megapixels", "?")} megapixels.
Input and output are in the units of the images that it was trained on: do not rescale them.
It suits images from the same instrument with the same kind of noise.{alone}

# Validation

Compare its output with a repeated or a longer exposure of the same place.

{PAPER}
"""
