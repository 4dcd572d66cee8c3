"""What a stranger does first with an installed wheel: opens the widget, opens the sample."""

from __future__ import annotations

from pathlib import Path

import napari
import npe2

import napari_aprrd


def main() -> None:
    """Fail where anything is missing."""
    home = Path(napari_aprrd.__file__).parent
    assert "site-packages" in home.parts, f"This is no installed copy: {home}."
    assert (home / "py.typed").is_file()
    npe2.PluginManifest.from_distribution("napari-aprrd").validate_imports()
    viewer = napari.Viewer(show=False)
    viewer.open_sample("napari-aprrd", "correlated_noise")
    _, widget = viewer.window.add_plugin_dock_widget("napari-aprrd", "Train APR")
    assert widget.start.text() == "Train APR"
    print(f"The widget opens on {[layer.name for layer in viewer.layers]}.")
    viewer.close()


if __name__ == "__main__":
    main()
