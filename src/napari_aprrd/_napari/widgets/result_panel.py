"""What can be done with a result: compare, keep, try longer, undo, save, check, cite."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from ..compare import Comparison

_BUTTONS = {
    "whole": (
        "Apply to everything",
        "Denoise the whole image with what was learnt from this part.",
    ),
    "keep": ("Keep", "Done: leave the result in the layer list."),
    "longer": ("Try longer", "Learn anew for four times as long."),
    "undo": ("Undo", "Remove the result and forget what was learnt for it."),
    "save": ("Save result…", "Write the result to a file with its pixel size and how it was made."),
    "save_model": ("Save model…", "Write the model to a file, to use it on other images."),
    "check": ("Check result", "Was anything but noise removed? Opens the trust report."),
    "methods": ("Copy methods text", "Copy a paragraph on how it was made, for your paper."),
}


class ResultPanel(QWidget):
    """Shown when there is a result.

    Attributes
    ----------
    buttons : dict of QPushButton
        The owner connects them; "whole" is for a result of a part.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._comparisons: list[Comparison] = []
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.hold = QPushButton("Hold to see before")
        self.hold.setToolTip("As long as you press it, your image is shown instead of the result.")
        self.split = QLabel("Split")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("Pull it to the right to see your image beside the result.")
        self.slider.setAccessibleName("Split between before and after")
        self.buttons = {}
        for name, (title, tip) in _BUTTONS.items():
            self.buttons[name] = button = QPushButton(title)
            button.setToolTip(tip)
        self.hold.pressed.connect(lambda: self._on_hold(True))
        self.hold.released.connect(lambda: self._on_hold(False))
        self.slider.valueChanged.connect(self._on_split)
        self._arrange()
        self.hide()

    def _arrange(self) -> None:
        rows = [["whole"], ["keep", "longer", "undo"], ["save", "save_model"], ["check", "methods"]]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.text, self.hold):
            layout.addWidget(widget)
        split = QHBoxLayout()
        split.addWidget(self.split)
        split.addWidget(self.slider, 1)
        layout.addLayout(split)
        for names in rows:
            grid = QGridLayout()
            for column, name in enumerate(names):
                grid.addWidget(self.buttons[name], 0, column)
            layout.addLayout(grid)

    def show_result(self, text: str, comparisons: list[Comparison], *, part: bool) -> None:
        """Show what can be done with results.

        Parameters
        ----------
        text : str
            What was made.
        comparisons : list of Comparison
            One for each result.
        part : bool
            Whether it is the result of a part of the image.
        """
        self.clear()
        self._comparisons = comparisons
        self.text.setText(text)
        self.buttons["whole"].setVisible(part)
        self.buttons["check"].setVisible(not part)
        for widget in (self.split, self.slider):
            widget.setVisible(len(comparisons) == 1)
        self.show()

    def clear(self) -> None:
        """Show nothing, and end the comparison."""
        self.slider.setValue(0)
        for comparison in self._comparisons:
            comparison.close()
        self._comparisons = []
        self.hide()

    def _on_hold(self, before: bool) -> None:
        for comparison in self._comparisons:
            comparison.hold(before)

    def _on_split(self, value: int) -> None:
        for comparison in self._comparisons:
            comparison.split(value / max(self.slider.maximum(), 1))
