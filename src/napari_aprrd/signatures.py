"""Types of what the public functions take and return, for type checkers and editors.

The settings are those of the configs in `core.config`; a test compares them, so that the two
cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, TypeVar

import dask.array as da
from numpy.typing import NDArray

from .core.config import Channels, Norm, Preset, Recharge, StudentKind, Targets
from .core.model.architecture import OwnArchitecture
from .progress_bar import Listen

DaskArray: TypeAlias = da.Array


class LazyArray(Protocol):
    """A dask or zarr array, or another one that reads its pixels in chunks when asked."""

    @property
    def shape(self) -> tuple[Any, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> Any: ...  # noqa: D102
    @property
    def chunks(self) -> Any: ...  # noqa: D102


class LabelledArray(Protocol):
    """An `xarray.DataArray`: xarray need not be installed."""

    @property
    def dims(self) -> tuple[Any, ...]: ...  # noqa: D102
    @property
    def shape(self) -> tuple[Any, ...]: ...  # noqa: D102
    @property
    def data(self) -> Any: ...  # noqa: D102
    def isel(self, indexers: Any, drop: bool) -> Any: ...  # noqa: D102
    def copy(self, *, data: Any) -> Any: ...  # noqa: D102


class ImageLayer(Protocol):
    """A napari Image layer: napari need not be installed, and tells most checkers no types."""

    def as_layer_data_tuple(self) -> Any: ...  # noqa: D102


Layer = TypeVar("Layer", bound=ImageLayer)
Labelled = TypeVar("Labelled", bound=LabelledArray)
LayerOrArray = TypeVar("LayerOrArray", bound=ImageLayer | NDArray[Any])
AnyImage: TypeAlias = NDArray[Any] | LazyArray | LabelledArray | ImageLayer
Images: TypeAlias = AnyImage | Sequence[AnyImage]
Start: TypeAlias = Literal["starter", "scratch"]
AnyPath: TypeAlias = str | PathLike[str]


class _Schedule(TypedDict, total=False):
    """Settings that training and distilling share."""

    preset: Preset
    minutes: float | None
    warmup: float
    loss: Norm | None
    adapt: bool
    hold_out: float
    average: float
    start: Start
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    seed: int
    device: str
    steps: int | None
    batch: int
    patch: int
    width: int
    depth: int


class TrainSettings(_Schedule, total=False):
    """The fields of `TrainConfig`."""

    learning_rate: float | None
    shift: int | None
    replace: bool | None
    window: int
    regularization: float
    channels: Channels
    neighbours: int | None


class DistillSettings(_Schedule, total=False):
    """The fields of `DistillConfig`."""

    learning_rate: float
    shifts: tuple[int, ...] | None
    targets: Targets
    recharge: Recharge | bool | None
    student: StudentKind


class DenoiseSettings(TypedDict, total=False):
    """The fields of `DenoiseConfig`."""

    shifts: tuple[int, ...] | None
    calibrate: bool
    self_ensemble: bool
    dtype: Literal["same", "float32"] | None
    tile: int
    device: str
    normalise: Literal["model", "image"]


class TrainKeywords(TrainSettings, total=False):
    """All keywords of `train_apr` but ``background``, which decides what is returned."""

    axes: str | None
    architecture: OwnArchitecture | None
    progress: bool | Listen
    checkpoint: AnyPath | None


class DistillKeywords(DistillSettings, total=False):
    """All keywords of `distill_rd` but ``background``, which decides what is returned."""

    axes: str | None
    progress: bool | Listen
    checkpoint: AnyPath | None


class DenoiseKeywords(DenoiseSettings, total=False):
    """All keywords of `denoise` but ``background``, which decides what is returned."""

    axes: str | None
    progress: bool | Listen
    preset: Preset | None
    minutes: float | None
    seed: int | None
    start: Start | None
    neighbours: int | None
