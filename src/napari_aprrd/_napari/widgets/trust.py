"""The trust report in napari: sentences, plots, and buttons that show maps as layers."""

from __future__ import annotations

from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QLabel, QPushButton

from ...core.errors import UserError
from ...layers import KEY, identity, layer_planes
from ..docks import settle
from ..layers.choice import is_result, results_of, source_of
from ..layers.maps import maps_of
from ..work.workers import Failure, Task
from .common.heading import Heading
from .common.scrolled import Scrolled
from .files.breakable import breakable
from .plots.map_buttons import MapButtons
from .plots.trust_plots import TrustPlots

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from ...core.trust.report import TrustReport
    from ...core.trust.verdicts import Verdict

# Legible on napari's dark and on its light background.
_MARKS = {"good": ("✓", "#148c5f"), "warn": ("!", "#c87300"), "bad": ("✗", "#e0533d")}
_SELECT = "Select a denoised layer, or the image that it was made of."
_UNCHECKED = "Not checked yet."


class TrustWidget(Scrolled):
    """Shows whether the selected denoised layer can be trusted."""

    def __init__(self, napari_viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.result: Image | None = None  # the layer that is shown
        self.task: Task | None = None
        self._checking = ""  # identity of the layer that is being checked
        self._next: Image | None = None  # to be checked after it
        self._found: dict[str, TrustReport | str] = {}  # of each layer; or why there is none
        self.button = QPushButton("Check result")
        self.button.setToolTip("Compare the selected denoised layer with its source.")
        self.button.clicked.connect(self.check)
        self.headline, self.text = QLabel(), QLabel()
        self.maps, self.plots = MapButtons(napari_viewer), TrustPlots()
        for label in (self.headline, self.text):
            label.setWordWrap(True)
        for widget in (
            Heading("Trust report", "trust/"), self.headline, self.button, self.text, self.maps,
            self.plots,
        ):  # fmt: skip
            self.content.addWidget(widget)
        self.content.addStretch()
        self._follow_viewer()
        self.follow()
        settle(self, "Trust report")

    @property
    def report(self) -> TrustReport | None:
        """The report that is shown."""
        found = self._found.get(identity(self.result)) if self.result is not None else None
        return None if isinstance(found, str) else found

    def _follow_viewer(self) -> None:
        layers, selection = self.viewer.layers.events, self.viewer.layers.selection.events
        for event in (selection.changed, layers.removed, layers.renamed):
            event.connect(self.follow)
            self.destroyed.connect(lambda _, event=event: event.disconnect(self.follow))

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer's list of layers; napari calls it."""
        self.follow()

    def follow(self, *_: object) -> None:
        """Show what is known of the selected denoised layer, or still of the one before."""
        if self.result is not None and self.result not in self.viewer.layers:
            self.result = None
        self._show(self._selected() or self.result)

    def _selected(self) -> Image | None:
        """The denoised layer that is selected itself, or by its source or by one of its maps."""
        layers: list[Any] = list(self.viewer.layers)
        chosen = [layer for layer in reversed(layers) if layer in self.viewer.layers.selection]
        own = (layer for layer in chosen if is_result(layer))
        made = (result for layer in chosen for result in reversed(results_of(self.viewer, layer)))
        results = filter(is_result, layers)
        shown = (r for r in results if any(layer in chosen for layer in maps_of(self.viewer, r)))
        return next(chain(own, made, shown), None)

    def check(self, *_: object) -> None:
        """Compare the selected denoised layer with its source, in the background."""
        result = self._selected() or self.result
        if result is not None:
            self.check_layer(result)
        else:
            self._show(None)

    def check_layer(self, result: Image) -> None:
        """Compare a denoised layer with its source, in the background."""
        if self.task is not None:
            self._next = result
            return
        from ...report.trust_report import report_on

        try:
            source = self._source_of(result)
            noisy, clean = (layer_planes(layer) for layer in (source, result))
        except UserError as error:
            self._found[identity(result)] = str(error)
        else:
            self._checking = identity(result)
            self._watch(source, result)
            record = result.metadata.get(KEY)
            self.task = Task(
                lambda: report_on(noisy, clean, record=record), self._on_done, owner=self
            )
        self._show(result)

    def _source_of(self, result: Image) -> Image:
        source = source_of(self.viewer, result)
        if source is None:
            what = "the image that it was made of is not in the layer list"
            raise UserError(f"{result.name!r} cannot be checked: {what}.")
        return source

    def _watch(self, *layers: Image) -> None:
        """Forget the report when one of the layers gets other pixels."""
        for layer in layers:
            event = layer.events.data
            event.disconnect(self._on_data)
            event.connect(self._on_data)
            self.destroyed.connect(lambda _, event=event: event.disconnect(self._on_data))

    def _on_data(self, event: Any) -> None:
        for layer in (event.source, *results_of(self.viewer, event.source)):
            self._found.pop(identity(layer), None)
        self.follow()

    def _on_done(self, report: Any) -> None:
        self.task = None
        failed = isinstance(report, Failure)
        self._found[self._checking] = str(report.error) if failed else report
        self._checking, result = "", self._next
        self.follow()
        self._next = None
        if result is not None and result in self.viewer.layers:
            self.check_layer(result)

    def _show(self, result: Image | None) -> None:
        """Show the report on a layer, or why there is none."""
        self.result = result
        self.button.setEnabled(result is not None)
        self.headline.setText(_SELECT if result is None else self._title(result))
        found = self._state(result)
        for widget in (self.maps, self.plots):
            widget.setVisible(not isinstance(found, str))
        if isinstance(found, str):
            self.text.setText(escape(breakable(found)))
        else:
            self.text.setText("".join(map(_paragraph, found.verdicts)))
            self.plots.show_report(found)
            self.maps.of(result, found.noise.sigma)

    def _state(self, result: Image | None) -> TrustReport | str:
        if result is None:
            return ""
        known = identity(result)
        return "Checking…" if known == self._checking else self._found.get(known, _UNCHECKED)

    def _title(self, result: Image) -> str:
        source = source_of(self.viewer, result)
        other = "" if source is None else f", compared with {_bold(source.name)}"
        return f"{_bold(result.name)}{other}"


def _bold(name: str) -> str:
    return f"<b>{escape(breakable(name))}</b>"


def _paragraph(verdict: Verdict) -> str:
    sign, shade = _MARKS[verdict.status]
    mark = f'<span style="color:{shade}; font-weight:bold">{sign}</span>'
    return f"<p>{mark} <b>{verdict.check}.</b> {escape(verdict.sentence)}</p>"
