"""Progress bars in terminals and notebooks, and in the activity dock inside napari."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from .core.jobs import BAR
from .core.jobs import Progress as JobProgress

Listen = Callable[[JobProgress], Any]


class _Numbers(ProgressColumn):
    """Column with the loss, if there is one, and the speed."""

    def render(self, task: Task) -> Text:
        loss, speed = task.fields.get("loss"), task.fields.get("speed", 0.0)
        parts = [f"loss {loss:.4f}"] if loss is not None else []
        return Text("  ".join([*parts, f"{speed:.1f}/s"]), style="cyan")


@contextmanager
def progress_bar(progress: bool | Listen) -> Iterator[Listen]:
    """Give a function to call with each `Progress` of a job.

    Parameters
    ----------
    progress : bool or callable
        True shows a bar, False nothing; a function is passed through.
    """
    if progress is not True:
        yield progress if callable(progress) else lambda _: None
        return
    if _in_napari():
        with _activity() as listen:
            yield listen
        return
    bars: dict[str, Any] = {}
    reached: dict[str, int] = {}  # step of each stage
    latest = [""]  # stage
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}"),
        _Numbers(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:

        def listen(p: JobProgress) -> None:
            again = p.stage != latest[0] and p.step < reached.get(p.stage, 0)
            if p.stage not in bars or again:  # of a second job: another bar
                bars[p.stage], reached[p.stage] = bar.add_task(p.stage), 0
            # A training that goes back to an earlier step does not move its bar back.
            latest[0], reached[p.stage] = p.stage, max(p.step, reached[p.stage])
            bar.update(
                bars[p.stage],
                completed=reached[p.stage],
                total=p.total,
                loss=p.loss,
                speed=p.speed,
            )
            if p.note:
                bar.console.print(p.note)

        yield listen


def keep_window_live() -> None:
    """Keep napari's window, if there is one, responsive while the main thread is busy."""
    if _in_napari():
        from qtpy.QtWidgets import QApplication

        QApplication.processEvents()


def _in_napari() -> bool:
    """True in the main thread of a running napari; never imports napari itself."""
    napari = sys.modules.get("napari")
    in_main_thread = threading.current_thread() is threading.main_thread()
    return bool(napari and in_main_thread and napari.current_viewer())


@contextmanager
def _activity() -> Iterator[Listen]:
    from napari.utils import progress

    bar = progress(total=BAR, desc="napari-aprrd")

    def listen(p: JobProgress) -> None:
        bar.set_description(p.stage)
        bar.update(round(BAR * p.fraction) - bar.n)
        keep_window_live()

    try:
        yield listen
    finally:
        bar.close()
