"""Images as planes, crops for training, and the scaling of intensities."""
