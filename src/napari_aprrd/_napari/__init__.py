"""All that needs napari: commands, threads, previews, preferences; the widgets."""
