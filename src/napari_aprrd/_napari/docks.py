"""The plugin's docks: one of each widget, all as tabs of one place; work outlives the x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

TITLE = "APR-RD denoising"  # of the plugin in napari's menus
OURS = "napari-aprrd widget"  # property of the widgets that `settle` has seen


def open_dock(viewer: Any, name: str, make: Callable[[], QWidget]) -> QWidget:
    """Show the dock of a widget; make it if there is none, as napari's menu would.

    Parameters
    ----------
    viewer : Viewer
    name : str
        Of the widget, "Train APR".
    make : callable
        Makes the widget.
    """
    widget = find_dock(viewer, name)
    if widget is None:
        widget = make()
        viewer.window.add_dock_widget(widget, name=f"{name} ({TITLE})", tabify=False)
    dock = _dock_of(widget)
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget


def find_dock(viewer: Any, name: str) -> QWidget | None:
    """The widget of that name that is docked already, whoever opened it."""
    docked = viewer.window.dock_widgets
    for title in (f"{name} ({TITLE})", f"{name} (napari-aprrd)"):
        if title in docked:
            widget: QWidget = docked[title]
            return widget
    return None


def settle(widget: QWidget, name: str, is_busy: Callable[[], bool] = lambda: False) -> None:
    """Look after the dock of a widget from the moment it is shown.

    It joins the plugin's other docks as a tab with a short title. As long as the widget works, the
    x of its title bar only hides it; the work goes on, and opening it again shows it.

    Parameters
    ----------
    widget : QWidget
    name : str
        Title of the tab.
    is_busy : callable
        Whether it works.
    """
    widget.setProperty(OURS, True)
    widget.installEventFilter(_Settling(widget, name, is_busy))


class _Settling(QObject):
    """Waits until a widget is shown in a dock for the first time."""

    def __init__(self, widget: QWidget, name: str, is_busy: Callable[[], bool]) -> None:
        super().__init__(widget)
        self._widget, self._name, self._is_busy = widget, name, is_busy

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  Qt's name
        """Act on the first show."""
        dock = _dock_of(self._widget) if event.type() == QEvent.Type.Show else None
        if dock is not None:
            self._widget.removeEventFilter(self)
            dock.setWindowTitle(self._name)  # the tab's text
            self._keep_while_busy(dock)
            _join(dock)
        return False

    def _keep_while_busy(self, dock: Any) -> None:
        """Let the x hide the dock while it works; napari calls this method of the dock for it."""
        destroy = getattr(dock, "destroyOnClose", None)
        if destroy is None:
            return
        busy = self._is_busy

        def close() -> None:
            if busy():
                dock.hide()
            else:
                destroy()

        dock.destroyOnClose = close


def _join(dock: QDockWidget) -> None:
    """Make a dock a tab beside another dock of the plugin, if there is one in the same window."""
    window = dock.parent()
    if not isinstance(window, QMainWindow) or dock.isFloating():
        return
    for other in window.findChildren(QDockWidget):
        inner = other.widget()
        if other is dock or inner is None or not inner.property(OURS) or other.isHidden():
            continue
        if not other.isFloating():
            window.tabifyDockWidget(other, dock)
            dock.raise_()
            return


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parent()
    return parent if isinstance(parent, QDockWidget) else None
