"""What the noise of images looks like, measured on them alone."""
