"""How files are denoised: with which model, where to, in which format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from ....core.errors import UserError
from ...models.session import session
from ...preferences import default_device, remember, remembered
from ...work.file_order import DECIMALS, FORMATS, Order
from ..run.time_picker import EffortPicker

LEARN = "Learn from these files first"
FOLDER = "denoised"  # of the outputs, beside the inputs
_FORMAT = "format of files"


class FileOptions(QWidget):
    """The choices for many files; the last format is remembered.

    Attributes
    ----------
    changed : Signal
        Emitted when the folder of the outputs is another one.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model, self.effort = QComboBox(), EffortPicker()
        self.each = QCheckBox("A model for each file")
        self.out, self.browse, self.format = QLineEdit(), QPushButton("…"), QComboBox()
        self.decimals, self.overwrite = QCheckBox(DECIMALS), QCheckBox("Replace what is there")
        self._suggested = ""
        self._fill()
        self._arrange()
        self.refresh()
        session.changed.connect(self.refresh)
        self.destroyed.connect(lambda: session.changed.disconnect(self.refresh, missing_ok=True))

    def _fill(self) -> None:
        self.format.addItems(list(FORMATS))
        self.format.setCurrentText(remembered(_FORMAT, next(iter(FORMATS))))
        for widget, tip in (
            (self.model, "A model of this session, or one that learns from these files first."),
            (self.each, "For files that are unlike each other; takes the time once for each."),
            (self.out, "Folder for the denoised files."),
            (self.browse, "Choose the folder for the denoised files."),
            (self.format, "Format of the denoised files. OME-TIFF keeps what the input says."),
            (self.decimals, "Write 32-bit numbers with decimals, whatever the input has."),
            (self.overwrite, "Denoise files again whose results are there; else they are left."),
        ):
            widget.setToolTip(tip)
        self.browse.setAccessibleName("Choose folder")
        for combo in (self.model, self.format):
            combo.setMinimumContentsLength(10)
            policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            combo.setSizeAdjustPolicy(policy)
        self.model.currentIndexChanged.connect(self._on_model)
        self.model.activated.connect(self._on_chosen)
        self.browse.clicked.connect(self._on_browse)
        self.out.textChanged.connect(self.changed)
        self.format.currentTextChanged.connect(lambda text: remember(_FORMAT, text))

    def _arrange(self) -> None:
        form, where = QFormLayout(self), QHBoxLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        where.addWidget(self.out, 1)
        where.addWidget(self.browse)
        self.out.setMinimumWidth(60)
        form.addRow("Model", self.model)
        form.addRow("Effort", self.effort)
        form.addRow("", self.each)
        form.addRow("Save in", where)
        form.addRow("Format", self.format)
        form.addRow("", self.decimals)
        form.addRow("", self.overwrite)
        self._form = form

    def refresh(self) -> None:
        """Offer the session's models; the one that is chosen there is chosen here, too."""
        learns = self.model.currentText() == LEARN
        self.model.blockSignals(True)
        self.model.clear()
        self.model.addItems([*reversed(list(session)), LEARN])
        self.model.setCurrentText(LEARN if learns and len(session) else session.chosen or LEARN)
        self.model.blockSignals(False)
        self._on_model()

    def suggest_folder(self, paths: Sequence[Path]) -> None:
        """Write into a folder beside the inputs, unless the user has named another one."""
        if paths and self.out.text() in ("", self._suggested):
            self._suggested = str(paths[0].absolute().parent / FOLDER)
            self.out.setText(self._suggested)

    def order(self, paths: Sequence[Path]) -> Order:
        """What is to be done.

        Raises
        ------
        UserError
            If there is no folder to write into.
        """
        if not self.out.text().strip():
            raise UserError("Name a folder for the denoised files.")
        learns = self.learns
        return Order(
            tuple(paths),
            Path(self.out.text().strip()).expanduser(),
            model=None if learns else session[self.model.currentText()],
            learning={"minutes": self.effort.minutes} if learns else {},
            each=learns and self.each.isChecked(),
            ending=FORMATS[self.format.currentText()],
            decimals=self.decimals.isChecked(),
            overwrite=self.overwrite.isChecked(),
            device=default_device(),
        )

    @property
    def learns(self) -> bool:
        """Whether a model learns from the files first."""
        return self.model.currentText() == LEARN

    def _on_model(self, *_: object) -> None:
        for widget in (self.effort, self.each):
            self._form.setRowVisible(widget, self.learns)

    def _on_chosen(self, *_: Any) -> None:
        """The model that the user chooses here is chosen everywhere."""
        if not self.learns:
            session.choose(self.model.currentText())

    def _on_browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self.window(), "Folder for the denoised files", self.out.text()
        )
        if folder:
            self.out.setText(folder)
