"""Previews of what a network has learnt so far, between the reports of its training."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...core.config import DenoiseConfig
from ...core.data.planes import Image, Planes
from ...core.data.scaling import Calibration
from ...core.jobs import Job, Progress

if TYPE_CHECKING:
    from ...core.model.denoiser import Denoiser

# Chosen, not measured.
EVERY = 3.0  # seconds between previews, at least
SHARE = 0.1  # largest share of the time that previews may take from training


@dataclass(frozen=True)
class View:
    """A window of a plane to preview."""

    planes: Planes
    plane: int
    rows: slice
    columns: slice

    def read(self) -> Image:
        """(C, h, w), float32."""
        return self.planes.read(self.plane, self.rows, self.columns)


@dataclass(frozen=True)
class Preview:
    """A view, denoised with the weights so far: (C, h, w), float32."""

    view: View
    image: Image


def with_preview(job: Job[Any], view: Callable[[], View | None]) -> Generator[Any, Any, Any]:
    """Pass on a job's reports; every few seconds add a `Preview` of what `view` returns."""
    answer, due = None, time.perf_counter() + 1.0
    try:
        while True:
            try:
                progress = job.send(answer)
            except StopIteration as end:
                return end.value
            answer = yield progress
            start = time.perf_counter()
            wanted = view() if start >= due and answer is None else None
            if wanted is None or not isinstance(progress, Progress) or not progress.snapshot:
                continue
            denoiser = progress.snapshot()
            answer = yield Preview(wanted, _quick_preview(denoiser, wanted))
            spent = time.perf_counter() - start
            due = time.perf_counter() + max(EVERY, spent / SHARE)
    finally:
        job.close()


def _quick_preview(denoiser: Denoiser, view: View) -> Image:
    """Denoise quickly, at one shift and with the brightness of the noisy image."""
    denoiser.calibration = None
    seen = replace(view, planes=denoiser.stacked(view.planes)).read()
    image = denoiser.predict(seen, DenoiseConfig(shifts=(2,)))
    noisy = seen[: denoiser.channels]
    flat = (noisy.reshape(len(noisy), -1), image.reshape(len(image), -1))
    return Calibration.measure(*flat).apply(image)
