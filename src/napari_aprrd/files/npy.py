"""NumPy's NPY: pixels and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.errors import UserError
from .file_format import FileFormat, check_series
from .picture import Picture, without_names


class Npy(FileFormat):
    """Arrays of NumPy; read window by window, whatever their size."""

    suffixes = (".npy",)
    name = "an NPY"
    first_bytes = (b"\x93NUMPY",)

    def read(self, path: Path, series: int | None, in_memory: int) -> Picture:
        """Open an array as a memory map."""
        check_series(series, 1)
        try:
            data = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            # Opening them would run code. NumPy's sentence depends on its version.
            if "Object arrays" in str(error) or "Python objects" in str(error):
                raise UserError("it holds Python objects, not numbers.") from error
            raise
        if not isinstance(data, np.ndarray):
            data.close()
            raise UserError("it is an archive (.npz); save one of its arrays as .npy.")
        return without_names(data)

    def write(self, path: Path, picture: Picture) -> None:
        """Write the pixels, a few planes at a time: the whole stack may not fit into memory."""
        data = picture.data
        out = np.lib.format.open_memmap(path, mode="w+", dtype=data.dtype, shape=data.shape)
        step = getattr(data, "chunks", out.shape)[0]
        for start in range(0, len(out), step):
            out[start : start + step] = data[start : start + step]
        out.flush()
