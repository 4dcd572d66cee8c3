"""A trained network together with its normalisation and calibration."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from ..atomic_files import write_atomically
from ..config import ALL_SHIFTS, DenoiseConfig
from ..data.constant import constant_areas, without_borders
from ..data.neighbours import StackedPlanes
from ..data.planes import Image, MemoryPlanes, Planes
from ..data.scaling import Calibration, Normalisation
from ..errors import UserError
from ..method.networks import BlindSpot, Target
from . import model_file
from .architecture import NETWORKS, Architecture, OwnArchitecture
from .hardware import (
    SMALLEST,
    Precision,
    autocast,
    free_bytes,
    is_out_of_memory,
    pick_device,
    plan_tile,
)
from .in_short import in_short
from .tiling import (
    CUDA_TILE,
    Read,
    Tile,
    in_all_orientations,
    input_of,
    predict_tile,
    quarters,
    tiles_of,
)

Views = Literal["with", "alone", "both"]
VIEWS: dict[Views, tuple[bool, ...]] = {"with": (True,), "alone": (False,), "both": (True, False)}


@dataclass(repr=False)
class Denoiser:
    """Model that denoises: a teacher (blind-spot network) or a student.

    Parameters
    ----------
    network : Module
        The network, as built by `architecture`.
    architecture : Architecture or OwnArchitecture
    normalisation : Normalisation
        Normalisation of the network's input and output.
    calibration : Calibration or None
        Correction of the output's intensities.
    record : dict
        Record of how it was made: settings, seed, steps, versions, data. JSON types only.
    """

    network: nn.Module
    architecture: Architecture | OwnArchitecture
    normalisation: Normalisation
    calibration: Calibration | None = None
    record: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return in_short("teacher" if self.is_teacher else "student", self.channels, self.record)

    @classmethod
    def fresh(
        cls,
        architecture: Architecture | OwnArchitecture,
        normalisation: Normalisation,
        seed: int,
    ) -> Denoiser:
        """Make an untrained denoiser without changing the caller's random state."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(architecture.build(), architecture, normalisation)

    @property
    def channels(self) -> int:
        """Number of image channels C."""
        return self.architecture.channels

    @property
    def is_teacher(self) -> bool:
        """True for a blind-spot network, False for a student."""
        return NETWORKS[self.architecture.kind].is_teacher

    @property
    def shifts(self) -> tuple[int, ...]:
        """Shifts at which a teacher's outputs are best for the noise it was trained on."""
        return tuple(self.record.get("target_shifts", ALL_SHIFTS))

    @property
    def neighbours(self) -> int:
        """Neighbouring planes k on either side that the network sees, 0 for planes alone."""
        return self.architecture.neighbours

    @property
    def stack_axis(self) -> str:
        """Letter of the axis along which planes are neighbours; empty where none are used."""
        return str(self.record.get("train", {}).get("stack_axis", ""))

    @property
    def views(self) -> Views:
        """Whether a teacher's outputs are best with neighbours, alone, or as the mean of both."""
        if not self.neighbours:
            return "alone"
        return cast(Views, self.record.get("target_views", "with"))

    def neighbours_in(self, planes: Planes) -> int:
        """Neighbours on either side that the network sees in some images; 0: planes alone.

        Images without the axis that the model learnt from are denoised plane by plane.
        """
        return self.neighbours if self.stack_axis in tuple(planes.stack_axes) else 0

    def stacked(self, planes: Planes) -> Planes:
        """The planes as the network sees them: with their neighbours, if it uses any."""
        neighbours = self.neighbours_in(planes)
        return StackedPlanes(planes, self.stack_axis, neighbours) if neighbours else planes

    def check_channels(self, channels: int) -> None:
        """Refuse images with other channels.

        Raises
        ------
        UserError
        """
        if channels != self.channels:
            raise UserError(
                f"The model was trained on {self.channels} channel(s), the image has {channels}."
            )

    def check_settings(self, config: DenoiseConfig) -> None:
        """Refuse settings that would have no effect with this model.

        Raises
        ------
        UserError
        """
        if config.shifts is not None and not self.is_teacher:
            raise UserError(
                "The setting shifts has no effect: this model is a student, which has none."
            )

    def matched(self, planes: Planes, config: DenoiseConfig) -> Denoiser:
        """Adapt the model to the intensities of some images, if the settings ask for it.

        The images' mean and contrast replace those of the training images, and the calibration
        is converted accordingly. The weights are shared.

        Raises
        ------
        UserError
            If the images are constant, or the network takes fixed values.
        """
        if config.normalise == "model":
            return self
        if "imported" in self.record:
            raise UserError(
                "normalise = 'image' does not suit a published network, which takes values of 0 "
                "to 255; scale the images to these instead."
            )
        found, calibration = Normalisation.measure(planes), self.calibration
        found = replace(found, not_learnt=self.normalisation.not_learnt)
        if calibration is not None:
            calibration = calibration.in_other_units(self.normalisation, found)
        return replace(self, normalisation=found, calibration=calibration)

    def copy(self) -> Denoiser:
        """Make an independent copy, for example of a network during training."""
        return copy.deepcopy(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a model file `*.aprrd`; an interrupted call leaves no incomplete file.

        Raises
        ------
        UserError
            If the folder is missing or not writable, or the network has an `OwnArchitecture`.
        """
        content = self.to_bytes()
        write_atomically(path, lambda temporary: temporary.write_bytes(content))

    def to_bytes(self) -> bytes:
        """Content of the model's file; the same model gives the same bytes."""
        return model_file.content(self.header(), self.network.state_dict())

    def header(self) -> dict[str, Any]:
        """Everything but the weights, as JSON types."""
        parts = (self.architecture, self.normalisation, self.calibration, self.record)
        return model_file.header_of(*parts)

    def fingerprint(self) -> str:
        """SHA-256 of the model's file, whether or not it has been saved."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def predict(self, image: Image, config: DenoiseConfig | None = None) -> Image:
        """Denoise one plane in memory: (C, H, W) -> (C, H, W), float32, units of the source.

        With its neighbours, as `stacked` planes are read, the image is ((2 k + 1) C, H, W).
        """
        centre = image[: self.channels]
        output = np.empty(centre.shape, np.float32)
        read = _reader(image)
        model = self.matched(MemoryPlanes([centre]), config or DenoiseConfig())
        for rows, columns, tile in model.predict_tiles(read, image.shape[1:], config):
            output[:, rows, columns] = tile
        return output

    def predict_tiles(
        self, read: Read, size: Sequence[int], config: DenoiseConfig | None = None
    ) -> Iterator[tuple[slice, slice, Image]]:
        """Denoise one plane tile by tile.

        Invalid pixels (NaN, infinite) stay as they are. The normalisation is the model's; to
        use the image's own, call this on the result of `matched`.

        Parameters
        ----------
        read : callable
            Reads (rows, columns) of the plane, float32, units of the source: (C, h, w), or with
            its neighbours, as `stacked` planes are read, ((2 k + 1) C, h, w).
        size : sequence of int
            Height and width in pixels.
        config : DenoiseConfig, optional

        Yields
        ------
        rows, columns : slice
            Place of the tile.
        tile : ndarray, shape (C, h, w), float32
        """
        config = config or DenoiseConfig()
        for tile in self.tiles(size, config):
            yield tile[0].kept, tile[1].kept, self.predict_tile(read, size, tile, config)

    def tiles(self, size: Sequence[int], config: DenoiseConfig) -> list[Tile]:
        """Tiles in which a plane of the given height and width is denoised."""
        return self._tiles(size, config.tile, config.shifts or self.shifts)

    def fitted(self, config: DenoiseConfig) -> DenoiseConfig:
        """Reduce the tile size in the settings to what the free memory allows.

        On a CUDA GPU, the default is a larger tile, of which the halo is a smaller part.
        """
        device, largest = pick_device(config.device), config.tile
        if device.type == "cuda" and largest == DenoiseConfig().tile:
            largest = CUDA_TILE
        halo = self.architecture.halo(config.shifts or self.shifts)
        free = free_bytes(device)
        tile = plan_tile(largest, halo, self.architecture.bytes_per_pixel, free)
        return DenoiseConfig.of(config, tile=tile)

    def predict_tile(
        self, read: Read, size: Sequence[int], tile: Tile, config: DenoiseConfig
    ) -> Image:
        """Denoise one of the `tiles` of a plane: (C, h, w), float32, units of the source.

        Constant areas, such as empty channels, and pixels that are not finite stay as they are.
        """
        shifts = config.shifts or self.shifts
        rows, columns = input_of(size, tile)
        window = read(rows, columns)
        kept = tuple(
            slice(s.keep_start - part.start, s.keep_stop - part.start)
            for s, part in zip(tile, (rows, columns), strict=True)
        )
        constant = constant_areas(window)
        as_it_is = (~np.isfinite(window) | constant)[: self.channels, *kept]
        as_it_is[list(self.normalisation.not_learnt)] = True
        source = window[: self.channels, *kept]
        if as_it_is.all():
            return source
        bare = without_borders(window, constant)
        read_window = _reader(bare, rows.start, columns.start)
        output = self._apply(self.forward(config), read_window, size, tile, shifts)
        output = self.normalisation.undo(output)
        if config.calibrate and self.calibration is not None:
            output = self.calibration.apply(output)
        return np.where(as_it_is, source, output)

    def forward(self, config: DenoiseConfig) -> Callable[[Tensor], Tensor]:
        """What denoises a normalised image with these settings: (B, M, H, W) -> (B, C, H, W)."""
        forward = self._mean_of(self.targets_at(config.shifts or self.shifts))
        return in_all_orientations(forward) if config.self_ensemble else forward

    def targets_at(self, shifts: Sequence[int], views: Views | None = None) -> list[Target]:
        """Targets T at these shifts, with neighbours, without, or both; by default as is best."""
        return [
            (shift, with_neighbours)
            for with_neighbours in VIEWS[views or self.views]
            for shift in shifts
        ]

    def targets(
        self,
        image: Image,
        targets: Sequence[Target | int],
        config: DenoiseConfig,
        precision: Precision = "float32",
    ) -> Image:
        """Compute the targets T of distillation, all from one U-Net pass.

        Parameters
        ----------
        image : ndarray, shape (C, H, W), or ((2 k + 1) C, H, W) with neighbours, float32
            Units of the source.
        targets : sequence of int, or of (shift, whether with neighbours)
            T, such as from `targets_at`; shifts alone are with neighbours where there are any.
        config : DenoiseConfig
            Its tile and device are used.
        precision : {"float32", "bfloat16", "float16"}
            Precision of the network's computations.

        Returns
        -------
        ndarray, shape (j, C, H, W), float32
            The targets, normalised as a student learns them.
        """
        if not self.is_teacher:
            raise UserError("Targets come from a teacher (blind-spot network), not a student.")
        chosen = [(target, True) if isinstance(target, int) else target for target in targets]
        output = np.empty((len(chosen) * self.channels, *image.shape[1:]), np.float32)

        def forward(x: Tensor) -> Tensor:
            with autocast(x.device, precision):
                return self.outputs(x, chosen).flatten(1, 2)

        size, shifts = image.shape[1:], [shift for shift, _ in chosen]
        image = without_borders(image)
        for tile in self._tiles(size, config.tile, shifts):
            place = (slice(None), tile[0].kept, tile[1].kept)
            output[place] = self._apply(forward, _reader(image), size, tile, shifts)
        return output.reshape(len(chosen), self.channels, *image.shape[1:])

    def outputs(self, image: Tensor, targets: Sequence[Target]) -> Tensor:
        """A teacher's outputs T for normalised images (B, C or (2 k + 1) C, H, W): (B, j, C, H, W).

        An image that comes without neighbours has all of T without them.
        """
        if self.neighbours:  # then it is one of our own networks
            return cast(Tensor, cast(Any, self.network).targets(image, targets))
        return cast(BlindSpot, self.network).all_shifts(image, [shift for shift, _ in targets])

    def to(self, device: str) -> Denoiser:
        """Move the network to a device ("auto", "cpu", "cuda", "cuda:1", "mps")."""
        self.network.to(pick_device(device))
        return self

    def _mean_of(self, targets: Sequence[Target]) -> Callable[[Tensor], Tensor]:
        if not self.is_teacher:
            return self.network
        network, (shift, with_neighbours) = cast(BlindSpot, self.network), targets[0]
        if len(targets) == 1:
            kept = None if with_neighbours else self.channels
            return lambda x: network(x[:, :kept], shift)
        return lambda x: self.outputs(x, targets).mean(1)

    def _tiles(self, size: Sequence[int], tile: int, shifts: Sequence[int]) -> list[Tile]:
        halo, multiple = self.architecture.halo(shifts), self.architecture.multiple
        return tiles_of(size, tile=tile, halo=halo, multiple=multiple)

    def _apply(
        self,
        forward: Callable[[Tensor], Tensor],
        read: Read,
        size: Sequence[int],
        tile: Tile,
        shifts: Sequence[int],
    ) -> Image:
        """Compute the network's normalised output for a tile: (K, h, w).

        If memory runs out, the tile is computed in four parts.
        """
        device = next(self.network.parameters()).device

        def on_device(x: Tensor) -> Tensor:
            return forward(x.to(device, memory_format=torch.channels_last))

        def normalised(rows: slice, columns: slice) -> Image:
            return self.normalisation.apply(read(rows, columns))

        try:
            return predict_tile(on_device, normalised, size, tile)
        except (MemoryError, RuntimeError) as error:
            side = max(span.keep_stop - span.keep_start for span in tile)
            if not is_out_of_memory(error):
                raise
            if side < 2 * SMALLEST:
                raise UserError(
                    "There is not enough memory for even a small tile; close other programs."
                ) from error
        halo, multiple = self.architecture.halo(shifts), self.architecture.multiple
        parts = [
            self._apply(forward, read, size, part, shifts)
            for part in quarters(tile, size, halo=halo, multiple=multiple)
        ]
        rows = [np.concatenate(parts[i : i + 2], axis=2) for i in (0, 2)]
        return np.concatenate(rows, axis=1)


def _reader(image: Image, top: int = 0, left: int = 0) -> Read:
    """Read from an image in memory whose first pixel is at this row and column."""
    return lambda rows, columns: image[
        :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]


def load(path: str | PathLike[str]) -> Denoiser:
    """Read a model file `*.aprrd`. Opening it executes nothing.

    Raises
    ------
    UserError
        If the file is missing, foreign, truncated, from a newer version or damaged.
    """
    header, weights = model_file.read(path)
    with torch.device("meta"):  # no memory, no random numbers
        network = header.architecture.build()
    network.load_state_dict(weights, assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Denoiser(network, header.architecture, *header.parts(), header.record)
