"""The Python API: train, distil, denoise. The same in napari's console, notebooks, scripts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeVar, Unpack, overload

from numpy.typing import NDArray

from .arrays.labelled import is_labelled, labelled_like
from .axes import ArrayPlanes, JoinedPlanes
from .core.background import Background, CancelledError
from .core.config import DenoiseConfig, DistillConfig, Preset, TrainConfig
from .core.errors import DataWarning, UserError
from .core.jobs import Job, OneBar, Parts, Progress, run
from .core.model.architecture import OwnArchitecture
from .core.model.denoiser import Denoiser
from .core.model.denoiser import load as read_model
from .core.noise.report import NoiseReport, inspect
from .core.noise.rounding import WORDS
from .core.training.checkpoint import Checkpoint
from .core.training.distill import distill
from .core.training.train import train
from .core.training.two_steps import Learnt, configs_of, learn
from .core.trust.domain_shift import misfit, missing_neighbours
from .denoise_arrays.at_once import Denoised, denoise_now, rounding_loss
from .denoise_arrays.lazily import denoise_lazily, is_lazy
from .given.images import are_several, as_planes, planes_of, worth_learning
from .layers import KEY, denoised_layer, is_image_layer
from .progress_bar import Listen, keep_window_live, progress_bar
from .signatures import (
    AnyPath,
    DaskArray,
    DenoiseKeywords,
    DenoiseSettings,
    DistillKeywords,
    DistillSettings,
    ImageLayer,
    Images,
    Labelled,
    Layer,
    LayerOrArray,
    LazyArray,
    Start,
    TrainKeywords,
    TrainSettings,
)

R = TypeVar("R")
_LEARNING = 0.9  # share of the bar, where an image is denoised without a model


def inspect_noise(images: Images, *, axes: str | None = None) -> NoiseReport:
    """Say what the noise looks like, from the noisy images alone.

    Parameters
    ----------
    images : array, xarray.DataArray, napari Image layer, or list of these
        Noisy images of any axes and size. A few windows of them are read.
    axes : str, optional
        One letter of "ITZCYXS" for each dimension, where it cannot be inferred.

    Returns
    -------
    NoiseReport
        Standard deviation, correlation per lag and axis, and ``advice`` in plain words.

    Raises
    ------
    UserError
        One sentence on what is wrong with the images.
    """
    return inspect(as_planes(images, axes))


@overload
def train_apr(
    images: Images,
    config: TrainConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[TrainKeywords],
) -> Denoiser: ...
@overload
def train_apr(
    images: Images,
    config: TrainConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[TrainKeywords],
) -> Background[Denoiser]: ...
def train_apr(
    images: Images,
    config: TrainConfig | None = None,
    *,
    axes: str | None = None,
    architecture: OwnArchitecture | None = None,
    progress: bool | Listen = True,
    background: bool = False,
    checkpoint: AnyPath | None = None,
    **settings: Unpack[TrainSettings],
) -> Denoiser | Background[Denoiser]:
    """Train a blind-spot network with the Adjacent Pixel Replacer (APR).

    Parameters
    ----------
    images : array, xarray.DataArray, napari Image layer, or list of these
        Noisy images of any axes and size; no clean images of the specimen are needed. Pixels that
        are masked, NaN or infinite are not learnt from.
    config : TrainConfig, optional
        Settings; see there.
    axes : str, optional
        One letter of "ITZCYXS" for each dimension, where it cannot be inferred.
    architecture : OwnArchitecture, optional
        A blind-spot network of your own; see examples/custom_bsn.py.
    progress : bool or callable, optional
        A bar (in napari its activity dock), nothing, or a function that gets each `Progress`.
    background : bool
        Return at once with a handle: ``.result()``, ``.cancel()``, ``.stop()``, ``.progress``.
    checkpoint : path, optional
        File that keeps the work every few seconds. Where it is there, the work goes on from it,
        to the same weights; one that has ended gives its model. Delete it when you have saved
        the model.
    **settings
        Single fields of `TrainConfig`, for example ``minutes=2``, ``seed=1``, ``device="cpu"``.

    Returns
    -------
    Denoiser or Background
        The teacher: denoises already, and is what `distill_rd` learns from.

    Raises
    ------
    UserError
        One sentence on what is wrong with the images or settings.

    References
    ----------
    H. Kim and N. I. Cho, "APR-RD: Complementary Two Steps for Self-Supervised Real Image
    Denoising", AAAI 2025, equation [6].
    """
    ours = ("width", "depth", "channels", "neighbours", "start")
    sized = [name for name in ours if name in settings]
    if architecture is not None and sized:
        raise UserError(
            f"Settings without effect on a network of your own: {', '.join(sized)}; leave them out."
        )
    config = TrainConfig.of(config, **settings)
    job = train(
        as_planes(images, axes),
        config,
        architecture=architecture,
        checkpoint=Checkpoint(checkpoint),
    )
    return _carry_out(job, progress, background)


@overload
def distill_rd(
    teacher: Denoiser,
    images: Images,
    config: DistillConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DistillKeywords],
) -> Denoiser: ...
@overload
def distill_rd(
    teacher: Denoiser,
    images: Images,
    config: DistillConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DistillKeywords],
) -> Background[Denoiser]: ...
def distill_rd(
    teacher: Denoiser,
    images: Images,
    config: DistillConfig | None = None,
    *,
    axes: str | None = None,
    progress: bool | Listen = True,
    background: bool = False,
    checkpoint: AnyPath | None = None,
    **settings: Unpack[DistillSettings],
) -> Denoiser | Background[Denoiser]:
    """Distil a teacher into a plain, fast student by Recharged Distillation (RD).

    Parameters
    ----------
    teacher : Denoiser
        Result of `train_apr`.
    images : array, xarray.DataArray, napari Image layer, or list of these
        Noisy images, usually those of the training.
    config : DistillConfig, optional
        Settings; see there.
    axes, progress, background, checkpoint
        As for `train_apr`.
    **settings
        Single fields of `DistillConfig`.

    Returns
    -------
    Denoiser or Background
        The student.

    Raises
    ------
    UserError
        One sentence on what is wrong.

    Warns
    -----
    DataWarning
        If the images are not like those that the teacher learnt from, or if it learnt from
        neighbouring planes and they have none.

    References
    ----------
    As for `train_apr`, equations [7] to [9].
    """
    config = DistillConfig.of(config, **settings)
    planes = as_planes(images, axes)
    for said in filter(None, (misfit(teacher, planes), missing_neighbours(teacher, planes))):
        warnings.warn(said, DataWarning, stacklevel=2)
    job = distill(teacher, planes, config, Checkpoint(checkpoint))
    return _carry_out(job, progress, background)


@overload
def denoise(
    image: NDArray[Any],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DenoiseKeywords],
) -> NDArray[Any]: ...
@overload
def denoise(
    image: Labelled,
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DenoiseKeywords],
) -> Labelled: ...
@overload
def denoise(
    image: LazyArray,
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DenoiseKeywords],
) -> DaskArray: ...
@overload
def denoise(
    image: Layer,
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DenoiseKeywords],
) -> Layer: ...
@overload
def denoise(
    image: Sequence[NDArray[Any]],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DenoiseKeywords],
) -> list[NDArray[Any]]: ...
@overload
def denoise(
    image: Sequence[Labelled],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DenoiseKeywords],
) -> list[Labelled]: ...
@overload
def denoise(
    image: Sequence[LazyArray],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DenoiseKeywords],
) -> list[DaskArray]: ...
@overload
def denoise(
    image: Sequence[LayerOrArray],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[False] = False,
    **keywords: Unpack[DenoiseKeywords],
) -> list[LayerOrArray]: ...
@overload
def denoise(
    image: NDArray[Any],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DenoiseKeywords],
) -> Background[NDArray[Any]]: ...
@overload
def denoise(
    image: Labelled,
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DenoiseKeywords],
) -> Background[Labelled]: ...
@overload
def denoise(
    image: LazyArray,
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DenoiseKeywords],
) -> Background[DaskArray]: ...
@overload
def denoise(
    image: Layer,
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DenoiseKeywords],
) -> Background[Layer]: ...
@overload
def denoise(
    image: Sequence[NDArray[Any]],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DenoiseKeywords],
) -> Background[list[NDArray[Any]]]: ...
@overload
def denoise(
    image: Sequence[Labelled],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DenoiseKeywords],
) -> Background[list[Labelled]]: ...
@overload
def denoise(
    image: Sequence[LazyArray],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DenoiseKeywords],
) -> Background[list[DaskArray]]: ...
@overload
def denoise(
    image: Sequence[LayerOrArray],
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    background: Literal[True],
    **keywords: Unpack[DenoiseKeywords],
) -> Background[list[LayerOrArray]]: ...
def denoise(
    image: Images,
    model: Denoiser | AnyPath | None = None,
    config: DenoiseConfig | None = None,
    *,
    axes: str | None = None,
    progress: bool | Listen = True,
    background: bool = False,
    preset: Preset | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    start: Start | None = None,
    neighbours: int | None = None,
    **settings: Unpack[DenoiseSettings],
) -> Any:
    """Denoise an image or stack of any size, with a model or with one that is learnt from it.

    Parameters
    ----------
    image : array, xarray.DataArray, napari Image layer, or list of these
        With the channels that the model was trained on.
    model : Denoiser or path, optional
        A student, a teacher, or a model file. Without one, a teacher is trained on the noisy
        images and distilled first, as `train_apr` and `distill_rd` do, which give you the model to
        keep; layers of a list that are no noisy images are left out with a warning.
    config : DenoiseConfig, optional
        Settings; see there.
    axes, progress, background
        As for `train_apr`. Stopped while it learns, ``.stop()`` or Ctrl-C, it denoises with what is
        learnt so far.
    preset, minutes, seed, start, neighbours
        Without a model: as for `TrainConfig` and `DistillConfig`; the minutes are for both.
    **settings
        Single fields of `DenoiseConfig`, for example ``dtype="float32"``.

    Returns
    -------
    ndarray, xarray.DataArray, napari Image layer, list of these, or Background
        Same shape as the image, and its dtype unless asked otherwise. NaN, infinite and masked
        pixels stay what they were, under the same mask. A layer gives a layer, ready for
        ``viewer.add_layer``; a DataArray gives one with its coordinates and attributes. Dask and
        zarr give a dask array that denoises the planes that are asked for, when they are.

    Raises
    ------
    UserError
        One sentence on what is wrong.

    Warns
    -----
    DataWarning
        If the image is not like those that the model learnt from: far darker or brighter, with
        noise of another strength, or without the neighbouring planes that it learnt from; or if
        its type is one of whole numbers, which cannot hold the result. A few windows of the image
        are read for it. Also, once, where axes were guessed in a way that would leave a part of
        the image noisy if it were wrong.
    """
    config = DenoiseConfig.of(config, **settings)
    several = [(one, planes_of(one, axes)) for one in _to_denoise(image, model)]
    given = {"preset": preset, "minutes": minutes, "seed": seed, "start": start}
    given["neighbours"] = neighbours
    learning = {name: value for name, value in given.items() if value is not None}
    if model is None:
        _check_learnt(config)
        # A terminal shows a bar for each stage, with its own steps.
        bar = OneBar() if background or callable(progress) else Parts()
        learns = _learning(several, bar, {"device": config.device, **learning})
        job = _learn_and_denoise(learns, several, bar, config)
    else:
        _check_trained(learning)
        model = model if isinstance(model, Denoiser) else load(model)
        job = _denoise_all(several, model, config)
    for _, planes in several:
        unlike = misfit(model, planes) if model and config.normalise == "model" else ""
        alone = missing_neighbours(model, planes) if model else ""
        loss = rounding_loss(planes, config)
        lost = f"{WORDS[loss]}: dtype='float32' keeps it." if loss else ""
        for said in filter(None, (unlike, alone, lost)):
            warnings.warn(said, DataWarning, stacklevel=2)
    if not are_several(image):
        job = _only(job)
    return _carry_out(job, progress, background)


def load(path: AnyPath) -> Denoiser:
    """Read a model file `*.aprrd`. Opening it executes nothing.

    Raises
    ------
    UserError
        If the file is missing, foreign, truncated, damaged or from a newer version.
    """
    return read_model(path)


def _carry_out(job: Job[R], progress: bool | Listen, background: bool) -> R | Background[R]:
    if background and callable(progress):
        raise UserError(
            "A function as progress has no effect in the background: "
            "ask the handle for its progress instead."
        )
    if background:
        return Background(job, keep_window_live)
    try:
        with progress_bar(progress) as listen:
            return run(job, listen)
    except CancelledError as error:  # Ctrl-C, before there was anything to keep
        raise KeyboardInterrupt from error


def _to_denoise(image: Any, model: Any) -> Sequence[Any]:
    """One or several images; without a model, those of several that can be learnt from."""
    if not are_several(image):
        return [image]
    return image if model is not None else worth_learning(image)


def _denoise_job(
    image: Any, planes: ArrayPlanes, model: Denoiser, config: DenoiseConfig
) -> Job[Any]:
    """Denoise one image: a layer for a layer, an array for an array."""
    made: Denoised | None
    if is_lazy(planes.data):
        made = denoise_lazily(planes, model, config)
    else:
        made = yield from denoise_now(planes, model, config)
    if made is None:
        raise CancelledError("The job was stopped before its end: there is no result.")
    if is_image_layer(image):
        return denoised_layer(image, made.data, made.record())
    if is_labelled(image):
        return labelled_like(image, made.data, planes.axes, planes.axes)
    return made.data


def _denoise_all(
    several: list[tuple[Any, ArrayPlanes]], model: Denoiser, config: DenoiseConfig
) -> Job[list[Any]]:
    """Denoise images one after the other; several have one bar."""
    bar = OneBar() if len(several) > 1 else Parts()
    results = []
    for image, planes in several:
        job = _denoise_job(image, planes, model, config)
        results.append((yield from bar.part(job, 1 / len(several))))
    return results


def _learning(
    several: list[tuple[Any, ArrayPlanes]], bar: Parts, settings: dict[str, Any]
) -> Job[Learnt]:
    """Check what is learnt from and how, at once, and give the job that learns."""
    noisy = JoinedPlanes([planes for _, planes in several])
    configs = configs_of(settings)
    return learn(noisy, *configs, minutes=settings.get("minutes"), bar=bar, share=_LEARNING)


def _learn_and_denoise(
    learning: Job[Learnt],
    several: list[tuple[Any, ArrayPlanes]],
    bar: Parts,
    config: DenoiseConfig,
) -> Job[list[Any]]:
    """Learn from images, then denoise them, also where the learning was stopped."""
    learnt = yield from learning
    yield from bar.part(_remarks(several, learnt.model), 0.0)
    denoising = _denoise_all(several, learnt.model, config)
    if learnt.stopped:
        denoising = _deaf(denoising)
    return (yield from bar.part(denoising, 1 - _LEARNING))


def _remarks(several: list[tuple[Any, ArrayPlanes]], model: Denoiser) -> Job[None]:
    """Tell, once, if only some of the images that were learnt from are stacks."""
    told = {missing_neighbours(model, planes) for _, planes in several}
    for said in filter(None, told):
        yield Progress("Denoise", 0, len(several), 0.0, note=said)


def _deaf(job: Job[R]) -> Job[R]:
    """Let a job go on to its end, whatever it is told."""
    while True:
        try:
            progress = next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield progress


def _only(job: Job[list[Any]]) -> Job[Any]:
    (result,) = yield from job
    return result


def _check_learnt(config: DenoiseConfig) -> None:
    if config.shifts is not None:
        raise UserError(
            "The setting shifts has no effect without a model: students, which are trained then, "
            "have none."
        )


def _check_trained(settings: dict[str, Any]) -> None:
    if settings:
        listed = ", ".join(settings)
        raise UserError(
            f"Settings without effect on a model that is trained already: {listed}; leave them out."
        )


def methods(made: Denoiser | ImageLayer | AnyPath | dict[str, Any]) -> str:
    """Write a paragraph for the methods section of a paper, with its references.

    Parameters
    ----------
    made : Denoiser, napari Image layer, path or dict
        A model, a denoised layer, a model file, a denoised file (TIFF or OME-Zarr), or a record.

    Returns
    -------
    str
        The paragraph; after an empty line the references, one a line. It names the pre-training
        of the networks, the settings, the data and the versions, as far as the record has them.

    Raises
    ------
    UserError
        If there is no record of how it was made, or it says too little.
    """
    from .core.model.methods_text import methods as written

    return written(record_of(made))


def record_of(made: Any) -> dict[str, Any]:
    """How a model, a layer or a file was made.

    Raises
    ------
    UserError
        If it does not say.
    """
    name, record = "This", made
    if isinstance(made, Denoiser):
        record = made.record
    elif is_image_layer(made):
        name, record = repr(made.name), made.metadata.get(KEY)
    elif isinstance(made, (str, PathLike)):
        from .files.formats import read_picture

        name, path = str(made), Path(made)
        if path.suffix == ".aprrd":
            record = load(path).record
        else:
            record = read_picture(path, in_memory=0).record
    if not isinstance(record, dict) or not record:
        raise UserError(
            f"{name} does not say how it was made; models, layers, TIFF and OME-Zarr files that "
            "napari-aprrd made do."
        )
    return record
