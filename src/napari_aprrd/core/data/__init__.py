"""Images as planes, crops to learn from, and the scaling of intensities."""
