"""Two platforms learn the same, within a tolerance: the numbers are what one of them learnt."""

from __future__ import annotations

import numpy as np

from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.config import DistillConfig, TrainConfig
from napari_aprrd.core.data.synthetic import noisy_cells
from napari_aprrd.core.training.distill import distill
from napari_aprrd.core.training.train import train

from ..makers import drive

SETTINGS = {
    **{"steps": 40, "width": 8, "depth": 2, "precision": "float32", "device": "cpu"},
    "start": "scratch",
}
# Linux, x86-64 with AVX-512, PyTorch 2.13, two threads. One thread, AVX2 and SSE4.1 differ from
# these by 0.023 of the image's standard deviation at most.
TEACHER = [
    *(417.1, 269.0, 173.7, 174.2, 239.8, 189.4, 164.1, 172.5),
    *(291.0, 252.3, 220.7, 224.8, 199.0, 201.2, 191.9, 163.0),
]
STUDENT = [
    *(427.2, 264.6, 172.1, 174.1, 214.0, 185.0, 169.2, 168.8),
    *(324.3, 239.0, 208.9, 210.3, 201.0, 201.4, 189.1, 166.7),
]
TOLERANCE = 0.05  # of the image's standard deviation


def test_this_platform_learns_what_another_one_learnt() -> None:
    noisy, _ = noisy_cells((96, 96), kind="blobby")
    planes = ArrayPlanes(noisy, "YX")
    teacher = drive(train(planes, TrainConfig(**SETTINGS)))[0]
    student = drive(distill(teacher, planes, DistillConfig(**SETTINGS)))[0]
    image = planes.read(0, slice(0, 96), slice(0, 96))
    for model, expected in ((teacher, TEACHER), (student, STUDENT)):
        found = model.predict(image)[0, 12::24, 12::24].ravel()
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * noisy.std())
