"""One line on what will happen: how soon there is something to see, and how soon the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QWidget

from ...preferences import default_device
from ...work.workers import Failure
from ..common.latest import Latest
from ..common.words import duration

if TYPE_CHECKING:
    from ....axes import ArrayPlanes
    from ....core.model.denoiser import Denoiser


class Outlook(QLabel):
    """Shows the time that is known at once; this computer's speed follows, measured in a thread.

    Attributes
    ----------
    seconds : float
        That denoising will take after the learning, as far as known.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setToolTip("The device is chosen in napari's Preferences, below Plugin Preferences.")
        self.seconds = 0.0
        self._minutes, self._count = 0.0, 1
        self._latest = Latest(self._on_done, self)

    def of(
        self,
        planes: ArrayPlanes,
        minutes: float,
        model: Denoiser | None,
        *,
        whole: bool = True,
        count: int = 1,
    ) -> None:
        """Say how long it takes.

        Parameters
        ----------
        planes : ArrayPlanes
        minutes : float
            Of learning.
        model : Denoiser or None
            That is there already.
        whole : bool
            Whether all planes are denoised, or (a part of) one.
        count : int
            How many such layers are denoised one after the other.
        """
        self._minutes, self._count = minutes, count
        sizes = planes.sizes if whole else planes.sizes[:1]
        # Channels have a network each, and the default model of an estimate has one channel.
        each = planes.channels if model is None else 1
        pixels = each * sum(height * width for height, width in sizes)
        self._say("")
        self._latest.do(lambda: _measured(model, pixels))

    def say(self, text: str) -> None:
        """Show a text instead."""
        self._latest.drop()
        self.setText(text)

    def _on_done(self, result: Any) -> None:
        if not isinstance(result, Failure):  # the job itself says what is wrong
            device, self.seconds = result
            self._say(f" on this computer ({device})")

    def _say(self, where: str) -> None:
        total = duration(max(self._count * (60 * self._minutes + self.seconds), 1))
        last = "result" if self._count == 1 else f"{self._count} results"
        if self._minutes:
            models = "" if self._count == 1 else " Each layer gets a model of its own."
            self.setText(f"First look in about 1 s, {last} in about {total}{where}.{models}")
        elif where:
            self.setText(f"{last.capitalize()} in about {total}{where}.")
        else:
            self.setText("Estimating the time…")


def _measured(model: Denoiser | None, pixels: int) -> tuple[str, float]:
    from ....core.training.estimate import denoise_seconds, describe_device

    device = default_device()
    return describe_device(device), denoise_seconds(model, pixels, device=device)
