"""Networks that were published as PyTorch checkpoints, read without running their code."""

from __future__ import annotations

import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from ..data.scaling import Normalisation
from ..errors import UserError, cannot_read
from .architecture import Architecture, Kind
from .denoiser import Denoiser

LARGEST_CHECKPOINT = 2**28  # bytes once unpacked; the published ones have 6 MB
_PUBLISHED = "a published APR-RD checkpoint"


def import_checkpoint(path: str | PathLike[str]) -> Denoiser:
    """Read a published PyTorch checkpoint (BSN, student 1.00M or 1.02M) without unpickling code.

    The published networks take RGB values of 0 to 255 divided by 255.

    Raises
    ------
    UserError
        If the file is missing, damaged or not a checkpoint of the method.
    """
    path = Path(path)
    try:
        if _unpacked_size(path) > LARGEST_CHECKPOINT:
            raise UserError(f"{path} is not {_PUBLISHED}: it is far too large.")
        stored = torch.load(path, map_location="cpu", weights_only=True)
        state = stored.get("model_state_dict", stored)
        architecture = _published_architecture(state)
        with torch.device("meta"):  # nothing is allocated before the shapes are compared
            network = architecture.build()
        network.load_state_dict(state, assign=True)
        network.float().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    except UserError:
        raise
    except Exception as error:  # the file may be anything
        raise cannot_read(path, _PUBLISHED, error, recognised=_is_cut_archive(path)) from error
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        raise UserError(f"{path} is damaged: it holds weights that are not numbers.")
    c = architecture.channels
    normalisation = Normalisation((0.0,) * c, (255.0,) * c)
    return Denoiser(network, architecture, normalisation, None, {"imported": path.name})


def _is_cut_archive(path: Path) -> bool:
    """Whether it begins as a zip archive, as PyTorch writes, and lacks its end."""
    try:
        with path.open("rb") as file:
            begins = file.read(4) == b"PK\x03\x04"
        return begins and not zipfile.is_zipfile(path)
    except OSError:
        return False


def _unpacked_size(path: Path) -> int:
    """Bytes of a checkpoint; of a zip archive, what its directory says of them unpacked."""
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _published_architecture(state: dict[str, torch.Tensor]) -> Architecture:
    kind = _published_kind(state)
    first = state["enc1.conv.weight" if kind == "student-1.02M" else "unet.intro.conv.weight"]
    depth = sum(name.endswith("bias") and ".dec" in f".{name}" for name in state) // 2
    width, channels = first.shape[:2]
    return Architecture(kind=kind, channels=channels, width=width, depth=depth)


def _published_kind(state: dict[str, Any]) -> Kind:
    if "nin_A.weight" in state:
        return "blind-spot"
    return "student-1.00M" if "unet.intro.conv.weight" in state else "student-1.02M"
