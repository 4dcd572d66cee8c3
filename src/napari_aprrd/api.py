"""The Python API: train, distil, denoise. The same in napari's console, notebooks, scripts."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from .axes import ArrayPlanes, JoinedPlanes, check_array, infer_axes
from .core import denoise as _denoise
from .core import model_file, train
from .core.config import DenoiseConfig, DistillConfig, TrainConfig
from .core.denoiser import Denoiser
from .core.errors import UserError
from .core.progress import run
from .show import Listen, listener


def train_apr(
    images: Any,
    config: TrainConfig | None = None,
    *,
    axes: str | None = None,
    progress: bool | Listen = True,
    **settings: Any,
) -> Denoiser:
    """Train a blind-spot network with the Adjacent Pixel Replacer (APR).

    Parameters
    ----------
    images : array or list of arrays
        Noisy images of any axes and size; no clean data is needed.
    config : TrainConfig, optional
        Settings; see there.
    axes : str, optional
        One letter of "ITZCYXS" for each dimension, where it cannot be inferred.
    progress : bool or callable, optional
        A bar, nothing, or a function that is called with each `Progress`.
    **settings
        Single fields of `TrainConfig`, for example ``minutes=2``, ``seed=1``, ``device="cpu"``.

    Returns
    -------
    Denoiser
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
    config = TrainConfig.of(config, **settings)
    with listener(progress) as listen:
        return run(train.train(as_planes(images, axes), config), listen)


def distill_rd(
    teacher: Denoiser,
    images: Any,
    config: DistillConfig | None = None,
    *,
    axes: str | None = None,
    progress: bool | Listen = True,
    **settings: Any,
) -> Denoiser:
    """Distil a teacher into a plain, fast student by Recharged Distillation (RD).

    Parameters
    ----------
    teacher : Denoiser
        Result of `train_apr`.
    images : array or list of arrays
        Noisy images, usually those of the training.
    config : DistillConfig, optional
        Settings; see there.
    axes, progress
        As for `train_apr`.
    **settings
        Single fields of `DistillConfig`.

    Returns
    -------
    Denoiser
        The student.

    Raises
    ------
    UserError
        One sentence on what is wrong.

    References
    ----------
    As for `train_apr`, equations [7] to [9].
    """
    config = DistillConfig.of(config, **settings)
    with listener(progress) as listen:
        return run(train.distill(teacher, as_planes(images, axes), config), listen)


def denoise(
    image: Any,
    model: Denoiser | str | PathLike[str],
    config: DenoiseConfig | None = None,
    *,
    axes: str | None = None,
    progress: bool | Listen = True,
    **settings: Any,
) -> Any:
    """Denoise an image or stack of any size.

    Parameters
    ----------
    image : array or list of arrays
        With the channels that the model was trained on.
    model : Denoiser or path
        A student, a teacher, or a model file.
    config : DenoiseConfig, optional
        Settings; see there.
    axes, progress
        As for `train_apr`.
    **settings
        Single fields of `DenoiseConfig`, for example ``dtype="float32"``.

    Returns
    -------
    ndarray or list of ndarray
        Same shape as the image, and its dtype unless asked otherwise. NaN and infinite pixels
        stay where they were.

    Raises
    ------
    UserError
        One sentence on what is wrong.
    """
    config = DenoiseConfig.of(config, **settings)
    model = model if isinstance(model, Denoiser) else load(model)
    if isinstance(image, (list, tuple)):
        return [denoise(i, model, config, axes=axes, progress=progress) for i in image]
    planes = _array_planes(image, axes)
    dtype = np.dtype(np.float32 if config.dtype == "float32" else image.dtype)
    out = planes.new_output(dtype.newbyteorder("="))
    with listener(progress) as listen:
        done = run(
            _denoise.denoise(
                model,
                planes,
                lambda plane, place, tile: planes.write(out, plane, place, tile),
                config,
            ),
            listen,
        )
    if not done:
        raise KeyboardInterrupt
    return out


def load(path: str | PathLike[str]) -> Denoiser:
    """Read a model file `*.aprrd`. Opening it executes nothing.

    Raises
    ------
    UserError
        If the file is missing, foreign, truncated, damaged or from a newer version.
    """
    return model_file.load(path)


def as_planes(images: Any, axes: str | None = None) -> JoinedPlanes:
    """Turn an array or a list of arrays into lazily read planes."""
    several = isinstance(images, Sequence) and not hasattr(images, "dtype")
    return JoinedPlanes([_array_planes(image, axes) for image in (images if several else [images])])


def _array_planes(image: Any, axes: str | None) -> ArrayPlanes:
    if isinstance(image, (str, PathLike)):
        raise UserError(f"An image must be an array, got a path; read {image} first.")
    check_array(image)
    return ArrayPlanes(image, infer_axes(image.shape, axes))
