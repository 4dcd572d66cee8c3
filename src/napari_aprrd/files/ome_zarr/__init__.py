"""OME-Zarr and other Zarrs."""
