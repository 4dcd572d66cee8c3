"""Train, distil, score and submit on a data set, as the paper does."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..api import denoise
from ..axes import ArrayPlanes, JoinedPlanes
from ..core.config import DenoiseConfig, DistillConfig, TrainConfig
from ..core.errors import DataWarning
from ..core.jobs import run
from ..core.model.denoiser import Denoiser
from ..core.training.distill import distill
from ..core.training.train import train
from ..metrics import Scores, evaluate, mean_scores, to_uint8
from ..progress_bar import Listen
from .sample import DataSet, Denoise, Sample

# As in the published code: intensities are not corrected, and the teacher has shift 1.
STUDENT = DenoiseConfig(calibrate=False, dtype="float32")
TEACHER = DenoiseConfig.of(STUDENT, shifts=(1,))
TEACHER_FILE, STUDENT_FILE = "teacher.aprrd", "student.aprrd"  # file names of the models


def learn(
    data: DataSet, out: Path, configs: tuple[TrainConfig, DistillConfig], listen: Listen
) -> dict[str, Denoiser]:
    """Train and distil on a data set's noisy images.

    Parameters
    ----------
    data : DataSet
    out : Path
        Folder for teacher.aprrd and student.aprrd.
    configs : tuple of TrainConfig and DistillConfig
    listen : callable
        Gets each `Progress`.

    Returns
    -------
    dict of str to Denoiser
        "teacher" and "student"; only the teacher if its training was stopped.
    """
    with _on_disk(data.training(), out) as planes:
        teacher = run(train(planes, configs[0]), listen)
        teacher.save(out / TEACHER_FILE)
        if teacher.record["train"]["stopped"]:
            return {"teacher": teacher}
        student = run(distill(teacher, planes, configs[1]), listen)
        student.save(out / STUDENT_FILE)
    return {"teacher": teacher, "student": student}


def score(
    data: DataSet, models: dict[str, Denoiser], tell: Callable[[str], Any] = lambda _: None
) -> dict[str, Scores]:
    """Compute mean scores over a data set's pairs, of the noisy images and of each model.

    Parameters
    ----------
    data : DataSet
    models : dict of str to Denoiser
    tell : callable
        Gets a line for each image.

    Returns
    -------
    dict of str to Scores
        Scores of "noisy" and of each model; empty if there are no pairs.
    """
    rows: dict[str, list[Scores]] = {}
    for sample in data.scored():
        outputs = {"noisy": sample.noisy}
        outputs |= {name: denoiser_of(m, sample.axes)(sample.noisy) for name, m in models.items()}
        found = {name: _judge(output, sample) for name, output in outputs.items()}
        for name, scores in found.items():
            rows.setdefault(name, []).append(scores)
        figures = ", ".join(f"{name} {scores.psnr:.2f} dB" for name, scores in found.items())
        tell(f"{sample.name}: {figures}")
    return {name: mean_scores(each) for name, each in rows.items()}


def denoiser_of(model: Denoiser, axes: str = "YXS") -> Denoise:
    """Make a function that denoises an image as the paper does."""
    config = TEACHER if model.is_teacher else STUDENT

    def apply(image: NDArray[Any]) -> NDArray[np.float32]:
        with warnings.catch_warnings():
            # Single blocks of a data set may be much darker or brighter than its average.
            warnings.simplefilter("ignore", DataWarning)
            return np.asarray(denoise(image, model, config, axes=axes, progress=False))

    return apply


def _judge(output: NDArray[Any], sample: Sample) -> Scores:
    """Score an output; 8-bit images are scored in 8 bits with a peak of 255."""
    assert sample.reference is not None
    if sample.reference.dtype == np.uint8:
        output = to_uint8(output)
    return evaluate(output, sample.reference, rgb=sample.axes.endswith("S"))


@contextmanager
def _on_disk(samples: Iterable[Sample], out: Path) -> Iterator[JoinedPlanes]:
    """Store images as NPY files and read windows of them, so that they need not fit into memory."""
    with tempfile.TemporaryDirectory(dir=out, ignore_cleanup_errors=True) as folder:
        planes = []
        for number, sample in enumerate(samples):
            path = Path(folder) / f"{number}.npy"
            np.save(path, sample.noisy)
            planes.append(ArrayPlanes(np.load(path, mmap_mode="r"), sample.axes))
        yield JoinedPlanes(planes)
