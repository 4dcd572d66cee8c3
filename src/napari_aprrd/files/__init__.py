"""Image files in and out; denoising files tile by tile; packages for other programs."""
