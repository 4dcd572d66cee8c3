"""The engine: torch and numpy only. It never imports Qt or napari."""
