"""The engine's tests; a package, so that file names may repeat those of other test folders."""
