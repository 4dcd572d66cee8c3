"""A trained network with all that it needs to denoise, its file, and how it was made."""
