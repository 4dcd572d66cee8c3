"""Denoise an OME-Zarr that is larger than memory with Dask workers.

python examples/ome_zarr_on_dask.py stack.zarr clean.zarr

The shell does the same, and goes on where it was when it is killed:
napari-aprrd denoise stack.zarr -o clean.zarr --workers 2
"""

import sys

import zarr
from dask.distributed import Client

import napari_aprrd as aprrd


def main(source: str, target: str) -> None:
    stack = zarr.open_group(source, mode="r")["0"]  # full resolution, ZYX; nothing is read yet
    teacher = aprrd.train_apr(stack, axes="ZYX")  # reads a few windows
    student = aprrd.distill_rd(teacher, stack, axes="ZYX")
    clean = aprrd.denoise(stack, student, axes="ZYX")  # a lazy dask array: tiles are its chunks
    with Client(n_workers=2, threads_per_worker=1):  # or Client("tcp://10.0.0.1:8786")
        clean.to_zarr(target, component="0")
    print(f"Wrote {clean.shape} to {target}")


if __name__ == "__main__":  # the workers import this file
    main(*sys.argv[1:])
