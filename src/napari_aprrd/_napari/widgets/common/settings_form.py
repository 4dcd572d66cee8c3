"""A form made of a config's fields: values, bounds and tooltips are the fields'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from magicgui.widgets import Container, FloatSpinBox, LineEdit, SpinBox, create_widget
from magicgui.widgets.bases import ValueWidget
from pydantic.fields import FieldInfo
from qtpy.QtWidgets import QComboBox

from ....core.config import DistillConfig, TrainConfig
from ...preferences import default_device

C = TypeVar("C", TrainConfig, DistillConfig)
ELSEWHERE = ("preset", "minutes")  # the widgets ask for these outside of the form
KEPT = ("seed", "device")  # no preset changes these
AUTOMATIC = "automatic"
# Automatic settings whose values depend on the images and on other settings.
BY_NOISE = {
    *("learning_rate", "shift", "replace", "loss", "neighbours"),
    *("shifts", "targets", "recharge"),
}


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
        # Labels only align if the widgets are added together, after the container was made.
        self.container.extend(self._widgets.values())
        # Room for the values in a dock of 300 pixels.
        self.container.native.layout().setContentsMargins(0, 0, 4, 0)
        self.show_preset(self._preset)
        self._widgets["device"].value = default_device()
        self.container.changed.connect(lambda *_: changed())

    def set(self, name: str, value: Any) -> None:
        """Put a value into a field; None: automatic."""
        widget = self._widgets[name]
        if isinstance(value, tuple):
            value = ", ".join(map(str, value))
        if value is None:
            value = "" if isinstance(widget, LineEdit) else _automatic(widget)
        widget.value = value

    def show_preset(self, preset: Any) -> None:
        """Show the values of a preset."""
        self._preset = preset
        values = self._type.of(preset=preset).model_dump()
        with self.container.changed.blocked():
            for name in self._widgets.keys() - KEPT:
                self.set(name, None if name == "steps" else values[name])
        self.show_automatic({"steps": values["steps"]})

    def show_automatic(self, now: Mapping[str, Any]) -> None:
        """Say in place of "automatic" which value that is at the moment.

        Parameters
        ----------
        now : mapping of str to value
            Values by the name of their field; other fields are left alone.
        """
        for name, value in now.items():
            _say_automatic(self._widgets[name], f"auto: {_in_words(value)}")

    def forget_automatic(self) -> None:
        """Say only "automatic" where the values depend on the noise of the images."""
        for name in BY_NOISE & self._widgets.keys():
            _say_automatic(self._widgets[name], AUTOMATIC)

    def use_budget(self, budget: bool) -> None:
        """Disable the number of steps if there is a time budget."""
        if budget:
            self.set("steps", None)
        self._widgets["steps"].enabled = not budget

    def config(self, minutes: float | None = None) -> C:
        """The settings that the form shows.

        Parameters
        ----------
        minutes : float, optional
            Time budget.

        Raises
        ------
        UserError
            If the values contradict each other.
        """
        values = {name: self._value(name) for name in self._widgets}
        return self._type.of(preset=self._preset, minutes=minutes, **values)

    def _value(self, name: str) -> Any:
        widget, info = self._widgets[name], self._type.model_fields[name]
        value = widget.value
        if get_origin(_base_type(info)) is tuple:
            parts = [part.strip() for part in value.split(",") if part.strip()]
            return tuple(int(part) if part.isdigit() else part for part in parts) or None
        if _is_optional(info) and value == _automatic(widget):
            return None
        return int(value) if _base_type(info) is int else value


def _is_optional(info: FieldInfo) -> bool:
    """Whether a field may be left automatic, by the value None."""
    return type(None) in get_args(info.annotation)


def _base_type(info: FieldInfo) -> Any:
    """The type of a field's values, automatic left out."""
    if not _is_optional(info):
        return info.annotation
    return next(kind for kind in get_args(info.annotation) if kind is not type(None))


def _automatic(widget: ValueWidget[Any]) -> Any:
    """The value of a widget that means automatic: below all others, or the first choice."""
    return widget.min if isinstance(widget, (SpinBox, FloatSpinBox)) else AUTOMATIC


def _say_automatic(widget: ValueWidget[Any], text: str) -> None:
    """Show this text where the value is automatic."""
    if isinstance(widget, (SpinBox, FloatSpinBox)):
        widget.native.setSpecialValueText(text)
    elif isinstance(widget, LineEdit):
        widget.native.setPlaceholderText(text)
    else:
        widget.native.setItemText(widget.choices.index(AUTOMATIC), text)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _field_widget(name: str, info: FieldInfo) -> ValueWidget[Any]:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    unit = f" ({extra['unit']})" if "unit" in extra else ""
    label = name.replace("_", " ") + unit
    kind, options = _kind(info)
    options["tooltip"] = info.description
    widget: ValueWidget[Any] = create_widget(
        name=name, label=label, annotation=kind, options=options
    )
    if isinstance(widget.native, QComboBox):  # as wide as the dock, not as its longest entry
        widget.native.setMinimumContentsLength(8)
        widget.native.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
    if _is_optional(info):
        _say_automatic(widget, AUTOMATIC)
        if _base_type(info) is int:
            widget.native.setDecimals(0)
    return widget


def _kind(info: FieldInfo) -> tuple[Any, dict[str, Any]]:
    """Type and options of the widget for a field; one that may be automatic can show that."""
    optional, kind = _is_optional(info), _base_type(info)
    if get_origin(kind) is tuple:
        return str, {}
    automatic = [AUTOMATIC] if optional else []
    if kind is bool and optional:
        return str, {"choices": [(AUTOMATIC, AUTOMATIC), ("on", True), ("off", False)]}
    if get_origin(kind) is Literal:
        return str, {"choices": [*automatic, *get_args(kind)]}
    if kind in (int, float):
        bounds = _bounds(info, kind)
        if optional:  # the value below the smallest one is shown as "automatic"
            zero = any(getattr(limit, "ge", None) == 0 for limit in info.metadata)
            below = -1.0 if zero else 0.0
            return float, {**bounds, "min": below}  # magicgui's box for integers cannot show texts
        return kind, bounds
    return kind, {}


def _bounds(info: FieldInfo, kind: Any) -> dict[str, Any]:
    """Bounds as a spin box takes them; it must hold seeds too, up to 2 ** 31."""
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    step = extra.get("step", 1 if kind is int else 0.1)
    low, high = 0, 2**31 - 1
    for limit in info.metadata:
        low = getattr(limit, "ge", getattr(limit, "gt", low))
        high = min(high, getattr(limit, "le", getattr(limit, "lt", high)))
    return {"min": kind(low), "max": kind(high), "step": step}
