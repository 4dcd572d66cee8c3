"""Builds the sdist and the wheel and looks at what is in them.

python .ci/check_release.py [FOLDER]    # kept there; else in a folder that goes away
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parent.parent
STARTER = {
    f"core/model/weights/{name}.safetensors"
    for name in ("teacher", "student", "teacher-stack", "student-stack")
}
PLUGIN = {"napari.yaml", "_napari/icon.svg", "py.typed", "__init__.py", "core/config.py", *STARTER}
SOURCES = {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "constraints.txt", "mkdocs.yml"}
OURS = {
    *(
        ".py",
        ".md",
        ".yaml",
        ".yml",
        ".toml",
        ".svg",
        ".txt",
        ".typed",
        ".cff",
        ".js",
        ".png",
        ".gif",
    ),
    *(".aprrd", ".checkpoint", ""),
}
LARGEST = 6e6  # bytes of a whole archive: no data of others has come in


def main() -> None:
    """Build, check, say so."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(sys.argv[1] if len(sys.argv) > 1 else folder)
        _run("build", "--outdir", str(out), str(ROOT))
        [wheel], [sdist] = out.glob("*.whl"), out.glob("*.tar.gz")
        _run("twine", "check", "--strict", str(wheel), str(sdist))
        with zipfile.ZipFile(wheel) as archive:
            _check(wheel, archive.namelist(), {f"napari_aprrd/{name}" for name in PLUGIN})
        with tarfile.open(sdist) as archive:
            names = [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]
            sources = {f"src/napari_aprrd/{name}" for name in PLUGIN}
            _check(sdist, names, SOURCES | sources)
        print(f"{wheel.name} and {sdist.name} are complete.")


def _run(*command: str) -> None:
    subprocess.run([sys.executable, "-m", *command], check=True)


def _check(path: Path, names: list[str], wanted: set[str]) -> None:
    missing = wanted - set(names)
    assert not missing, f"{path.name} lacks {sorted(missing)}."
    inside = [name for name in names if ".dist-info/" not in name and name not in wanted]
    foreign = [name for name in inside if PurePosixPath(name).suffix not in OURS]
    assert not foreign, f"{path.name} holds {foreign}."
    assert path.stat().st_size < LARGEST, f"{path.name} is larger than {LARGEST / 1e6:.0f} MB."


if __name__ == "__main__":
    main()
