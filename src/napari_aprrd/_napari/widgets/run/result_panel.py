"""What can be done with a result: compare, keep, try longer, undo, save, check, cite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from ... import commands
from ...models.session import session
from ...work.saving import save_layers
from ..models import actions as model_actions
from ..models.actions import told

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...layers.compare import Comparison
    from ...work.denoise_turns import Outcome

_SPLIT = "Pull it to the right to see your image beside the result."
_NO_SPLIT = "A split needs the flat view of rows and columns, and an image in memory."
COPY = "Copy methods text"
_ROWS = (
    {"whole": ("Apply to everything", "Denoise the whole image with the model of this part.")},
    {
        "keep": ("Keep", "Done: leave the result in the layer list."),
        "longer": ("Try longer", "Learn anew for four times as long."),
        "undo": ("Undo", "Remove the result and forget what was learnt for it."),
    },
    {
        "save": ("Save result…", "Write a file with the pixel size and how it was made."),
        "save_model": ("Save model…", "Write the model to a file, to use it on other images."),
    },
    {
        "check": ("Check result", "Was anything but noise removed? Opens the trust report."),
        "methods": (COPY, "Copy a paragraph on how it was made, for your paper."),
    },
)


class ResultPanel(QWidget):
    """Shown when there are results, one for each layer that was denoised.

    Parameters
    ----------
    viewer : ViewerModel

    Attributes
    ----------
    closed : Signal
        The user keeps the result, or has undone it.
    buttons : dict of QPushButton
        "whole" and "longer" are the owner's to connect.
    """

    closed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._outcomes: Sequence[Outcome] = ()
        self._last: tuple[Sequence[Outcome], str, str] = ((), "", "")
        self._comparisons: list[Comparison] = []
        self.text, self.split = QLabel(), QLabel("Split")
        self.text.setWordWrap(True)
        self.hold = QPushButton("Hold to see before")
        self.hold.setToolTip("As long as you press it, your image is shown instead of the result.")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Split between before and after")
        self.buttons: dict[str, QPushButton] = {}
        self._arrange()
        self._connect()
        self.hide()

    def _arrange(self) -> None:
        layout, split = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addWidget(self.hold)
        split.addWidget(self.split)
        split.addWidget(self.slider, 1)
        layout.addLayout(split)
        for row in _ROWS:
            line = QHBoxLayout()
            for name, (title, tip) in row.items():
                self.buttons[name] = button = QPushButton(title)
                button.setToolTip(tip)
                line.addWidget(button)
            layout.addLayout(line)

    def _connect(self) -> None:
        self.hold.pressed.connect(lambda: self._on_hold(True))
        self.hold.released.connect(lambda: self._on_hold(False))
        self.slider.valueChanged.connect(self._on_split)
        self.buttons["keep"].clicked.connect(self._on_keep)
        self.buttons["undo"].clicked.connect(self._on_undo)
        self.buttons["save"].clicked.connect(self._on_save)
        self.buttons["save_model"].clicked.connect(self._on_save_model)
        self.buttons["check"].clicked.connect(self._on_check)
        self.buttons["methods"].clicked.connect(self._on_methods)
        for change in (self._viewer.dims.events.ndisplay, self._viewer.dims.events.order):
            change.connect(self._allow_split)
            self.destroyed.connect(lambda _, change=change: change.disconnect(self._allow_split))

    @property
    def outcomes(self) -> list[Outcome]:
        """What is shown, as far as the layers are still there."""
        return [outcome for outcome in self._outcomes if outcome.result in self._viewer.layers]

    def show_outcomes(self, outcomes: Sequence[Outcome], took: str, said: str) -> None:
        """Show what can be done with results.

        Parameters
        ----------
        outcomes : sequence of Outcome
        took : str
            How long it took.
        said : str
            What the user must know of it; empty if nothing.
        """
        self.clear()
        self._outcomes, self._last = outcomes, (outcomes, took, said)
        self._comparisons = [outcome.comparison(self._viewer) for outcome in outcomes]
        done = f"Done in {took}: {', '.join(outcome.result.name for outcome in outcomes)}."
        self.text.setText("\n".join(filter(None, (done, said))))
        is_part = outcomes[0].turn.scope != "everything"
        self.buttons["whole"].setVisible(is_part)
        self.buttons["longer"].setVisible(bool(outcomes[0].made))  # where something was learnt
        self.buttons["check"].setVisible(not is_part)
        self.buttons["methods"].setText(COPY)
        for widget in (self.split, self.slider):
            widget.setVisible(len(outcomes) == 1)
        self._allow_split()
        self.show()

    def _allow_split(self, event: object = None) -> None:
        can = all(comparison.can_split for comparison in self._comparisons)
        self.slider.setEnabled(can)
        self.slider.setToolTip(_SPLIT if can else _NO_SPLIT)

    def show_again(self) -> bool:
        """Show the results that were shown last, unless they are gone or were kept; whether so."""
        outcomes, took, said = self._last
        there = [outcome for outcome in outcomes if outcome.result in self._viewer.layers]
        if there:
            self.show_outcomes(there, took, said)
        return bool(there)

    def clear(self) -> None:
        """Show nothing, and end the comparison."""
        self.slider.setValue(0)
        for comparison in self._comparisons:
            comparison.close()
        self._comparisons, self._outcomes = [], ()
        self.hide()

    def _on_hold(self, before: bool) -> None:
        for comparison in self._comparisons:
            comparison.hold(before)

    def _on_split(self, value: int) -> None:
        for comparison in self._comparisons:
            comparison.split(value / max(self.slider.maximum(), 1))

    def _on_keep(self) -> None:
        self._forget()
        self.closed.emit()

    def _forget(self) -> None:
        self.clear()
        self._last = ((), "", "")

    def _on_undo(self) -> None:
        outcomes = self.outcomes
        self._forget()
        for outcome in outcomes:
            outcome.undo(self._viewer)
        self.closed.emit()

    def _on_save(self) -> None:
        save_layers(self, [outcome.result for outcome in self.outcomes])

    def _on_save_model(self) -> None:
        for outcome in self.outcomes:
            if outcome.model in session:
                session.choose(outcome.model)
                told(lambda: model_actions.save(self))

    def _on_check(self) -> None:
        for outcome in self.outcomes[:1]:
            report: Any = commands.open_widget(self._viewer, "Trust report")
            report.check_layer(outcome.result)

    def _on_methods(self) -> None:
        told(self._copy_methods)

    def _copy_methods(self) -> None:
        from ....api import methods

        texts = dict.fromkeys(methods(outcome.result) for outcome in self.outcomes)
        QApplication.clipboard().setText("\n\n".join(texts))
        self.buttons["methods"].setText("Copied")
