"""Parts of "Denoise files"."""
