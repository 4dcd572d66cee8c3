"""Denoising arrays of any axes: at once, lazily as dask arrays, and single tiles for files."""
