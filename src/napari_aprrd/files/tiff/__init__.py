"""TIFF, ImageJ TIFF and OME-TIFF."""
