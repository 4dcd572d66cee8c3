"""Model files `*.aprrd`: safetensors with a JSON header. Opening one executes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from ..config import Config
from ..data.curve import Curve
from ..data.scaling import Calibration, Normalisation
from ..errors import UserError, cannot_read, cause
from .architecture import Architecture, OwnArchitecture

FORMAT = 4  # the newest format that this version reads
# Formats of models that are calibrated by a line, by a curve, of those with constant channels, and
# of those that see neighbouring planes.
LINE, CURVE, PARTLY, STACKED = 1, 2, 3, FORMAT
KEY = "napari-aprrd"
LARGEST_HEADER = 2**22  # bytes of JSON; real headers have a few kB, so 4 MB only stops attacks
Numbers = tuple[float, ...]
_FLOATS = ("F16", "BF16", "F32", "F64")  # as safetensors names them


class _PerChannel(Config):
    """Two numbers for each channel, and a curve or constant channels where a model has them."""

    offset: Numbers
    scale: Numbers = ()
    gain: Numbers = ()
    curve: tuple[tuple[Numbers, Numbers], ...] = ()
    not_learnt: tuple[int, ...] = ()


class Header(Config):
    """The JSON header of a model file."""

    format: int = Field(ge=1)
    architecture: Architecture
    normalisation: _PerChannel
    calibration: _PerChannel | None
    record: dict[str, Any]

    def parts(self) -> tuple[Normalisation, Calibration | None]:
        """Normalisation and calibration."""
        found = self.calibration
        about = self.normalisation
        normal = Normalisation(about.offset, about.scale, about.not_learnt)
        if found is None:
            return normal, None
        curves = tuple(Curve(*curve) for curve in found.curve)
        calibration = Calibration(found.gain, found.offset, curves)
        return normal, calibration


def header_of(
    architecture: Architecture | OwnArchitecture,
    normalisation: Normalisation,
    calibration: Calibration | None,
    record: dict[str, Any],
) -> dict[str, Any]:
    """Everything of a model but its weights, as JSON types.

    Raises
    ------
    UserError
        If the network has an `OwnArchitecture`.
    """
    if isinstance(architecture, OwnArchitecture):
        raise UserError(
            "A network of your own is not saved, since opening a model runs no foreign code; "
            "save its student, or keep network.state_dict()."
        )
    numbers = asdict(calibration) if calibration else None
    curved = numbers is not None and bool(numbers["curve"])
    if numbers is not None and not curved:
        del numbers["curve"]  # so that older versions read the file
    normal = asdict(normalisation)
    if not normalisation.not_learnt:
        del normal["not_learnt"]  # so that older versions read the file
    whole = PARTLY if normalisation.not_learnt else CURVE if curved else LINE
    return {
        "format": STACKED if architecture.neighbours else whole,
        "architecture": architecture.model_dump(),
        "normalisation": normal,
        "calibration": numbers,
        "record": record,
    }


def content(header: dict[str, Any], weights: Mapping[str, torch.Tensor]) -> bytes:
    """Content of a model file; the same model gives the same bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    return bytes(serialise(tensors, {KEY: json.dumps(header)}))


def read(path: str | PathLike[str]) -> tuple[Header, dict[str, torch.Tensor]]:
    """Read a model file: its header, and its weights in float32.

    Its header's size is compared with that of the file before it is read, and the shapes with
    the architecture before any tensor is.

    Raises
    ------
    UserError
        If the file is missing, foreign, truncated, from a newer version or damaged.
    """
    path = Path(path)
    if path.is_dir():  # operating systems report this in different ways
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
        # `_check_beginning` has recognised it as a model, so the file is damaged, not foreign.
        raise cannot_read(path, "a napari-aprrd model", error, recognised=True) from error
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise UserError(f"{path} is damaged: it holds weights that are not numbers.")
    return header, weights


def _check_beginning(path: Path) -> None:
    """Refuse files that do not start like safetensors, or end within their header."""
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
    fit = all(len(part) == c for part in parts) and 0 not in header.normalisation.scale
    if not fit or not set(header.normalisation.not_learnt) < set(range(c)):
        raise UserError(f"{path} is damaged: its normalisation does not fit its channels.")
    return header


def _are_curves(curves: tuple[tuple[Numbers, Numbers], ...], channels: int) -> bool:
    """Whether there is a curve for each channel, or none at all, and all can be drawn."""
    return len(curves) in (0, channels) and all(
        len(at) == len(add) and all(low < high for low, high in pairwise(at)) for at, add in curves
    )
