"""A form made of a config's fields: values, bounds and tooltips are the fields'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_args, get_origin

from magicgui.widgets import Container, create_widget
from magicgui.widgets.bases import ValueWidget
from pydantic.fields import FieldInfo
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QScrollArea
from superqt import QCollapsible

from .._settings import default_device
from ..core.config import DistillConfig, TrainConfig

C = TypeVar("C", TrainConfig, DistillConfig)
ELSEWHERE = ("preset", "minutes")  # the widgets ask for these outside of the form
KEPT = ("seed", "device")  # no preset changes these


class SettingsForm(Generic[C]):
    """A folded form for the fields of a config.

    Parameters
    ----------
    config_type : type of config
    changed : callable
        Called without arguments after any change.
    """

    def __init__(self, config_type: type[C], changed: Callable[[], None]) -> None:
        self._type: type[C] = config_type
        self._preset = config_type().preset
        fields = config_type.model_fields
        own_first = sorted(fields, key=lambda name: name not in config_type.__annotations__)
        names = [name for name in own_first if name not in ELSEWHERE]
        self._widgets = {name: _field_widget(name, fields[name]) for name in names}
        self.container: Container[Any] = Container()
        self.container.extend(self._widgets.values())  # so, and not above, labels align
        self.show_preset(self._preset)
        self._widgets["device"].value = default_device()
        self.container.changed.connect(lambda *_: changed())

    def folded(self) -> QCollapsible:
        """The form under a line that unfolds it."""
        scroll = QScrollArea()
        scroll.setWidget(self.container.native)
        scroll.setWidgetResizable(True)
        scroll.setMinimumHeight(220)
        advanced = QCollapsible("Advanced")
        button = advanced.toggleButton()
        button.setToolTip("Show or hide all settings.")
        palette = button.palette()
        palette.setColor(QPalette.ColorRole.WindowText, QColor("gray"))  # seen in both themes
        button.setPalette(palette)
        advanced.setCollapsedIcon("▶")
        advanced.setExpandedIcon("▼")
        advanced.layout().setContentsMargins(0, 0, 0, 0)
        advanced.addWidget(scroll)
        scroll.setEnabled(False)  # folded away, it is no stop for the tab key
        advanced.toggled.connect(scroll.setEnabled)
        return advanced

    def show_preset(self, preset: Any) -> None:
        """Show the values of a preset."""
        self._preset = preset
        values = self._type.of(preset=preset).model_dump()
        with self.container.changed.blocked():
            for name in self._widgets.keys() - KEPT:
                widget, value = self._widgets[name], values[name]
                widget.value = ", ".join(map(str, value)) if isinstance(value, tuple) else value

    def config(self, minutes: float | None = None) -> C:
        """The settings: the preset with what was changed in the form.

        Raises
        ------
        UserError
            If the values do not go together.
        """
        preset = self._type.of(preset=self._preset).model_dump()
        values = {name: self._value(name) for name in self._widgets}
        changed = {n: v for n, v in values.items() if v != preset[n]}
        if minutes is not None:
            changed["minutes"] = minutes
        return self._type.of(preset=self._preset, **changed)

    def _value(self, name: str) -> Any:
        value = self._widgets[name].value
        if get_origin(self._type.model_fields[name].annotation) is tuple:
            parts = [part.strip() for part in value.split(",") if part.strip()]
            return tuple(int(part) if part.isdigit() else part for part in parts)
        return value


def _field_widget(name: str, info: FieldInfo) -> ValueWidget[Any]:
    annotation = str if get_origin(info.annotation) is tuple else info.annotation
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    options: dict[str, Any] = {"tooltip": info.description}
    if annotation in (int, float):
        options |= _bounds(info, annotation)
    if get_origin(annotation) is not None:
        options["choices"] = list(get_args(annotation))
        annotation = str
    unit = f" ({extra['unit']})" if "unit" in extra else ""
    label = name.replace("_", " ") + unit
    widget = create_widget(name=name, label=label, annotation=annotation, options=options)
    return widget


def _bounds(info: FieldInfo, kind: Any) -> dict[str, Any]:
    """Bounds as a spin box takes them; it must hold seeds too, up to 2 ** 31."""
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    step = extra.get("step", 1 if kind is int else 0.1)
    low, high = 0, 2**31 - 1
    for limit in info.metadata:
        low = getattr(limit, "ge", getattr(limit, "gt", low))
        high = min(high, getattr(limit, "le", getattr(limit, "lt", high)))
    return {"min": kind(low), "max": kind(high), "step": step}
