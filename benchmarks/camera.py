"""Photographs: this method trained on the noisy ones alone against its peers."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import peers
import skimage.data
import tifffile
from numpy.typing import NDArray

import napari_aprrd as aprrd
from napari_aprrd.core.model.published import import_checkpoint
from napari_aprrd.metrics import to_uint8

Method = Callable[[NDArray[Any]], NDArray[Any]]
_STUDENTS_STEPS = 4  # for each step of the teacher
OURS = "napari-aprrd, from the starting weights"
OTHERS = ("astronaut", "chelsea", "coffee", "rocket")  # photographs that scikit-image has


def camera_methods(options: argparse.Namespace) -> dict[str, Callable[[], dict[str, Any]]]:
    """For each method that is there, what measures its mean scores over the photographs."""
    path = options.data / "polyu" / "camera_rgb_noisy.tif"
    noisy = tifffile.imread(path)
    reference = tifffile.imread(path.with_name("camera_rgb_reference.tif"))
    methods: dict[str, Method] = {
        "noisy": lambda y: y,
        "non-local means": partial(_each, peers.nlm),
        "published student (SIDD)": partial(_published, options.published),
        OURS: partial(_learnt, options.camera_steps, ()),
        "the same, and from 4 of scikit-image": partial(_learnt, options.camera_steps, OTHERS),
        "napari-aprrd, from scratch": partial(_learnt, options.camera_steps, (), start="scratch"),
        "BM3D": partial(_each, peers.bm3d),
    }
    missing = {"BM3D"} if find_spec("bm3d") is None else set()
    missing |= {"published student (SIDD)"} if options.published is None else set()
    return {
        name: partial(_judge, method, noisy, reference)
        for name, method in methods.items()
        if name not in missing
    }


def _each(method: Callable[[NDArray[Any], float], NDArray[Any]], noisy: NDArray[Any]) -> Any:
    return np.stack([method(image.astype(np.float32), 0.0) for image in noisy])


def _published(checkpoint: Path, noisy: NDArray[Any]) -> Any:
    return aprrd.denoise(noisy, import_checkpoint(checkpoint), axes="IYXS", progress=False)


def _learnt(steps: int, others: tuple[str, ...], noisy: NDArray[Any], **start: Any) -> Any:
    """One model for all photographs, from their noisy pixels and those of others alone."""
    images = [*noisy, *(getattr(skimage.data, name)() for name in others)]
    shared: dict[str, Any] = {"axes": "YXS", "progress": False, **start}
    teacher = aprrd.train_apr(images, steps=steps, **shared)
    student = aprrd.distill_rd(teacher, images, steps=_STUDENTS_STEPS * steps, **shared)
    return aprrd.denoise(noisy, student, axes="IYXS", progress=False)


def _judge(method: Method, noisy: NDArray[Any], reference: NDArray[Any]) -> dict[str, Any]:
    begun = time.perf_counter()
    images = method(noisy)
    seconds = time.perf_counter() - begun
    rows = [
        aprrd.evaluate(to_uint8(x), r, data_range=255, rgb=True)
        for x, r in zip(images, reference, strict=True)
    ]
    names = ("psnr", "psnr_fitted", "ssim")
    means = {name: float(np.mean([getattr(row, name) for row in rows])) for name in names}
    return {**means, "seconds": seconds, "each": [row.psnr for row in rows]}
