"""What importing brings in, in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CORE = """
import importlib, pkgutil
import napari_aprrd.core as core
names = [m.name for m in pkgutil.walk_packages(core.__path__, f"{core.__name__}.")]
for name in names:
    importlib.import_module(name)
assert "napari_aprrd.core.training.train" in names
"""
HELP = """
import contextlib, io, sys
from napari_aprrd.cli import main
sys.argv = ["napari-aprrd", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""
LAYERS = """
from napari_aprrd.layers import is_image_layer
assert not is_image_layer(1)
"""
NO_CLUSTER = """
from napari_aprrd.files import dask_workers
with dask_workers.connect() as found:
    assert found is None
"""
QT_AND_NAPARI = {
    *("PyQt5", "PyQt6", "PySide2", "PySide6", "qtpy", "superqt", "pyqtgraph"),
    *("napari", "magicgui"),
}
SLOW = {*QT_AND_NAPARI, "torch", "numpy", "dask", "zarr", "skimage", "tifffile"}


def imported_by(code: str) -> set[str]:
    """Top-level modules loaded after running code in a fresh interpreter."""
    code += "\nimport sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize(
    ("code", "wanted", "unwanted"),
    [
        pytest.param(CORE, {"torch", "numpy"}, QT_AND_NAPARI, id="engine"),
        pytest.param(
            "import napari_aprrd", {"napari_aprrd"}, {*SLOW, "pydantic", "typer"}, id="package"
        ),
        pytest.param(LAYERS, {"napari_aprrd"}, {*QT_AND_NAPARI, "dask"}, id="layers"),
        pytest.param(NO_CLUSTER, {"napari_aprrd"}, {"distributed"}, id="without a cluster"),
        pytest.param(HELP, {"napari_aprrd", "typer", "rich"}, SLOW, id="help"),
    ],
)
def test_importing_stays_light(code: str, wanted: set[str], unwanted: set[str]) -> None:
    imported = imported_by(code)
    assert wanted <= imported
    assert not imported & unwanted
