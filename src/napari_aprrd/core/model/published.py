"""Reader of the networks that were published as PyTorch checkpoints; runs none of their code."""

from __future__ import annotations

import zipfile
from os import PathLike
from pathlib import Path

import torch

from ..data.scaling import Normalisation
from ..errors import UserError, cannot_read
from .architecture import NETWORKS, Architecture
from .denoiser import Denoiser

LARGEST_CHECKPOINT = 2**28  # bytes once unpacked; the published ones have 6 MB, so 256 MB is ample
_PUBLISHED = "a published APR-RD checkpoint"


def import_checkpoint(path: str | PathLike[str]) -> Denoiser:
    """Read a published PyTorch checkpoint (BSN, student 1.00M or 1.02M) without unpickling code.

    The published networks take RGB values of 0 to 255 divided by 255. So do the students of TM-BSN,
    which have the layout of 1.02M.

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
        architecture = _published_architecture(path, state)
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
    """Whether a file starts as a zip archive, as PyTorch writes it, but has no end."""
    try:
        with path.open("rb") as file:
            begins = file.read(4) == b"PK\x03\x04"
        return begins and not zipfile.is_zipfile(path)
    except OSError:
        return False


def _unpacked_size(path: Path) -> int:
    """Size of a checkpoint in bytes; for a zip archive, the unpacked size in its directory."""
    if not zipfile.is_zipfile(path):
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _published_architecture(path: Path, state: dict[str, torch.Tensor]) -> Architecture:
    kind = next((kind for kind, facts in NETWORKS.items() if facts.mark in state), None)
    if kind is None:
        raise UserError(f"{path} is not {_PUBLISHED}: it holds another network.")
    first = state[NETWORKS[kind].first]
    depth = sum(name.endswith("bias") and ".dec" in f".{name}" for name in state) // 2
    width, channels = first.shape[:2]
    return Architecture(kind=kind, channels=channels, width=width, depth=depth)
