"""Model files `*.aprrd`: safetensors with a JSON header. Opening one executes nothing."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from .calibration import Calibration
from .config import Config
from .curve import Curve
from .denoiser import Architecture, Denoiser, Kind
from .errors import UserError, cannot_read, cause
from .files import write_atomically
from .own_network import OwnArchitecture
from .patches import Normalisation

FORMAT = 2  # the newest that is read
LINE, CURVE = 1, FORMAT  # format of models calibrated by a line, as ever, and by a curve
KEY = "napari-aprrd"
LARGEST_HEADER = 2**22  # bytes of JSON
LARGEST_CHECKPOINT = 2**28  # bytes once unpacked; the published ones have 6 MB
_PUBLISHED = "a published APR-RD checkpoint"
Numbers = tuple[float, ...]
_FLOATS = ("F16", "BF16", "F32", "F64")  # as safetensors names them


class _PerChannel(Config):
    """Two numbers for each channel, and a curve where a model has one."""

    offset: Numbers
    scale: Numbers = ()
    gain: Numbers = ()
    curve: tuple[tuple[Numbers, Numbers], ...] = ()


class Header(Config):
    """The JSON header of a model file."""

    format: int = Field(ge=1)
    architecture: Architecture
    normalisation: _PerChannel
    calibration: _PerChannel | None
    record: dict[str, Any]


def save(denoiser: Denoiser, path: str | PathLike[str]) -> None:
    """Write a model file under a temporary name and move it into place.

    Raises
    ------
    UserError
        If the folder is missing or may not be written to, or the network is of an
        `OwnArchitecture`.
    """
    content = to_bytes(denoiser)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def to_bytes(denoiser: Denoiser) -> bytes:
    """The content of a model file; the same model gives the same bytes."""
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in denoiser.network.state_dict().items()
    }
    return bytes(serialise(weights, {KEY: json.dumps(header_of(denoiser))}))


def header_of(denoiser: Denoiser) -> dict[str, Any]:
    """All but the weights, as JSON types."""
    if isinstance(denoiser.architecture, OwnArchitecture):
        raise UserError(
            "A network of your own is not saved, since opening a model runs no foreign code; "
            "save its student, or keep network.state_dict()."
        )
    calibration = asdict(denoiser.calibration) if denoiser.calibration else None
    curved = calibration is not None and bool(calibration["curve"])
    if calibration is not None and not curved:
        del calibration["curve"]  # so that older versions read the file
    return {
        "format": CURVE if curved else LINE,
        "architecture": denoiser.architecture.model_dump(),
        "normalisation": asdict(denoiser.normalisation),
        "calibration": calibration,
        "record": denoiser.record,
    }


def fingerprint(denoiser: Denoiser) -> str:
    """The SHA-256 of the model's file, wherever it is and whether or not it was saved."""
    return hashlib.sha256(to_bytes(denoiser)).hexdigest()


def load(path: str | PathLike[str]) -> Denoiser:
    """Read a model file.

    Its header's size is compared with that of the file before it is read, and the shapes with
    the architecture before any tensor is.

    Raises
    ------
    UserError
        If the file is missing, foreign, truncated, from a newer version or damaged.
    """
    path = Path(path)
    if path.is_dir():  # which systems tell in different ways
        raise UserError(f"{path} is a folder, not a napari-aprrd model.")
    try:
        _check_beginning(path)
        with safe_open(path, framework="pt", device="cpu") as file:
            header = read_header(path, (file.metadata() or {}).get(KEY))
            with torch.device("meta"):
                expected = header.architecture.build().state_dict()
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
            if shapes != {name: list(tensor.shape) for name, tensor in expected.items()}:
                raise UserError(f"{path} is damaged: its weights do not fit its network.")
            slices = {name: file.get_slice(name) for name in expected}
            if any(s.get_dtype() not in _FLOATS for s in slices.values()):
                raise UserError(f"{path} is damaged: its weights are no real numbers.")
            weights = {name: file.get_tensor(name).float() for name in expected}
    except UserError:
        raise
    except (SafetensorError, OSError, MemoryError, RuntimeError) as error:
        # Its beginning was that of a model.
        raise cannot_read(path, "a napari-aprrd model", error, recognised=True) from error
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise UserError(f"{path} is damaged: it holds weights that are not numbers.")
    return _assemble(header, weights)


def _check_beginning(path: Path) -> None:
    """Refuse what does not begin as a safetensors file does, or ends within its header."""
    with path.open("rb") as file:
        beginning = file.read(9)
    if not is_safetensors(beginning):
        raise UserError(f"{path} is not a napari-aprrd model; choose an *.aprrd file.")
    if int.from_bytes(beginning[:8], "little") > path.stat().st_size - 8:
        raise UserError(f"{path} is damaged or incomplete: it ends within its header.")


def is_safetensors(beginning: bytes) -> bool:
    """Whether the first nine bytes are those of safetensors: a length, then JSON."""
    length = int.from_bytes(beginning[:8], "little")
    return length <= LARGEST_HEADER and beginning[8:9] == b"{"


def read_header(path: Path, text: str | None) -> Header:
    """Read and check the JSON header of a file.

    Raises
    ------
    UserError
        If it is missing, damaged or from a newer version.
    """
    if text is None:
        raise UserError(f"{path} is a safetensors file, but not a napari-aprrd model.")
    damaged = f"{path} is damaged: its header cannot be read"
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{damaged} ({cause(error)}).") from error
    if isinstance(raw, dict) and isinstance(raw.get("format"), int) and raw["format"] > FORMAT:
        raise UserError(f"{path} was written by a newer napari-aprrd; update this one.")
    try:
        header = Header.model_validate(raw)
    except ValueError as error:
        raise UserError(f"{damaged}.") from error
    c = header.architecture.channels
    parts = [header.normalisation.offset, header.normalisation.scale]
    if header.calibration is not None:
        parts += [header.calibration.gain, header.calibration.offset]
        if not _are_curves(header.calibration.curve, c):
            raise UserError(f"{path} is damaged: its calibration does not fit its channels.")
    if any(len(part) != c for part in parts) or 0 in header.normalisation.scale:
        raise UserError(f"{path} is damaged: its normalisation does not fit its channels.")
    return header


def _are_curves(curves: tuple[tuple[Numbers, Numbers], ...], channels: int) -> bool:
    """Whether there is a curve for each channel, or none at all, and all can be drawn."""
    return len(curves) in (0, channels) and all(
        len(at) == len(add) and all(low < high for low, high in pairwise(at)) for at, add in curves
    )


def _assemble(header: Header, weights: dict[str, torch.Tensor]) -> Denoiser:
    with torch.device("meta"):  # no memory, no random numbers
        network = header.architecture.build()
    network.load_state_dict(weights, assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    normal, calibration = header.normalisation, header.calibration
    return Denoiser(
        network,
        header.architecture,
        Normalisation(normal.offset, normal.scale),
        _calibration(calibration) if calibration else None,
        header.record,
    )


def _calibration(found: _PerChannel) -> Calibration:
    return Calibration(found.gain, found.offset, tuple(Curve(*curve) for curve in found.curve))


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
