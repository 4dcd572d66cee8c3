"""Everything that needs napari: commands, threads, previews, preferences, widgets."""
