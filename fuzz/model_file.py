"""Coverage-guided fuzzing of the reader of model files; nothing but `UserError` may come out.

pip install atheris
python fuzz/model_file.py -max_total_time=60
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["napari_aprrd"]):
    from napari_aprrd.core.data.scaling import Normalisation
    from napari_aprrd.core.errors import UserError
    from napari_aprrd.core.model.architecture import Architecture
    from napari_aprrd.core.model.denoiser import Denoiser, load

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-model-file-"))


def read(content: bytes) -> None:
    path = FOLDER / "model.aprrd"
    path.write_bytes(content)
    try:
        load(path)
    except UserError:
        pass


def main() -> None:
    seeds = FOLDER / "seeds"
    seeds.mkdir()
    for kind in ("blind-spot", "student-1.00M", "student-1.02M"):
        architecture = Architecture(kind=kind, channels=1, width=1, depth=2)  # type: ignore[arg-type]
        model = Denoiser.fresh(architecture, Normalisation((0.0,), (1.0,)), seed=0)
        (seeds / kind).write_bytes(model.to_bytes())
    atheris.Setup([*sys.argv, str(seeds)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
