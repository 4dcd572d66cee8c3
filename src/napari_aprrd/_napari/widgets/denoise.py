"""The widget "Denoise": one button that learns from a layer and denoises it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QSizePolicy

from ...core.config import MOST_NEIGHBOURS
from ...core.errors import UserError
from ...layers import layer_planes
from .. import commands
from ..docks import settle
from ..layers.choice import meant_together
from ..layers.parts import Scope
from ..models.choice import why_unfit
from ..models.session import session
from ..work.denoise_turns import Turn, Turns
from .common.folded import Folded
from .common.heading import Heading
from .common.scrolled import Scrolled
from .common.words import duration
from .images.first_look import FirstLook
from .images.layer_picker import LayerPicker
from .models.model_list import ModelList
from .run.outlook import Outlook
from .run.result_panel import ResultPanel
from .run.run_panel import RunPanel
from .run.start_button import StartButton
from .run.time_picker import EffortPicker

if TYPE_CHECKING:
    import napari

SCOPES: dict[str, Scope] = {
    "Everything": "everything",
    "Plane on screen": "plane",
    "Region on screen": "region",
}
_PART = (
    "Try a part first: it is quick, and can then be applied to all. In a stack, up to "
    f"{MOST_NEIGHBOURS} planes on either side of it are learnt from as well."
)
LEARN = "Learn from this image"
_MODEL = "Learn anew, or use the model that is selected under Models."
LONGER = 4  # times as long as before, for "Try longer"; chosen, not measured


class DenoiseWidget(Scrolled):
    """Learn from a layer, denoise it, compare, keep or undo, save."""

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.picker = LayerPicker(napari_viewer, compact=True)
        self.together, self.scope, self.model = QCheckBox(), QComboBox(), QComboBox()
        self.effort, self.outlook = EffortPicker(), Outlook()
        self.start = StartButton("Denoise", "Learn what is noise in this image, and remove it.")
        self.first_look, self.panel = FirstLook(napari_viewer), RunPanel()
        self.result, self.models = ResultPanel(napari_viewer), ModelList()
        self.turns: Turns | None = None
        self._fill()
        self._arrange()
        self._connect()
        self.reset_choices()
        settle(self, "Denoise", lambda: self.panel.run is not None)

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer's list of layers."""
        self.picker.reset_choices()
        self._on_changed()

    def _fill(self) -> None:
        self.scope.addItems(list(SCOPES))
        self.scope.setToolTip(_PART)
        for choice in (self.scope, self.model):
            choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            choice.setMinimumContentsLength(8)
            choice.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )

    def _arrange(self) -> None:
        for label, widget in (
            ("Part", self.scope), ("Model", self.model), ("Effort", self.effort),
        ):  # fmt: skip
            self.picker.add_row(label, widget)
        models = Folded("Models", self.models, "All models of this session, and saved ones.")
        self.content.addWidget(Heading("Denoise", "tutorials/denoise/"))
        self.content.addWidget(self.picker)
        self.content.addWidget(self.together)
        for widget in (
            self.outlook, self.start, self.panel, self.result, self.first_look, models,
        ):  # fmt: skip
            self.content.addWidget(widget)
        self.content.addStretch()

    def _connect(self) -> None:
        self.picker.changed.connect(self._on_changed)
        self.scope.currentTextChanged.connect(self._on_changed)
        self.model.currentTextChanged.connect(self._on_changed)
        self.effort.changed.connect(self._on_changed)
        self.together.toggled.connect(self._on_changed)
        selected = self.viewer.layers.selection.events.changed
        selected.connect(self._follow)
        self.destroyed.connect(lambda: selected.disconnect(self._follow))
        self.models.chooser.itemClicked.connect(self._on_model_clicked)
        self.start.clicked.connect(self._on_start)
        self.panel.failed.connect(self.start.fail)
        self.panel.idle.connect(self._on_idle)
        session.changed.connect(self._follow)
        self.destroyed.connect(lambda: session.changed.disconnect(self._follow, missing_ok=True))
        self.result.buttons["whole"].clicked.connect(self._on_whole)
        self.result.buttons["longer"].clicked.connect(self._on_longer)
        self.result.closed.connect(self.first_look.show)

    # --- What is chosen -------------------------------------------------------------------------

    def layers(self) -> list[Any]:
        """The chosen layer, and those beside it where they are wanted too.

        Raises
        ------
        UserError
            If there is none.
        """
        (layer,) = self.picker.chosen()
        if self.together.isVisibleTo(self) and self.together.isChecked():
            return meant_together(self.viewer, layer)
        return [layer]

    def _on_changed(self, *_: object) -> None:
        """Say what will happen."""
        try:
            (layer,) = self.picker.chosen()
            planes = layer_planes(layer)
        except UserError as error:
            self.together.hide()
            self.first_look.of(None)
            self.outlook.say("")
            self.start.allow(str(error))
            return
        self._show_others(layer)
        self._show_models(layer)
        learns = self.model.currentText() == LEARN
        self.picker.show_row(self.effort, learns)
        self.first_look.of(layer)
        self.start.allow()
        model = None if learns else session[self.model.currentText()]
        minutes = self.effort.minutes if learns else 0.0
        whole = SCOPES[self.scope.currentText()] == "everything"
        self.outlook.of(planes, minutes, model, whole=whole, count=len(self.layers()))

    def _show_others(self, layer: Any) -> None:
        others = [la.name for la in meant_together(self.viewer, layer) if la is not layer]
        self.together.setVisible(bool(others))
        names = ", ".join(others)
        self.together.setText(f"Also {names}" if len(names) < 30 else f"Also {len(others)} others")
        self.together.setToolTip(
            f"One after the other: {names}. Each learns a model of its own; Train APR can learn "
            "one model from several layers."
        )

    def _show_models(self, layer: Any) -> None:
        """Offer the model that is chosen in the list below, where it fits."""
        name, learns = session.chosen, self.model.currentIndex() <= 0
        unfit = why_unfit(session[name], layer) if name else ""
        names = [LEARN, name] if name and not unfit else [LEARN]
        self.model.blockSignals(True)
        self.model.clear()
        self.model.addItems(names)
        self.model.setCurrentIndex(0 if learns else len(names) - 1)
        self.model.setToolTip(unfit or _MODEL)
        self.model.blockSignals(False)

    def _on_model_clicked(self, *_: object) -> None:
        """Use the model that the user has pointed at."""
        self.model.setCurrentIndex(self.model.count() - 1)

    def _follow(self, *_: object) -> None:
        if self.panel.run is None:
            self._on_changed()

    # --- The run ---------------------------------------------------------------------------------

    def _on_start(self) -> None:
        try:
            layers = self.layers()
            if not commands.is_meant(self.viewer, layers):
                return
            learns = self.model.currentText() == LEARN
            scope = SCOPES[self.scope.currentText()]
            self._run([Turn(layer, scope, None if learns else self.model.currentText())
                       for layer in layers])  # fmt: skip
        except UserError as error:
            self.start.fail(str(error))

    def _run(self, turns: list[Turn]) -> None:
        self.result.clear()
        self._started, self._said = time.monotonic(), ""
        self.turns = Turns(self.viewer, turns, self.effort.minutes, self.outlook.seconds)
        self._begin_next(self.turns)

    def _begin_next(self, turns: Turns) -> None:
        try:
            turns.begin(self.panel)
        except UserError as error:
            self.start.fail(str(error))

    def _on_idle(self, idle: bool) -> None:
        for widget in (self.picker, self.together):
            widget.setEnabled(idle)
        for part in (self.start, self.outlook):  # make room for the run
            part.setVisible(idle)
        self.first_look.hide()  # the run shows better ones
        if not idle or self.turns is None:
            return
        self._said = "\n".join(filter(None, (self._said, self.panel.warning.text())))
        if self.turns.is_going_on:
            self._begin_next(self.turns)
        elif self.turns.outcomes:
            took = duration(time.monotonic() - self._started)
            self.result.show_outcomes(self.turns.outcomes, took, self._said)
        elif not self.result.show_again():
            self.first_look.show()
        self._on_changed()

    def _on_whole(self) -> None:
        """The result of the part stays until that of the whole is there."""
        outcomes = self.result.outcomes
        self.scope.setCurrentText(next(iter(SCOPES)))
        self._run([Turn(o.turn.layer, "everything", o.model, o) for o in outcomes])

    def _on_longer(self) -> None:
        self.model.setCurrentText(LEARN)
        self.effort.choose_minutes(LONGER * self.effort.minutes)
        self._on_start()
